"""What `prepare` tabulates gives the same steps as run-time values alone."""

import jax
import numpy as np
import pytest
from preference_loops import PARAMS

from jaxrec.envs.preference import PreferenceShift


@pytest.mark.parametrize("counts", ["dwell", "click"])
def test_prepared_values_give_the_same_steps(key, counts):
    env = PreferenceShift(horizon=5, counts=counts, reward="penalised")
    params = PARAMS.replace(influence=0.6, bait_height=0.8)
    step = jax.jit(env.step_env)
    reset, draws = jax.random.split(key)
    ours = theirs = env.reset(reset, params)[1]
    for time, draw in enumerate(jax.random.split(draws, 5)):
        *plain, _ = step(draw, ours, time % 6, params)
        *prepared, _ = step(draw, theirs, time % 6, env.prepare(params))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), plain, prepared)
        ours, theirs = plain[1], prepared[1]


def test_run_time_values_are_prepared_by_none_but_loops():
    env = PreferenceShift(horizon=9)
    assert PARAMS.lookup is None
    powers = env.prepare(PARAMS).lookup.powers
    once = np.asarray(env.tables(PARAMS).natural, float)
    for place, power in enumerate(powers):
        np.testing.assert_allclose(power, np.linalg.matrix_power(once, 2**place), atol=1e-5)
    assert len(powers) == 4
