"""Actions outside their space: refused where they are concrete, else the nearest one is taken, and it is counted."""

import contextlib
import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from probes import Chain

import jaxrec
from jaxrec import auto_reset
from jaxrec.envs.learned import BeliefTransformer, Deployed
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.spaces import Box
from jaxrec.wrappers import LegacyStepAPI, SafeShifts, TimeLimit

SMALL = {
    "PolarisingUsers-v0": {"horizon": 6},
    "RewiringGame-v0": {"num_users": 4, "degree": 2, "rules": "learning"},
    "RewiringMarket-v0": {"num_users": 4, "degree": 2},
    "PreferenceShift-v0": {"horizon": 4, "observe_as": "state"},
    "LearnedUsers-v0": {"horizon": 3, "network": BeliefTransformer(4, 1, 1, 1)},
}


def made(env_id):
    env, params = jaxrec.make(env_id, **SMALL[env_id])
    _, state = env.reset(jax.random.key(0), params)
    return env, params, state


HEAVY = ("LearnedUsers-v0", "RewiringMarket-v0")  # to compile
EACH = [pytest.param(env, marks=[pytest.mark.slow] * (env in HEAVY)) for env in jaxrec.registered_envs()]


@pytest.mark.parametrize("env_id", EACH)
def test_a_concrete_action_outside_its_space_is_refused(env_id, untyped):
    env, params, state = made(env_id)
    for action in (-1, env.num_actions, 99, np.int64(-1)):
        with pytest.raises(jaxrec.InputError, match="action"):
            env.step(jax.random.key(1), state, action, params)


@pytest.mark.parametrize("env_id", EACH)
@pytest.mark.parametrize("action", [1.0, jnp.float32(1), jnp.zeros(1, jnp.int32), np.zeros((1,), int)])
def test_an_action_of_another_kind_or_shape_is_refused_also_where_it_is_traced(env_id, action, untyped):
    env, params, state = made(env_id)
    with pytest.raises(jaxrec.InputError, match="action"):
        env.step(jax.random.key(1), state, action, params)
    with pytest.raises(jaxrec.InputError, match="action"):
        jax.eval_shape(lambda action: env.step(jax.random.key(1), state, action, params), action)


@pytest.mark.parametrize(
    "env_id", ["PolarisingUsers-v0", "PreferenceShift-v0", pytest.param("LearnedUsers-v0", marks=pytest.mark.slow)]
)
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

    @jax.jit
    @chex.assert_max_traces(n=1)
    def walk(key, action):
        _, state = env.reset_env(key, env.default_params)
        return jax.lax.scan(lambda s, k: (env.step(k, s, action)[1], None), state, jax.random.split(key, 5))[0].place

    assert walk(jax.random.key(0), jnp.int32(1)) == 2
    assert walk(jax.random.key(1), jnp.int32(0)) == 0


@pytest.mark.parametrize("jitted", [True, False], ids=["with jit", "without jit"])
def test_a_step_is_the_same_with_and_without_jit(jitted):
    """Against the rules of the walk: right, right, left, and right past the end."""
    env = Chain()
    step = jax.jit(env.step_env) if jitted else env.step_env
    with contextlib.nullcontext() if jitted else jax.disable_jit():
        _, state = env.reset_env(jax.random.key(0), env.default_params)
        places = []
        for action in (1, 1, 0, 1, 1):
            _, state, *_ = step(jax.random.key(1), state, jnp.int32(action), env.default_params)
            places.append(int(state.place))
    assert places == [1, 2, 1, 2, 3]


@dataclasses.dataclass(unsafe_hash=True)
class Pushed(Chain):
    """An environment of one's own whose actions are two floats in [-1, 1]; the walker earns their sum."""

    def transition(self, key, state, action, params):
        return state.replace(time=state.time + 1, earned=action.sum()), jnp.zeros((), bool)

    def action_space(self, params=None):
        return Box(-1.0, 1.0, (2,))


def test_the_rule_holds_for_floats_and_for_environments_of_ones_own():
    env = Pushed()
    _, state = env.reset(jax.random.key(0))
    for wrong in ([1.0, 1.5], jnp.array([jnp.nan, 0.0]), jnp.zeros(2, int), jnp.zeros(3), jnp.float32(1)):
        with pytest.raises(jaxrec.InputError, match=r"action must be a float of shape \[2\] from -1.0 to 1.0"):
            env.step(jax.random.key(0), state, wrong)
    step = jax.jit(lambda action: env.step(jax.random.key(0), state, action))
    for action, earned, invalid in (([0.5, -9.0], -0.5, True), ([0.5, -1.0], -0.5, False)):
        _, _, reward, _, _, info = step(jnp.array(action))
        assert reward == earned
        assert info["invalid_action"] == invalid


