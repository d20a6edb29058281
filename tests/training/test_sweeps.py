"""Sweeps: one training of all combinations, each as an agent of its own."""

import csv

import jax
import numpy as np
import pytest
from probes import Chain

import jaxrec
from jaxrec.agents import QLearning, VisitStep
from jaxrec.training import fit
from jaxrec.training.sweeps import sweep


def trained(agent, runs=2, **settings):
    keys = jax.random.split(jax.random.key(0), runs)
    return fit(agent, keys, jaxrec.batched(agent.env.default_params, runs), 2, **settings)


def test_a_swept_hyper_parameter_is_that_of_an_agent_of_its_own():
    agent = QLearning(Chain(), 512, num_envs=32)
    swept = trained(agent, swept={"gamma": np.array([0.5, 0.9])})
    for run, gamma in enumerate((0.5, 0.9)):
        alone = trained(agent.replace(gamma=gamma))
        np.testing.assert_array_equal(swept.q[run], alone.q[run])
    assert (swept.q[0] != swept.q[1]).any()


@pytest.mark.parametrize(
    ("swept", "message"),
    [
        ({"gama": [0.5, 0.9]}, "unknown hyper-parameter that may be swept of QLearning 'gama'. Did you mean 'gamma'"),
        ({"num_envs": [8, 16]}, "unknown hyper-parameter that may be swept of QLearning 'num_envs'"),
        ({"gamma": np.array([0.5])}, r"swept\['gamma'\] must have shape \[2\], got \[1\]"),
        ({"gamma": np.array([0.5, 1.5])}, r"gamma must be within \[0.0, 1.0\], got 1.5"),
    ],
)
def test_what_cannot_be_swept_is_refused(swept, message):
    with pytest.raises(jaxrec.InputError, match=message):
        trained(QLearning(Chain(), 64, num_envs=32), swept=swept)


def test_a_sweep_is_one_table_of_all_combinations_and_seeds(tmp_path):
    agent = QLearning(Chain(), 512, num_envs=32)
    values = {"gamma": [0.5, 0.9], "step_size": [VisitStep(1.0), VisitStep(4.0)]}
    found = sweep(agent, values, 2, jax.random.key(0), num_chunks=2)
    assert [(row["gamma"], row["step_size"], row["seed"]) for row in found.rows[:5]] == [
        (0.5, "VisitStep(weight=1.0)", 0), (0.5, "VisitStep(weight=1.0)", 1), (0.5, "VisitStep(weight=4.0)", 0),
        (0.5, "VisitStep(weight=4.0)", 1), (0.9, "VisitStep(weight=1.0)", 0),
    ]  # fmt: skip
    alone = agent.replace(gamma=0.9, step_size=VisitStep(1.0))
    rewards = []
    state = trained(alone, on_metrics=lambda _, metrics: rewards.append(metrics["reward"]))
    np.testing.assert_array_equal(found.states.q[4:6], state.q)
    assert [row["reward"] for row in found.rows[4:6]] == rewards[-1].tolist()
    summary = found.summary()
    assert [row["seeds"] for row in summary] == [2] * 4
    assert summary[2]["reward"] == pytest.approx(rewards[-1].mean())
    assert summary[2]["reward_low"] <= summary[2]["reward"] <= summary[2]["reward_high"]
    found.write(tmp_path / "sweep.csv")
    with (tmp_path / "sweep.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [float(row["reward"]) for row in read] == [row["reward"] for row in found.rows]
    for name, message in (("sweep.csv", "exists"), ("sweep.txt", "unknown kind of table '.txt'")):
        with pytest.raises(jaxrec.InputError, match=message):
            found.write(tmp_path / name)


@pytest.mark.parametrize(
    ("several", "message"),
    [
        ([], "must have at least one, got none"),
        ("often", "must be a sequence of values, got 'often'"),
        (["often"], "must be numbers, or all of one kind"),
        ([0.5, VisitStep(1.0)], "must be numbers, or all of one kind"),
        ([0.5, 0.9, 0.5], "must have each value once"),
        ([1, 1.0], "must have each value once"),
        ([0.5, 0.5 + 1e-12], "must have each value once"),
    ],
)
def test_what_a_sweep_cannot_be_over_is_refused(several, message):
    with pytest.raises(jaxrec.InputError, match=rf"values\['gamma'\] {message}"):
        sweep(QLearning(Chain(), 64, num_envs=32), {"gamma": several}, 2, jax.random.key(0))
