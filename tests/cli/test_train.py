"""`jaxrec train`: any society and learner, a run folder as of a study; what is refused before anything is built."""

import json

import jax
import numpy as np
import pytest

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.train.measure import LEARNED, summed

TINY = [
    "PolarisingUsers-v0", "--args", "horizon", "3", "--timesteps", "600", "--seeds", "2", "--num-chunks", "2",
    "--evaluation-episodes", "50", "--q-learning.num-envs", "20", "--q-learning.num-steps", "3",
    "--compare", "random", "always-left",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "train"
    main(["train", *TINY, "--out", str(out)])
    return out


@pytest.mark.slow
def test_the_report_begins_with_what_is_earned(run):
    lines = (run / "report.md").read_text().splitlines()
    assert lines[0] == "# q-learning in PolarisingUsers-v0"
    assert lines[2].startswith("- What does it earn? ")
    assert lines[4] == "![training](figures/training.png)"
    assert lines[6].startswith("- More than random? ")
    assert lines[8].startswith("- More than always-left? ")
    assert (run / "figures" / "training.png").stat().st_size > 5_000
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [300, 600]


@pytest.mark.slow
def test_what_was_measured_is_what_the_saved_policies_earn(run):
    """Of a policy that shows one source the expectation is known: the mean theta of users who do not move."""
    measured = RunFolder.open(run).read_measured()
    env, params = jaxrec.make("PolarisingUsers-v0", horizon=3)
    theta = np.asarray(params.population)[:, 0].mean()
    assert measured.played["always-left"].value.mean() == pytest.approx(3 * theta, abs=0.5)
    for seed in range(2):
        policy = jaxrec.load_policy(run, run=seed)
        again = jaxrec.evaluate(env, policy, jax.random.key(9), 4000, params).estimate("reward")
        assert abs(again.value - measured.played[LEARNED].value[seed]) < 0.6
    assert (measured.played["random"].length == 3).all()
    assert (measured.played["random"].cut_off == 0).all()


@pytest.mark.slow
def test_it_is_judged_and_drawn_again(run):
    before = (run / "results.json").read_text()
    main(["report", str(run)])
    assert (run / "results.json").read_text() == before


@pytest.mark.slow
def test_networks_and_societies_of_any_length(tmp_path):
    main([
        "train", "RewiringGame-v0", "--args", "num_users", "6", "degree", "2", "--agent", "ppo", "--network", "ranking",
        "--timesteps", "128", "--seeds", "2", "--num-chunks", "1", "--evaluation-episodes", "4", "--max-steps", "5",
        "--ppo.num-envs", "4", "--ppo.num-steps", "16", "--ppo.num-minibatches", "2", "--hidden-size", "4",
        "--compare", "good", "--out", str(tmp_path / "run"),
    ])  # fmt: skip
    played = RunFolder.open(tmp_path / "run").read_measured().played
    assert set(played) == {LEARNED, "good"}
    assert (played["good"].length <= 5).all()


def test_means_leave_out_what_no_episode_has():
    nothing = np.full(3, np.nan)
    found = summed(
        jaxrec.Evaluation(
            {"reward": np.array([1.0, 2.0, 6.0])}, {"user": nothing}, {"society": np.array([0.0, np.nan, 1.0])},
            np.array([1, 2, 3]), np.array([True, False, True]),
        )
    )  # fmt: skip
    assert (found.value, found.society, found.length) == (3.0, 0.5, 2.0)
    assert np.isnan(found.user)
    assert found.cut_off == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["PolarisingUser-v0"], "Did you mean 'PolarisingUsers-v0'?"),
        (["PolarisingUsers-v0", "--params", "influence", "2"], "influence must be within [0.0, 1.0]"),
        (["PreferenceShift-v0"], "env must have indexable observations for tabular Q-learning"),
        (["PolarisingUsers-v0", "--compare", "bandits"], "Did you mean 'bandit'?"),
        (["PolarisingUsers-v0", "--seeds", "0"], "seeds must be an integer of at least 1"),
    ],
)
def test_bad_input_is_one_line_and_no_folder(argv, message, capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        main(["train", *argv, "--out", str(tmp_path / "run")])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "--help"])
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in ("module:Name", "load_policy", "jaxrec run train --resume DIR", "--network ranking"):
        assert word in out
