"""One step of an on-policy learner: what its network chooses, what is learned from the step, and where it continues."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec import vectorized
from jaxrec.agents import on_policy
from jaxrec.agents.masks import distribution, slate_size
from jaxrec.agents.on_policy import Batch, PPOState, Transition


class Choice(NamedTuple):
    """What a network chose in each environment.

    Attributes:
        carry: of the network afterwards.
        action: int32[num_envs]; [num_envs, k] for slates of k.
        log_prob, value: float[num_envs], of the action and of the state.
    """

    carry: PyTree
    action: Array
    log_prob: Array
    value: Array


def choose(agent: PyTree, state: PPOState, key: Array) -> Choice:
    """Draws an action in each environment.

    Args:
        agent: PPO; its network and environment are read.
        state: of its training.
        key: a typed key.

    Returns:
        The actions.
    """
    carry = on_policy.reset_carry(agent.network, state.carry, state.is_first)
    apply = jax.vmap(agent.network.apply, in_axes=(None, 0, 0))
    carry, logits, value = apply(state.network_params, carry, state.obs)
    action, log_prob = distribution(logits, state.obs, slate_size(agent.env)).sample_and_log_prob(key)
    return Choice(carry, action, log_prob, value)


def record(
    agent: PyTree, state: PPOState, choice: Choice, step: vectorized.Step, params: PyTree
) -> tuple[Transition, dict[str, Any]]:
    """Notes a step of every environment.

    Args:
        agent: PPO; its environment, values and `log_metrics` are read.
        state: before the step.
        choice: the actions.
        step: what they led to, before any reset.
        params: run-time values of the environment.

    Returns:
        What is learned from the step; and sums of what is reported: "return" and "episodes" of episodes that ended,
        and those of `on_policy.logged`.
    """
    values = agent.values
    taken = Transition(
        state.obs, state.carry, state.is_first, choice.action, choice.log_prob, choice.value,
        values.features_of(state.obs, state.env_state), step.reward,
        values.final(choice.carry, step) if agent.env.may_truncate else None, step.terminated, step.truncated,
    )  # fmt: skip
    episode_return = state.episode_return + step.reward
    ended = {"return": jnp.where(step.done, episode_return, 0).sum(), "episodes": step.done.sum()}
    weight = on_policy.requested(state.obs, choice.value)
    return taken, ended | on_policy.logged(agent.env, agent.log_metrics, step, weight, params)


def moved(state: PPOState, choice: Choice, step: vectorized.Step, obs: PyTree, env_state: PyTree) -> PPOState:
    """Gives the training after a step.

    Args:
        state: before it.
        choice: the actions.
        step: what they led to, before any reset.
        obs: of each environment where it continues.
        env_state: of each environment where it continues.

    Returns:
        The training, which has learned nothing yet.
    """
    return state.replace(
        obs=obs, env_state=env_state, carry=choice.carry, is_first=step.done,
        episode_return=jnp.where(step.done, 0, state.episode_return + step.reward),
    )  # fmt: skip


def judge(
    agent: PyTree, state: PPOState, steps: Transition, ended: dict[str, Any]
) -> tuple[PPOState, Batch, dict[str, Any]]:
    """Values the collected steps.

    Args:
        agent: PPO; its values and discounts are read.
        state: after the steps.
        steps: as collected.
        ended: what `record` reports of each step.

    Returns:
        The state with the critic of these steps, the batch with advantages, and sums of metrics.
    """
    metrics = {"reward": steps.reward.mean()} | jax.tree.map(jnp.sum, ended)
    critic, value, advantage = agent.values.targets(agent, state, steps)
    return state.replace(critic=critic), Batch.of(steps, value, advantage), metrics