@pytest.mark.parametrize("wrap", [lambda env: TimeLimit(env, 3), lambda env: SafeShifts(env), LegacyStepAPI])
def test_wrappers_keep_the_rule_of_the_environment_inside(wrap, untyped):
    society = wrap(PolarisingUsers(horizon=6, reward="penalised"))
    game = wrap(jaxrec.make("RewiringGame-v0", **SMALL["RewiringGame-v0"], reward="penalised")[0])
    for env, taken in ((society, 2), (game, SMALL["RewiringGame-v0"]["num_users"])):  # of which there is none
        assert env.legal_action(jnp.int32(99), env.default_params) == taken
        assert env.legal_action(jnp.int32(-5), env.default_params) == (-1 if env is game else 0)
        _, state = env.reset(jax.random.key(0))
        with pytest.raises(jaxrec.InputError, match="action must be an integer from 0 to"):
            env.step(jax.random.key(0), state, 99)
        info = jax.eval_shape(env.step_env, jax.random.key(0), state, jnp.int32(0), env.default_params)[-1]
        assert info["invalid_action"].dtype == bool


@pytest.mark.slow
def test_a_deployed_recommender_is_held_to_the_same_rule(untyped):
    users, model = (jaxrec.make(f"{name}-v0", **SMALL[f"{name}-v0"] | {"horizon": 3})[0]
                    for name in ("PreferenceShift", "LearnedUsers"))  # fmt: skip
    env = Deployed(users, model)
    _, state = env.reset(jax.random.key(0))
    with pytest.raises(jaxrec.InputError, match="action must be an integer from 0 to 5, got 6"):
        env.step(jax.random.key(1), state, 6)
    step = jax.jit(lambda action: env.step(jax.random.key(1), state, action))
    got, expected = step(jnp.int32(99)), step(jnp.int32(5))
    assert got[5]["invalid_action"]
    assert not expected[5]["invalid_action"]
    jax.tree.map(np.testing.assert_array_equal, got[:5], expected[:5])


class Always(struct.PyTreeNode):
    """The same action at every step."""

    action: int

    def init(self, key):
        return ()

    def act(self, carry, obs, key):
        return jnp.asarray(self.action, jnp.int32), carry


def test_a_rollout_measures_the_action_that_was_taken():
    """-1 would index from the end: metrics and utilities of the right source, for the left one that was shown."""
    env = PolarisingUsers(horizon=6)
    wrong, right = (jaxrec.rollout(env, Always(a), jax.random.key(0), 8, 6, trajectory=True) for a in (-1, 0))
    for one, same in zip(jax.tree.leaves(wrong), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("env_id", jaxrec.registered_envs())
def test_actions_in_the_space_are_taken_as_they_are(env_id):
    env, params, _ = made(env_id)
    for action in range(env.num_actions):
        for given in (action, np.int64(action), jnp.int32(action)):
            assert env.legal_action(given, params) == action
        assert jnp.asarray(env.legal_action(jnp.int32(action), params)).dtype == jnp.int32


def test_what_is_no_state_no_key_or_no_parameters_is_refused(untyped):
    env, params, state = made("PolarisingUsers-v0")
    key, other = jax.random.key(0), jaxrec.make("PreferenceShift-v0")[1]
    for args, message in (
        ((key, env.observe(state, params), 0, params), r"state of PolarisingUsers .* got an array int32\[6\]"),
        ((key, 0, state, params), "action must be an integer from 0 to 2, got a PolarisingState"),
        ((key, state, 0, other), "params of PolarisingUsers must be PolarisingParams, got a PreferenceParams"),
        ((jax.random.PRNGKey(0), state, 0, params), "key must be a typed key, got a legacy one"),
        ((jax.random.split(key), state, 0, params), r"key must be one key, got \[2\] of them"),
    ):
        with pytest.raises(jaxrec.InputError, match=message):
            env.step(*args)


def test_steps_may_be_mapped_over_actions():
    env, params, state = made("PolarisingUsers-v0")
    info = jax.vmap(lambda action: env.step(jax.random.key(1), state, action, params))(jnp.arange(-1, 4))[5]
    np.testing.assert_array_equal(info["invalid_action"], [True, False, False, False, True])


@pytest.mark.parametrize("action", [1, jnp.int32(1)], ids=["of Python", "of JAX"])
def test_a_step_outside_of_jit_is_not_compiled_anew(action):
    env = PolarisingUsers()
    params, (_, state) = env.default_params, env.reset(jax.random.key(0))
    env.step(jax.random.key(0), state, action, params)
    compiled = auto_reset.step._cache_size()
    _, state, *_ = env.step(jax.random.key(1), state, action, params)
    env.step(jax.random.key(2), state, action, params.replace(influence=0.5))
    assert auto_reset.step._cache_size() == compiled
