"""Long sums keep their precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain, Noisy

import jaxrec
from jaxrec import sums
from jaxrec.agents import QLearning
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.policy import Stateless
from jaxrec.sums import Sum


class Coin(Stateless):
    """Left or right."""

    def act(self, carry, obs, key):
        return jax.random.bernoulli(key).astype(jnp.int32), carry


def test_a_million_tenths_are_a_hundred_thousand():
    """Added one by one in float32 they are 100 958."""

    @jax.jit
    def added(value):
        return jax.lax.fori_loop(0, 1_000_000, lambda _, total: total.add(value), Sum.zeros(value)).total

    np.testing.assert_allclose(added(jnp.float32(0.1)), 1e5, rtol=1e-6)
    np.testing.assert_allclose(added(jnp.float32(-3e-5)), -30, rtol=1e-6)
    mixed = jax.jit(lambda: Sum.zeros(jnp.float32(0)).add(1e8).add(1.0).add(-1e8).add(1.0))()
    assert abs(mixed.total - mixed.lost - 2) <= 1


@pytest.mark.slow
def test_the_mean_of_a_million_steps_keeps_its_precision(key):
    """The user's worth is 0.1 at every step; float32 sums, step by step, say 0.10096."""
    env = PolarisingUsers()
    params = env.default_params.replace(population=np.array([[0.4, 0.1, 0.1]]), influence=0.0)
    played = jaxrec.rollout(env, env.policy("always-right"), key, 2, 1_000_000, params)
    np.testing.assert_allclose(played.per_env["user"], 0.1, rtol=1e-6)
    np.testing.assert_allclose(played.per_env["right"], 1.0, rtol=0)
    np.testing.assert_allclose(played.episode_return, 30 * played.per_env["reward"], rtol=1e-4)
    assert (played.episodes == 33_333).all()


@pytest.mark.parametrize("num_steps", [1, 97, 128])
def test_steps_that_no_chunk_divides_add_up_too(num_steps, key):
    played = jaxrec.rollout(Chain(), Coin(), key, 3, num_steps, trajectory=True)
    rewards = np.asarray(played.trajectory.reward, float)
    np.testing.assert_allclose(played.per_env["reward"], rewards.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(played.per_step["reward"], rewards.mean(axis=1), rtol=1e-5, atol=1e-6)
    done = np.asarray(played.trajectory.done)
    for i in range(3):
        ends = np.flatnonzero(done[:, i])
        assert played.episodes[i] == len(ends)
        if len(ends):
            np.testing.assert_allclose(
                played.episode_return[i], rewards[: ends[-1] + 1, i].sum() / len(ends), rtol=1e-4, atol=1e-6
            )
        else:
            assert np.isnan(played.episode_return[i])


@pytest.mark.slow
def test_metrics_of_a_chunk_of_a_million_updates_keep_their_precision(key):
    env = Noisy()
    agent = QLearning(env, 1_000_000, num_envs=1, num_steps=1, epsilon_start=0.1, epsilon_end=0.1)
    state = agent.init(key, env.default_params)
    _, metrics = jax.jit(agent.advance)(state, env.default_params, 0, 1_000_000)
    np.testing.assert_allclose(metrics["epsilon"], 0.1, rtol=1e-6)


def test_metrics_of_a_chunk_of_many_updates_keep_their_precision(key):
    env = Noisy()
    agent = QLearning(env, 100_000, num_envs=1, num_steps=1, epsilon_start=0.1, epsilon_end=0.1)
    state = agent.init(key, env.default_params)
    _, metrics = jax.jit(agent.advance)(state, env.default_params, 0, 100_000)
    np.testing.assert_allclose(metrics["epsilon"], 0.1, rtol=1e-6)


def test_a_loop_adds_up_what_its_steps_give_and_is_compiled_once():
    """Against a plain loop: a state that counts, and the sums of 0.1 and of the numbers of the steps."""

    def step(number, state):
        return state + 2, {"tenth": jnp.float32(0.1), "number": number}

    compiled = jax.jit(lambda first, last: sums.loop(step, jnp.int32(1), first, last))
    state, totals = compiled(3, 100_003)
    assert state == 200_001
    np.testing.assert_allclose(totals["tenth"], 1e4, rtol=1e-6)
    np.testing.assert_allclose(totals["number"], sum(range(3, 100_003)), rtol=1e-6)
    state, totals = compiled(7, 8)
    assert (state, totals["number"]) == (3, 7)
    assert compiled.lower(0, 1).as_text().count("stablehlo.while") == 1
