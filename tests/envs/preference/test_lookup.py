"""What `prepare` tabulates gives the same steps as run-time values alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from preference_loops import PARAMS

import jaxrec
from jaxrec.envs.preference import PreferenceShift
from jaxrec.wrappers import FlattenObservation, SafeShifts, UncertainReward


@pytest.mark.parametrize(("counts", "double"), [("dwell", True), ("click", True), ("click", False)])
def test_prepared_values_give_the_same_steps(key, counts, double):
    """In single precision each from the same state: its rounding grows, otherwise in every version of XLA."""
    near = {"rtol": 1e-9, "atol": 1e-12} if double else {"rtol": 1e-6, "atol": 1e-6}
    env = PreferenceShift(horizon=5, counts=counts, reward="penalised")
    params = PARAMS.replace(influence=0.6, bait_height=0.8)
    with jax.enable_x64(double):
        step = jax.jit(env.step_env)
        reset, draws = jax.random.split(key)
        ours = theirs = env.reset(reset, params)[1]
        for time, draw in enumerate(jax.random.split(draws, 5)):
            *plain, _ = step(draw, ours, time % 6, params)
            *prepared, _ = step(draw, theirs, time % 6, env.prepare(params))
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **near), plain, prepared)
            ours, theirs = plain[1], (prepared if double else plain)[1]


def test_run_time_values_are_prepared_by_none_but_loops():
    env = PreferenceShift(horizon=9)
    assert PARAMS.lookup is None
    powers = env.prepare(PARAMS).lookup.powers
    once = np.asarray(env.tables(PARAMS).natural, float)
    for place, power in enumerate(powers):
        np.testing.assert_allclose(power, np.linalg.matrix_power(once, 2**place), atol=1e-5)
    assert len(powers) == 4


def test_wrappers_prepare_what_the_environment_inside_does():
    env = PreferenceShift(horizon=3, reward="penalised")
    for wrapper in (FlattenObservation(env), SafeShifts(env)):
        powers = wrapper.prepare(wrapper.default_params).lookup.powers
        np.testing.assert_array_equal(powers, env.prepare(env.default_params).lookup.powers)
    uncertain = UncertainReward(env, ("engagement",), [[1.0]])
    assert uncertain.prepare(uncertain.default_params).env.lookup is None


def test_what_was_prepared_does_not_outlive_the_values_that_it_was_made_of():
    env = PreferenceShift(horizon=3)
    prepared = env.prepare(PARAMS)
    assert prepared.replace(influence=0.0).lookup is None
    assert prepared.replace().lookup is None
    with pytest.raises(jaxrec.InputError, match="lookup must be left to `prepare`, got 5"):
        env.reset(jax.random.key(0), PARAMS.replace(lookup=5))


def test_loops_over_different_values_are_loops_over_each(key):
    """Rollouts prepare; steps by hand do not. Each row of values has tables of its own."""
    env = PreferenceShift(horizon=3, observe_as="state")
    rows = jaxrec.batched(PARAMS, 2).replace(rationality=jnp.array([0.0, 60.0]), influence=jnp.array([1.0, 0.0]))
    key = jax.random.split(key, 2)

    def played(key, params):
        return jaxrec.rollout(env, env.policy("random"), key, 4, 3, params, trajectory=True).trajectory

    both = jax.jit(jax.vmap(played))(key, rows)
    tables = jax.jit(env.tables)
    for row in range(2):
        params = jax.tree.map(lambda leaf, row=row: leaf[row], rows)
        alone = jax.jit(played)(key[row], params)
        np.testing.assert_array_equal(both.state.preference[row], alone.state.preference)
        chance = np.asarray(tables(params).shift)[alone.action, alone.state.preference, alone.next_state.preference]
        assert (chance > 0).all()
        expected = np.einsum("tes,tesv->tev", alone.state.steered, np.asarray(tables(params).shift)[alone.action])
        np.testing.assert_allclose(alone.next_state.steered[:2], expected[:2], atol=1e-6)
