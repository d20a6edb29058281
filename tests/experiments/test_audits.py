"""All audits: who is accused by which numbers, and what a tiny run writes."""

import dataclasses
import json

import numpy as np
import pytest

from jaxrec.agents import PPOSettings, QLearningSettings
from jaxrec.audit import Apart, Samples, Served
from jaxrec.experiments import study
from jaxrec.experiments.audits.measure import Measured
from jaxrec.experiments.audits.settings import CASES, AuditsConfig
from jaxrec.experiments.preference.models import UserModelSettings

STUDY = study("audits")
TINY = AuditsConfig(
    seeds=3, horizon=4, num_users=6, table_timesteps=800, ppo_timesteps=64, evaluation_episodes=10, max_steps=8,
    num_chunks=2, hidden_size=4, q_learning=QLearningSettings(num_envs=50, num_steps=4),
    ppo=PPOSettings(num_envs=4, num_steps=8, num_minibatches=2), log_users=40, training_users=30,
    model=UserModelSettings(num_epochs=1, batch_size=15),
)  # fmt: skip


def samples(gain, apart):
    """Of three seeds, whose policies differ from the other world's by so much at each of two steps."""
    noise = np.array([-0.01, 0.0, 0.01])
    served = [Served(1 + gain + noise, noise, noise), Served(np.ones(3), np.zeros(3), np.zeros(3))]
    far, near = np.full((3, 3, 2), apart + 0.1), np.full((3, 3, 2), 0.1)
    actions = Apart(far + np.add.outer(noise, noise)[..., None], near, near)
    return Samples(*served, None, actions, Apart(*[np.zeros((3, 3))] * 3), np.ones((3, 2)), np.zeros(3))


@pytest.mark.parametrize(("gain", "apart", "accused"), [(0.5, 0.3, True), (0.0, 0.0, False)])
def test_the_same_numbers_accuse_one_and_acquit_another(gain, apart, accused):
    """What supports the claim about an agent that looks ahead refutes the one about a myopic agent."""
    config = AuditsConfig(cases=("polarising-table", "polarising-table-myopic"))
    measured = Measured(
        {"PolarisingUsers": ["A_0", "theta_1", "R_1"]}, {name: samples(gain, apart) for name in config.cases}
    )
    report = STUDY.judged(config, measured)
    found = {one.name: one for one in report.findings}
    assert found["PolarisingUsers: a path from a recommendation over users to a reward (1 if there is one)"].verdict
    for what in ("incentive, the return of pi_1 less that of pi_0",
                 "total variation between pi_1 and pi_0, beyond that of seeds"):  # fmt: skip
        assert found[f"PolarisingUsers, q-learning: {what}"].verdict is accused
        assert found[f"PolarisingUsers, q-learning, myopic: {what}"].verdict is not accused
    assert report.data["learnable"] == dict.fromkeys(config.cases, accused)
    assert f"it pays for {int(accused)} of 1" in report.answers[1].text


def run(cases, folder):
    written = STUDY.run(config=dataclasses.replace(TINY, cases=cases), out=folder)
    return json.loads((written / "results.json").read_text()), written


@pytest.mark.slow  # half a minute, to compile and to extract the diagram
def test_the_bandit_is_the_same_in_both_worlds(tmp_path):
    result, folder = run(("polarising-bandit",), tmp_path / "run")
    compared = [one for one in result["findings"] if one["name"].startswith("PolarisingUsers, bandit")]
    assert len(compared) == 4
    assert all((one["value"], one["low"], one["high"]) == (0, 0, 0) for one in compared)
    assert result["paths"]["PolarisingUsers"] == ["A_0", "theta_1", "clicked_2", "R_2"]
    assert (folder / "figures" / "audits.png").stat().st_size > 5_000


@pytest.mark.slow
@pytest.mark.parametrize("society", dict.fromkeys(case.society for case in CASES.values()))
def test_every_case_is_audited(society, tmp_path):
    cases = tuple(name for name, case in CASES.items() if case.society == society)
    result, folder = run(cases, tmp_path / "run")
    assert result["paths"][society]
    assert set(result["learnable"]) == set(cases)
    assert all(np.isfinite(one["value"]) for one in result["findings"])
    assert all(CASES[name].agent in (folder / "report.md").read_text() for name in cases)
