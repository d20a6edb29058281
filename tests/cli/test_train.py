"""`jaxrec train`: a run folder that begins with what is earned; what is refused, before anything is trained."""

import json

import jax
import numpy as np
import pytest

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments import study
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.train import TrainConfig
from jaxrec.statistics import estimate

POLICIES = ["learned", "random", "bandit", "always-left", "always-centre", "always-right"]
TINY = [
    "PolarisingUsers-v0", "--args", "horizon", "3", "--timesteps", "600", "--seeds", "3", "--num-chunks", "2",
    "--evaluation-episodes", "20", "--q-learning.num-envs", "20", "--q-learning.num-steps", "3",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "train"
    main(["train", *TINY, "--params", "influence", "0.5", "--out", str(out)])
    return out


@pytest.mark.slow
def test_the_report_begins_with_what_is_earned(run):
    measured = RunFolder.open(run).read_measured()
    lines = (run / "report.md").read_text().splitlines()
    assert lines[0] == "# Training of q-learning in PolarisingUsers-v0: what does it earn?"
    learned, random = measured.played["learned"].value, measured.played["random"].value
    assert lines[2].startswith(f"- What does it earn? {estimate(learned)} an episode")
    assert str(estimate(learned - random)) in lines[2]
    assert lines[4] == "![returns](figures/returns.png)"
    assert {path.name for path in (run / "figures").iterdir()} == {"returns.png", "learning.png"}
    manifest = RunFolder.open(run).manifest()
    assert (manifest["study"], manifest["status"]) == ("train", "complete")
    assert manifest["config"]["params"] == ["influence=0.5"]


@pytest.mark.slow
def test_what_was_measured_is_kept(run):
    measured = RunFolder.open(run).read_measured()
    assert list(measured.played) == POLICIES
    assert measured.reward.shape == (2, 3)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [300, 600]
    np.testing.assert_allclose([line["reward"] for line in lines], measured.reward)
    for one in measured.played.values():
        np.testing.assert_array_equal(one.length, 3)
        np.testing.assert_array_equal(one.cut_off, 0)


@pytest.mark.slow
def test_the_policies_of_the_seeds_earn_what_is_said(run):
    """Loaded from disk and played step by step, on other draws."""
    measured = RunFolder.open(run).read_measured().played["learned"]
    env, params = jaxrec.make("PolarisingUsers-v0", horizon=3)
    params = params.replace(influence=0.5)
    for seed in range(3):
        policy = jaxrec.load_policy(run / "checkpoints" / "001-training", run=seed)
        played = jaxrec.rollout(env, policy, jax.random.key(seed), 4000, 3, params)
        # 20 episodes of at most 3 clicks: standard error of at most 1.5 / sqrt(20) = 0.34.
        assert abs(3 * np.mean(played.per_env["reward"]) - measured.value[seed]) < 4 * 0.34


@pytest.mark.slow
def test_it_is_judged_and_drawn_again(run):
    def written():
        return (run / "report.md").read_text().partition("## How this was made")[0], (run / "results.json").read_text()

    before = written()
    main(["report", str(run)])
    assert written() == before


@pytest.mark.slow
def test_nothing_is_overwritten_nor_resumed_where_it_is_complete(run, capsys):
    before = (run / "results.json").read_bytes()
    for argv, message in ((["--resume", str(run)], "is complete"), ([*TINY, "--out", str(run)], "exists")):
        with pytest.raises(SystemExit) as stop:
            main(["train", *argv])
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
    assert (run / "results.json").read_bytes() == before


@pytest.mark.slow
def test_a_network_learns_in_a_society_that_says_little_of_itself(tmp_path, monkeypatch):
    """One of a few lines, found by `module:Name`, without a policy: random actions are what it is compared with."""
    (tmp_path / "coins.py").write_text(SOCIETY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    main(
        ["train", "coins:Coins", "--agent", "ppo", "--timesteps", "4096", "--seeds", "3", "--evaluation-episodes", "50",
         "--ppo.num-envs", "16", "--ppo.num-steps", "16", "--hidden-size", "8", "--num-chunks", "2", "--out", "run"]
    )  # fmt: skip
    played = RunFolder.open(tmp_path / "run").read_measured().played
    assert list(played) == ["learned", "random"]
    np.testing.assert_array_equal(played["learned"].value, 4.0)  # one coin pays 1, at each of 4 steps
    assert 1.5 < played["random"].value.mean() < 2.5
    assert "The society names no other policy." in (tmp_path / "run" / "report.md").read_text()


SOCIETY = """
import dataclasses

import jax.numpy as jnp

import jaxrec
from jaxrec.spaces import Box, Discrete


class CoinState(jaxrec.EnvState):
    paid: float = 0.0


@dataclasses.dataclass(unsafe_hash=True)
class Coins(jaxrec.Environment[CoinState, jaxrec.EnvParams]):
    reward: str = "engagement"

    @property
    def default_params(self):
        return jaxrec.EnvParams()

    @property
    def fixed_horizon(self):
        return 4

    def reset_env(self, key, params):
        state = CoinState(jnp.int32(0), jnp.float32(0))
        return self.observe(state, params), state

    def transition(self, key, state, action, params):
        state = CoinState(state.time + 1, action.astype(float))
        return state, state.time >= 4

    def observe(self, state, params):
        return state.time

    def utilities(self, state, action, next_state, params):
        zero = jnp.float32(0)
        return jaxrec.Utilities(recommender=next_state.paid, user=zero, society=zero)

    def metrics(self, state, action, next_state, params):
        return {}

    def action_space(self, params=None):
        return Discrete(2)

    def observation_space(self, params=None):
        return Box(0, 4, (), jnp.int32)
"""


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["PolarisingUser-v0"], "Did you mean 'PolarisingUsers-v0'?"),
        (["PolarisingUsers-v0", "--params", "influence", "2"], "influence must be within [0.0, 1.0]"),
        (["PreferenceShift-v0"], "env must have indexable observations for tabular Q-learning"),
        (["PreferenceShift-v0", "--agent", "ppo", "--network", "ranking"], "network Ranking does not take what"),
        (["PolarisingUsers-v0", "--timesteps", "5000000000"], "timesteps must come to at most"),
        (["PolarisingUsers-v0", "--seeds", "0"], "seeds must be an integer of at least 1"),
        (["PolarisingUsers-v0", "--ppo.gamma", "1.5"], "ppo: gamma must be within [0.0, 1.0]"),
        (["--resume", "nowhere"], "nowhere"),
        (["PolarisingUsers-v0", "--resume", "nowhere"], "--resume goes on with what 'nowhere' was begun with"),
    ],
)
def test_bad_input_is_one_line_and_no_folder(argv, message, capsys, tmp_path):
    out = [] if "--resume" in argv else ["--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as stop:
        main(["train", *argv, *out])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_claims_name_every_policy_of_the_society():
    claims = study("train").claims(TrainConfig())
    compared = [claim.name for claim in claims if claim.name.startswith("return of an episode, learned less ")]
    assert [name.rpartition(" ")[2] for name in compared] == POLICIES[1:]
    assert [claim.name for claim in claims if claim.judge.text] == ["return of an episode, learned less random"]


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "--help"])
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in ("jaxrec train --resume DIR", "jaxrec.load_policy(", "--network ranking", "mysociety:MySociety"):
        assert word in out
    main([])
    assert "jaxrec train PolarisingUsers-v0" in capsys.readouterr().out
