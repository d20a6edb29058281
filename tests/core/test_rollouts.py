"""Rollouts: what they reduce, what they share, what they refuse."""

from collections import Counter as Counts

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain

import jaxrec
from jaxrec import rollouts
from jaxrec.envs.polarising import AlwaysSource, PolarisingUsers, Random
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.policy import Stateless
from jaxrec.rollouts import _rollout


class Right(Stateless):
    """Walks on."""

    def act(self, carry, obs, key):
        return jnp.int32(1), carry


class Counter(Stateless):
    """Remembers how often it acted in this episode, and walks on from the third time."""

    def init(self, key):
        return jnp.zeros((), jnp.int32)

    def act(self, carry, obs, key):
        return (carry >= 2).astype(jnp.int32), carry + 1


def test_metrics_are_the_means_of_the_trajectory(polarising, key):
    env, params = polarising
    result = jaxrec.rollout(env, Random(), key, 7, 75, params, trajectory=True)
    steps = result.trajectory
    each = jax.vmap(jax.vmap(lambda s: env.metrics(s.state, s.action, s.next_state, params)))(steps)
    each["reward"] = steps.reward
    worth = jax.vmap(jax.vmap(lambda s: env.utilities(s.state, s.action, s.next_state, params)))(steps)
    each |= {"recommender": worth.recommender, "user": worth.user, "society": worth.society}
    assert set(each) == set(result.per_env) == set(result.per_step)
    for name, values in each.items():
        np.testing.assert_allclose(result.per_step[name], np.mean(values, axis=1), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(result.per_env[name], np.mean(values, axis=0), rtol=1e-4, atol=1e-6)
    rewards = np.asarray(steps.reward)
    np.testing.assert_allclose(result.episode_return, (rewards[:30].sum(0) + rewards[30:60].sum(0)) / 2, rtol=1e-6)
    np.testing.assert_array_equal(result.episodes, 2)
    np.testing.assert_array_equal(steps.done, np.isin(np.arange(75), [29, 59])[:, None].repeat(7, 1))
    np.testing.assert_array_equal(steps.state.time, (np.arange(75) % 30)[:, None].repeat(7, 1))


def test_a_second_call_does_not_retrace_whatever_the_parameters(polarising, key):
    env, params = polarising
    jaxrec.rollout(env, AlwaysSource(0), key, 3, 31, params)
    compiled = _rollout.compiled._cache_size()
    for influence in (0.25, 0, jnp.float32(0.5), np.float64(0.5)):
        changed = params.replace(influence=influence, ceiling=0.5)
        jaxrec.rollout(env, AlwaysSource(2), jax.random.key(5), 3, 31, changed)
    assert _rollout.compiled._cache_size() == compiled


@pytest.mark.parametrize("base", [PolarisingUsers, RewiringGame])
def test_societies_are_traced_once_a_rollout(base, key):
    traced = []

    class Told(base):
        def reset_env(self, key, params):
            traced.append("reset")
            return super().reset_env(key, params)

        def transition(self, key, state, action, params):
            traced.append("step")
            return super().transition(key, state, action, params)

    env = Told() if base is PolarisingUsers else Told(8, 2)
    jaxrec.rollout(env, env.policy("random"), key, 2, 6)
    # where all episodes end together they begin in two places, by two programs
    assert Counts(traced) == {"reset": 2 if base is PolarisingUsers else 1, "step": 1}


def test_equal_keys_are_same_noise_twins_across_influence(polarising, key):
    env, params = polarising
    twins = [
        jaxrec.rollout(env, Random(), key, 200, 30, params.replace(influence=influence), trajectory=True).trajectory
        for influence in (0.0, 1.0)
    ]
    np.testing.assert_array_equal(twins[0].action, twins[1].action)
    np.testing.assert_array_equal(twins[0].state.initial_theta, twins[1].state.initial_theta)
    # theta only rises with influence, so with the same draws every click stays a click.
    assert (np.asarray(twins[1].reward) >= np.asarray(twins[0].reward)).all()
    assert (np.asarray(twins[1].reward) > np.asarray(twins[0].reward)).any()


@pytest.mark.slow
def test_vmap_over_parameters_equals_single_calls(polarising, key):
    env, params = polarising
    influences = jnp.array([0.0, 0.5, 1.0])
    sweep = jax.vmap(lambda i: jaxrec.rollout(env, Random(), key, 50, 30, params.replace(influence=i)).per_env)(
        influences
    )
    for i, influence in enumerate(influences):
        alone = jaxrec.rollout(env, Random(), key, 50, 30, params.replace(influence=influence)).per_env
        np.testing.assert_allclose(sweep["polarisation"][i], alone["polarisation"], rtol=1e-5, atol=1e-7)


def test_vmap_over_policies(polarising, key):
    env, params = polarising
    sweep = jax.vmap(lambda policy: jaxrec.rollout(env, policy, key, 50, 30, params).per_env["left"])
    np.testing.assert_array_equal(sweep(AlwaysSource(jnp.arange(3))).mean(axis=1), [1, 0, 0])


def test_episodes_of_unequal_length_restart_one_by_one(key):
    env = Chain()
    result = jaxrec.rollout(env, Right(), key, 2, 7, trajectory=True)
    np.testing.assert_array_equal(result.trajectory.state.place[:, 0], [0, 1, 2, 0, 1, 2, 0])
    np.testing.assert_array_equal(result.trajectory.next_state.place[:, 0], [1, 2, 3, 1, 2, 3, 1])
    np.testing.assert_allclose(result.episode_return, 0.7, rtol=1e-6)


def test_restarts_draw_the_same_whatever_is_added_up_at_once(key, monkeypatch):
    env = RewiringGame(6, 2, "learning")
    params = env.default_params.replace(time_limit=3)
    found = []
    for most in (64, 4):
        monkeypatch.setattr(rollouts, "MAX_ADDED", most)
        _rollout.compiled.clear_cache()
        found.append(jaxrec.rollout(env, env.policy("good"), key, 4, 12, params, trajectory=True).trajectory)
    whole, in_parts = found
    assert whole.done.sum() > 8
    jax.tree.map(np.testing.assert_array_equal, whole, in_parts)
    starts = whole.state.society.cooperators[whole.state.time == 0]
    assert len(np.unique(starts)) > 3  # each from a key of its own


def test_memory_restarts_with_the_episode(key):
    result = jaxrec.rollout(Chain(), Counter(), key, 2, 10, trajectory=True)
    np.testing.assert_array_equal(result.trajectory.action[:, 0], [0, 0, 1, 1, 1, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("num_envs", "num_steps", "named"), [(0, 5, "num_envs"), (5, 0, "num_steps"), (-1, 5, "num_envs")]
)
def test_zero_environments_or_steps(polarising, key, num_envs, num_steps, named):
    env, params = polarising
    with pytest.raises(jaxrec.InputError, match=named):
        jaxrec.rollout(env, Random(), key, num_envs, num_steps, params)


def test_what_is_no_policy(polarising, key, untyped):
    env, params = polarising

    class NoTree:
        def init(self, key):
            return ()

        def act(self, carry, obs, key):
            return 0, carry

    with pytest.raises(jaxrec.InputError, match="init"):
        jaxrec.rollout(env, "bandit", key, 1, 1, params)
    with pytest.raises(jaxrec.InputError, match="PyTree"):
        jaxrec.rollout(env, NoTree(), key, 1, 1, params)


def test_rollout_in_float64(key):
    with jax.enable_x64(True):
        env, params = jaxrec.make("PolarisingUsers-v0")
        result = jaxrec.rollout(env, Random(), key, 20, 30, params)
        assert result.per_env["polarisation"].dtype == jnp.float64
    single = jaxrec.rollout(*jaxrec.make("PolarisingUsers-v0")[:1], Random(), key, 20, 30)
    assert single.per_env["polarisation"].dtype == jnp.float32
