"""Actions outside their space: refused where they are concrete, else the nearest one is taken, and it is counted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain

import jaxrec
from jaxrec.envs.learned import BeliefTransformer

SMALL = {
    "PolarisingUsers-v0": {"horizon": 6},
    "RewiringGame-v0": {"num_users": 4, "degree": 2, "rules": "learning"},
    "PreferenceShift-v0": {"horizon": 4, "observe_as": "state"},
    "LearnedUsers-v0": {"horizon": 3, "network": BeliefTransformer(4, 1, 1, 1)},
}


def made(env_id):
    env, params = jaxrec.make(env_id, **SMALL[env_id])
    _, state = env.reset(jax.random.key(0), params)
    return env, params, state


@pytest.mark.parametrize("env_id", jaxrec.registered())
def test_a_concrete_action_outside_its_space_is_refused(env_id, untyped):
    env, params, state = made(env_id)
    for action in (-1, env.num_actions, 99, np.int64(-1)):
        with pytest.raises(jaxrec.InputError, match="action"):
            env.step(jax.random.key(1), state, action, params)


@pytest.mark.parametrize("env_id", jaxrec.registered())
@pytest.mark.parametrize("action", [1.0, jnp.float32(1), jnp.zeros(1, jnp.int32), np.zeros((1,), int)])
def test_an_action_of_another_kind_or_shape_is_refused_also_where_it_is_traced(env_id, action, untyped):
    env, params, state = made(env_id)
    with pytest.raises(jaxrec.InputError, match="action"):
        env.step(jax.random.key(1), state, action, params)
    with pytest.raises(jaxrec.InputError, match="action"):
        jax.eval_shape(lambda action: env.step(jax.random.key(1), state, action, params), action)


@pytest.mark.parametrize("env_id", ["PolarisingUsers-v0", "PreferenceShift-v0", "LearnedUsers-v0"])
def test_a_traced_action_outside_its_space_is_counted_and_the_nearest_is_taken(env_id):
    env, params, state = made(env_id)
    step = jax.jit(lambda action: env.step(jax.random.key(1), state, action, params))
    last = env.num_actions - 1
    for action, nearest in ((-1, 0), (last + 1, last), (99, last), (1, 1)):
        got, expected = step(jnp.int32(action)), step(jnp.int32(nearest))
        assert bool(got[5]["invalid_action"]) == (action != nearest)
        assert not expected[5]["invalid_action"]
        for one, other in zip(jax.tree.leaves(got[:5]), jax.tree.leaves(expected[:5]), strict=True):
            np.testing.assert_array_equal(one, other)


def test_counts_of_polarising_users_sum_to_the_time():
    env, params, state = made("PolarisingUsers-v0")
    for action in (-1, 3, 99):
        _, state, *_ = jax.jit(env.step)(jax.random.key(1), state, jnp.int32(action), params)
    assert state.time == state.recommended.sum() == 3


def test_the_rewiring_game_keeps_its_own_rule():
    """Whoever is out of range cannot be tied to: the tie stays, nobody else is taken in the place."""
    env, params, state = made("RewiringGame-v0")
    after = jax.jit(env.step_env)(jax.random.key(1), state, jnp.int32(99), params)
    assert after[4]["invalid_action"]
    assert after[1].ineligible == state.ineligible + state.meeting.acts
    assert after[1].rewires == state.rewires


def test_a_step_in_the_callers_own_jit_neither_fails_nor_retraces():
    env = Chain()
    traces = 0

    @jax.jit
    def walk(key, action):
        nonlocal traces
        traces += 1
        _, state = env.reset_env(key, env.default_params)
        return jax.lax.scan(lambda s, k: (env.step(k, s, action)[1], None), state, jax.random.split(key, 5))[0].place

    assert walk(jax.random.key(0), jnp.int32(1)) == 2
    assert walk(jax.random.key(1), jnp.int32(0)) == 0
    assert traces == 1
