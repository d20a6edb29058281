"""Evaluations: whole episodes count once, however long they are, and on the same draws."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from probes import Bent, Chain

import jaxrec
from jaxrec import whole_episodes
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.policy import Stateless


class Coin(Stateless):
    """Left or right."""

    def act(self, carry, obs, key):
        return jax.random.bernoulli(key).astype(jnp.int32), carry


def test_whole_episodes_count_once_however_long_they_are(key):
    """A fair walk from 0 to 3 that stays where it would leave at 0 takes 12 steps on average: 1 - 12 / 10 = -0.2."""
    whole = jaxrec.evaluate(Chain(), Coin(), key, 4000)
    assert whole.ended.all()
    error = whole.sums["reward"].std() / np.sqrt(4000)
    assert abs(whole.sums["reward"].mean() + 0.2) < 4 * error
    assert abs(whole.length.mean() - 12) < 4 * whole.length.std() / np.sqrt(4000)
    np.testing.assert_allclose(whole.sums["reward"], 1 - 0.1 * whole.length, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(whole.last["place"], 3)
    windows = jaxrec.rollout(Chain(), Coin(), key, 4000, 12)
    short = np.nanmean(windows.episode_return)
    assert short > 0.1  # what a window gives: the walks that ended in it are the short ones


def test_a_policy_on_a_device_does_not_compile_an_evaluation_twice(key):
    compiled, policy = [], Bent(jnp.full((), 0.5))
    for each in (policy, jax.device_put(policy, jax.devices()[0])):
        before = whole_episodes._advance.compiled._cache_size()
        jaxrec.evaluate(Chain(length=9), each, key, 64, max_steps=2 * whole_episodes.CHUNK)
        compiled.append(whole_episodes._advance.compiled._cache_size() - before)
    assert compiled == [1, 1]


def test_episodes_that_are_cut_off_are_counted_and_have_no_sum(key):
    cut = jaxrec.evaluate(Chain(), Coin(), key, 500, max_steps=8)
    assert 0 < cut.cut_off < 500
    assert cut.length.max() == 8
    assert (cut.length[~cut.ended] == 8).all()
    for metric, kind in (("reward", "sum"), ("place", "last"), ("length", "mean")):
        assert math.isnan(cut.estimate(metric, kind).value)
    assert np.isfinite(cut.estimate("reward", "mean").value)


@pytest.mark.slow
def test_an_evaluation_is_that_of_its_trajectory(key):
    """Each episode against a plain loop over `step_env` on the draws that it is documented to use."""
    env = PolarisingUsers(horizon=6)
    whole = jaxrec.evaluate(env, env.policy("random"), key, 5)
    key_start, key_play = jax.random.split(key)
    params = env.default_params
    _, key_chunk = jax.random.split(key_play)
    keys = jax.random.split(jax.random.split(key_chunk, 1)[0], 6)
    for i, start in enumerate(jax.random.split(key_start, 5)):
        obs, state = env.reset_env(start, params)
        rewards = []
        for step_key in keys:
            key_act, key_step = jax.random.split(step_key)
            action, _ = env.policy("random").act((), obs, jax.random.split(key_act, 5)[i])
            obs, state, reward, *_ = env.step_env(jax.random.split(key_step, 5)[i], state, action, params)
            rewards.append(float(reward))
        assert whole.sums["reward"][i] == sum(rewards)
        assert whole.last["reward"][i] == rewards[-1]


def test_policies_of_one_evaluation_play_on_the_same_draws(key):
    env = PolarisingUsers()
    played = jaxrec.evaluate(env, {"a": env.policy("random"), "b": env.policy("random")}, key, 50)
    np.testing.assert_array_equal(played["a"].sums["reward"], played["b"].sums["reward"])
    with pytest.raises(jaxrec.InputError, match="at least one"):
        jaxrec.evaluate(env, {}, key, 5)
    with pytest.raises(jaxrec.InputError, match="episodes must be an integer"):
        jaxrec.evaluate(env, env.policy("random"), key, 0)


class Memory(struct.PyTreeNode):
    """Goes right from the third time on."""

    def init(self, key):
        return jnp.zeros((), jnp.int32)

    def act(self, carry, obs, key):
        return (carry >= 2).astype(jnp.int32), carry + 1


def test_a_policy_with_memory_is_evaluated_with_it(key):
    whole = jaxrec.evaluate(Chain(), Memory(), key, 7)
    np.testing.assert_array_equal(whole.length, 5)


@pytest.mark.slow
def test_the_command_gives_the_true_return_of_unequal_episodes(capsys):
    """RewiringGame under `bad`, 30 users: a window of 300 steps says 172; whole episodes of 4000 environments 484."""
    from jaxrec.cli import main

    main(["rollout", "RewiringGame-v0", "--policy", "bad", "--num-envs", "128", "--json"])
    few = json.loads(capsys.readouterr().out)
    main(["rollout", "RewiringGame-v0", "--policy", "bad", "--num-envs", "4000", "--seed", "1", "--json"])
    many = json.loads(capsys.readouterr().out)["metrics"]["episode_return"]
    assert few["episodes"] == {"played": 128, "ended": 128, "cut_off": 0}
    assert few["metrics"]["episode_return"]["low"] < many["value"] < few["metrics"]["episode_return"]["high"]
    assert 470 < many["value"] < 500
