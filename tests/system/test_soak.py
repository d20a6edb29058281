"""The rewiring society for a thousand million time-steps, its invariants checked all along: `pytest -m slow -k soak`.

Or for as many as the environment variable SOAK_STEPS says.
"""

import os

import jax
import numpy as np
import pytest
from societies import checked

from jaxrec.envs.rewiring import Competition, RewiringGame, simulate
from jaxrec.envs.rewiring.simulation import simulator as simulation

USERS, DEGREE, RUNS = 100, 30, 1024
LIMIT = 200_000
RIVALS = ["local", "high-cooperators", "low"]
STEPS = int(float(os.environ.get("SOAK_STEPS", "1e9")))
SHARES = {  # of the time-steps of all societies together
    "carvalho": (["local"], 0.7),
    "santos": (["random"], 0.1),
    "printed": (RIVALS, 0.1),
    "learning": (["fair"], 0.1),
}


@pytest.mark.slow
@pytest.mark.parametrize("rules", SHARES)
def test_soak(rules, monkeypatch, capsys):
    """Many runs, each to fixation or its limit, some with nothing but structural updates; checked every 5000 steps."""
    recommenders, share = SHARES[rules]
    goal = int(share * STEPS)
    env, measure, tests = RewiringGame(USERS, DEGREE, rules), simulation.measure_lanes, 0

    def checking(state, *others):
        nonlocal tests
        society = checked(state.society)
        assert (society.matrices.sum(axis=(1, 2)) == USERS * DEGREE).all(), "ties were lost or made"
        assert society.matrices.any(axis=2).all(), "a last neighbour was lost"
        tests += 1
        return measure(state, *others)

    monkeypatch.setattr(simulation, "measure_lanes", checking)
    rng, total, rewires, calls = np.random.default_rng(0), 0, 0, 0
    while total < goal:
        params = env.default_params.replace(
            beta=rng.choice([0.005, 0.1, 1.0], RUNS),
            temptation=rng.uniform(0, 2, RUNS),
            sucker=rng.uniform(-1, 1, RUNS),
            timescale=rng.choice([0.5, 2.0, 10.0, np.inf], RUNS),
            influence=rng.choice([0.0, 0.5, 1.0], RUNS),
        )
        competition = None if len(recommenders) == 1 else Competition(timescale=rng.choice([0.0, 0.1], RUNS))
        ended = simulate(env, recommenders, jax.random.key(calls), params, LIMIT, competition=competition)
        assert (ended.fixated | (ended.steps == LIMIT)).all()
        assert (ended.fixated == np.isin(ended.cooperation, (0, 1))).all()
        assert (ended.rewires <= ended.requests).all()
        assert (ended.requests <= ended.opportunities).all()
        assert (ended.opportunities <= ended.steps).all()
        assert (ended.rewires >= 0).all()
        if len(recommenders) > 1:
            np.testing.assert_allclose(ended.shares.sum(axis=1), 1, rtol=1e-6)
        total, rewires, calls = total + int(ended.steps.sum()), rewires + int(ended.rewires.sum()), calls + 1
        with capsys.disabled():
            print(
                f"\r{rules}: {total:,} of {goal:,} time-steps, {rewires:,} rewires, {tests:,} tests", end="", flush=True
            )
    assert rewires > goal / 1000
