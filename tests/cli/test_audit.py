"""`jaxrec audit`: a run folder that begins with the answers; what is refused, before anything is trained."""

import json

import numpy as np
import pytest

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.audit import AuditConfig
from jaxrec.experiments.runs.folder import RunFolder

TINY = [
    "PolarisingUsers-v0", "--args", "horizon", "3", "--timesteps", "600", "--seeds", "3", "--num-chunks", "2",
    "--evaluation-episodes", "20", "--q-learning.num-envs", "20", "--q-learning.num-steps", "3",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "audit"
    main(["audit", *TINY, "--params", "influence", "0", "--out", str(out)])
    return out


@pytest.mark.slow
def test_a_run_of_one_world_finds_nothing(run):
    """At influence 0 the worlds are the same: every number that compares them is exactly 0."""
    lines = (run / "report.md").read_text().splitlines()
    assert lines[0] == "# Audit of q-learning in PolarisingUsers-v0: are users a means?"
    assert lines[2] == "- Could users be a means? No: there is no path."
    assert lines[4] == "![diagram](figures/diagram.png)"
    assert "Definition 2)? No: " in lines[6]
    found = {one["name"]: one for one in json.loads((run / "results.json").read_text())["findings"]}
    compared = [one for name, one in found.items() if "pi_0" in name or "part of the incentive" in name]
    assert len(compared) == 7
    assert all((one["value"], one["low"], one["high"]) == (0, 0, 0) for one in compared)
    assert {path.name for path in (run / "figures").iterdir()} == {"diagram.png", "tampering.png", "training.png"}


@pytest.mark.slow
def test_what_was_measured_is_kept(run):
    measured = RunFolder.open(run).read_measured()
    assert measured.tampering.learnable is False
    assert measured.samples.actions.across.shape == (3, 3, 3)
    assert measured.reward.shape == (2, 3, 3)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [300, 600]
    np.testing.assert_allclose([line["reward_initial"] for line in lines], measured.reward[:, 2])


@pytest.mark.slow
def test_it_is_judged_and_drawn_again(run):
    def written():
        return (run / "report.md").read_text().partition("## How this was made")[0], (run / "results.json").read_text()

    before = written()
    main(["report", str(run)])
    assert written() == before


@pytest.mark.slow
def test_a_run_of_the_study_is_the_same(run, tmp_path):
    """`jaxrec run audit` takes the settings that the manifest holds."""
    path = study("audit").run(config=STUDIES["audit"].configured(RunFolder.open(run)), out=tmp_path / "again")
    assert (path / "results.json").read_text() == (run / "results.json").read_text()


def test_every_network_makes_a_learner():
    for env, network, args in (
        ("PreferenceShift-v0", "mlp", ()),
        ("PreferenceShift-v0", "lstm", ()),
        ("RewiringGame-v0", "ranking", ("num_users=6", "degree=2")),
    ):
        config = AuditConfig(env=env, args=args, agent="ppo", network=network, timesteps=100)
        config.check()
        assert type(config.learner(config.world()[0]).network).__name__.lower() == network


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["PolarisingUser-v0"], "Did you mean 'PolarisingUsers-v0'?"),
        (["PolarisingUsers-v0", "--params", "influence", "2"], "influence must be within [0.0, 1.0]"),
        (["PolarisingUsers-v0", "--args", "horizons", "2"], "unknown constructor argument 'horizons'"),
        (["PreferenceShift-v0"], "env must have indexable observations for tabular Q-learning"),
        (["PreferenceShift-v0", "--agent", "ppo", "--network", "ranking"], "network Ranking does not take what"),
        (["PolarisingUsers-v0", "--timesteps", "5000000000"], "timesteps must come to at most"),
        (["PolarisingUsers-v0", "--seeds", "0"], "seeds must be an integer of at least 1"),
        (["PolarisingUsers-v0", "--hidden-size", "99999"], "hidden_size must be at most 4096"),
        (["--resume", "nowhere"], "nowhere"),
        (["PolarisingUsers-v0", "--resume", "nowhere"], "--resume goes on with what 'nowhere' was begun with"),
    ],
)
def test_bad_input_is_one_line_and_no_folder(argv, message, capsys, tmp_path):
    out = [] if "--resume" in argv else ["--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as stop:
        main(["audit", *argv, *out])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [("horizon",), ("=3",), ("horizon=",), ("horizon=3", "horizon=4")])
def test_settings_as_text_are_of_one_form(given):
    with pytest.raises(jaxrec.InputError, match="args must"):
        AuditConfig(args=given).check()


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["audit", "--help"])
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in ("Definition 1", "Definition 2", "epistemic", "jaxrec audit --resume DIR", "--network ranking"):
        assert word in out
    main([])
    assert "jaxrec audit PolarisingUsers-v0" in capsys.readouterr().out
