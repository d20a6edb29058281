"""What is written otherwise for a GPU, to launch fewer kernels, computes the same numbers."""

import jax
import numpy as np
import pytest
from probes import Chain

import jaxrec
from jaxrec.agents import MLP, PPO, QLearning
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.wrappers import TimeLimit

WORLDS = {
    "together": lambda: PolarisingUsers(horizon=3),
    "each": lambda: Chain(),
    "truncated": lambda: TimeLimit(PolarisingUsers(horizon=9), 2),
}


def on_each(monkeypatch, compute):
    """What is computed as on a CPU, and by the program that is written for a GPU."""
    here = jax.tree.map(np.asarray, compute())
    jax.clear_caches()
    asked = []
    monkeypatch.setattr(jax, "default_backend", lambda: asked.append(True) or "gpu")
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *operands, cpu, default: default(*operands))
    there = jax.tree.map(np.asarray, compute())
    monkeypatch.undo()
    assert asked
    jax.clear_caches()
    return here, there


@pytest.mark.parametrize("world", WORLDS)
def test_a_table_is_learned_from_the_same_steps(monkeypatch, world):
    env = WORLDS[world]()
    agent = QLearning(env, 384, num_envs=8, num_steps=4, td_lambda=0.5)  # in pairs where all end at 2, and in `each`

    def compute():
        state, metrics = jax.jit(agent.train)(jax.random.key(0), env.default_params)
        return (state.q, state.visits, metrics, agent.experience(state, env.default_params))

    here, there = on_each(monkeypatch, compute)
    assert (here[1] > 0).sum() > 3
    jax.tree.map(np.testing.assert_array_equal, here, there)


def test_a_network_is_given_the_same_steps(monkeypatch):
    env = WORLDS["truncated"]()
    agent = PPO(env, MLP(hidden=(4,)), 80, num_envs=4, num_steps=4, num_minibatches=2)

    def compute():
        state = jax.jit(agent.init)(jax.random.key(0), env.default_params)
        return agent.experience(state, env.default_params)

    here, there = on_each(monkeypatch, compute)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6), here, there)


@pytest.mark.parametrize("env", [PolarisingUsers(horizon=3), RewiringGame(8, 2)], ids=lambda env: env.name)
def test_the_measures_of_a_rollout_are_the_same(monkeypatch, env):
    policy = env.policy("random")

    def compute():
        found = jaxrec.rollout(env, policy, jax.random.key(0), 5, 70, trajectory=True)
        return found.per_step, found.per_env, found.episode_return, found.episodes, found.trajectory

    here, there = on_each(monkeypatch, compute)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6), here, there)


def test_a_rollout_in_pairs_takes_the_same_steps(monkeypatch):
    env = PolarisingUsers(horizon=4)
    policy = env.policy("random")

    def compute():
        steps = jaxrec.rollout(env, policy, jax.random.key(0), 5, 72, trajectory=True).trajectory
        return steps.action, steps.reward, steps.done, steps.state.recommended, steps.next_state.clicked

    jax.tree.map(np.testing.assert_array_equal, *on_each(monkeypatch, compute))
