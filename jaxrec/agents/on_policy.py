"""What on-policy algorithms share: steps of the environments, values after them, advantages, and logged metrics."""

from typing import Any, ClassVar, no_type_check

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int, Key, PyTree

from jaxrec import vectorized
from jaxrec.agents import losses
from jaxrec.agents.networks import Network
from jaxrec.environment import Environment
from jaxrec.spaces import field_of

Count = Int[Array, ""] | int
Scalar = Float[Array, ""]


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class PPOState(struct.PyTreeNode):
    """A training run under way.

    Attributes:
        network_params: weights of the network.
        opt_state: optax state, of all weights as one vector.
        env_state, obs: of the `num_envs` environments.
        carry: of the network in each of them.
        is_first: bool[num_envs], `obs` is the first of an episode.
        episode_return: float[num_envs], the return of the episode under way.
        reset_pool: start states to restart from, where a reset is costly; else None.
        critic: weights of `PPO.critic`; None without one.
        key: typed key of the draws to come.
    """

    PER_ENV: ClassVar = ("env_state", "obs", "carry", "is_first", "episode_return")

    network_params: PyTree
    opt_state: optax.OptState
    env_state: PyTree
    obs: PyTree
    carry: PyTree
    is_first: Bool[Array, "*runs envs"]
    episode_return: Float[Array, "*runs envs"]
    reset_pool: PyTree
    critic: PyTree
    key: Key[Array, "*runs"]


@no_type_check
class Transition(struct.PyTreeNode):
    """Steps as they were collected; every leaf is [num_steps, num_envs, ...].

    Attributes:
        obs, carry, is_first: where the action was chosen: the observation, the network's carry before it, and whether
            an episode began there.
        action: int32; [..., k] for slates of k.
        log_prob, value: float, of the network that acted.
        features: float[..., features], what the critic reads there; None where the network gives the values.
        reward: float, as paid.
        final: what the value of the true final observation is computed from; None where no episode is cut off.
        terminated, truncated: bool, the episode ended there, either way.
    """

    obs: PyTree
    carry: PyTree
    is_first: Bool[Array, "*steps envs"]
    action: Int[Array, "*steps envs"] | Int[Array, "*steps envs k"]
    log_prob: Float[Array, "*steps envs"]
    value: Float[Array, "*steps envs"]
    features: PyTree
    reward: Float[Array, "*steps envs"]
    final: PyTree
    terminated: Bool[Array, "*steps envs"]
    truncated: Bool[Array, "*steps envs"]


@no_type_check
class Batch(struct.PyTreeNode):
    """What one update learns from; every leaf is [steps, sequences, ...].

    Attributes:
        obs, carry, is_first: where the action was chosen.
        action: int32; [..., k] for slates of k.
        log_prob: float, of the network that acted.
        value: float, before the update.
        advantage, target: float, of the action and for the value.
    """

    obs: PyTree
    carry: PyTree
    is_first: Bool[Array, "steps sequences"]
    action: Int[Array, "steps sequences"] | Int[Array, "steps sequences k"]
    log_prob: Float[Array, "steps sequences"]
    value: Float[Array, "steps sequences"]
    advantage: Float[Array, "steps sequences"]
    target: Float[Array, "steps sequences"]

    @classmethod
    def of(cls, steps: Transition, value: Array, advantage: Array) -> "Batch":
        """Joins steps with what each was worth.

        Args:
            steps: as collected.
            value: float[num_steps, num_envs], of the state in which each action was chosen.
            advantage: float[num_steps, num_envs], of each action.

        Returns:
            The batch, whose targets are the sums of both.
        """
        target = advantage + value
        return cls(steps.obs, steps.carry, steps.is_first, steps.action, steps.log_prob, value, advantage, target)


def reset_carry(network: Network, carry: PyTree, is_first: Bool[Array, "*batch"]) -> PyTree:
    """Gives `carry` of each environment, the initial one where an episode begins.

    Args:
        network: gives the initial carry.
        carry: leaves [*batch, ...].
        is_first: whether an episode begins there.

    Returns:
        Leaves of the shapes of `carry`.
    """
    shape = (*is_first.shape, 1)
    return jax.tree.map(
        lambda old, new: jnp.where(is_first.reshape(*shape, *[1] * (new.ndim - 1)), new, old),
        carry,
        network.initialize_carry(),
    )


def requested(obs: PyTree, like: Array) -> Array:
    """float, as `like`: 1 where an action is asked for, else 0."""
    asks = field_of(obs, "requested", None)
    return jnp.ones_like(like) if asks is None else asks.astype(like.dtype)


def final_values(network: Network, network_params: PyTree, final: tuple[PyTree, PyTree], truncated: Array) -> Array:
    """Values of the true final observations of episodes that were cut off.

    Few are: they are picked out and valued as many at a time as there are environments.

    Args:
        network: gives the values.
        network_params: its weights.
        final: (carry, observation) after each step, leaves [num_steps, num_envs, ...].
        truncated: bool[num_steps, num_envs].

    Returns:
        float[num_steps, num_envs]; 0 where no episode was cut off.
    """
    num_envs = truncated.shape[1]
    places = jnp.nonzero(truncated.ravel(), size=truncated.size, fill_value=truncated.size)[0]
    final = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), final)

    def body(block: Array, values: Array) -> Array:
        at = jax.lax.dynamic_slice_in_dim(places, block * num_envs, num_envs)
        carry, obs = jax.tree.map(lambda leaf: leaf[at], final)
        _, _, value = jax.vmap(network.apply, in_axes=(None, 0, 0))(network_params, carry, obs)
        return values.at[at].set(value, mode="drop")

    blocks = -(-truncated.sum() // num_envs)
    return jax.lax.fori_loop(0, blocks, body, jnp.zeros(truncated.size)).reshape(truncated.shape)


def advantages(
    steps: Transition,
    values: Array,
    last: Array,
    ends: Array | None,
    reward_scale: Array | float,
    gamma: Array | float,
    gae_lambda: Array | float,
) -> Float[Array, "steps envs"]:
    """Generalised advantages of all steps.

    Args:
        steps: as collected.
        values: float[num_steps, num_envs], where each step began.
        last: float[num_envs], after the last step.
        ends: float[num_steps, num_envs], after each step where an episode was cut off; None where none is.
        reward_scale: rewards are multiplied by it.
        gamma: discount.
        gae_lambda: lambda of the estimates.
    """
    following = jnp.concatenate([values[1:], last[None]])
    if ends is not None:  # not the value of the next start follows there
        following = jnp.where(steps.truncated, ends, following)
    return jax.vmap(losses.generalised_advantages, in_axes=(1, 1, 1, 1, 1, None, None), out_axes=1)(
        reward_scale * steps.reward, values, following, steps.terminated, steps.truncated, gamma, gae_lambda
    )


def logged(
    env: Environment, names: tuple[str, ...], step: vectorized.Step, weight: Array, params: PyTree
) -> dict[str, Any]:
    """Sums of metrics over the environments that asked for an action and have them, and how many these are.

    Args:
        env: the environment.
        names: of its metrics; none gives {}.
        step: one step of every environment.
        weight: float[num_envs], 1 where an action was asked for.
        params: run-time values.

    Returns:
        "sums" and "counts", each name -> float[].
    """
    if not names:
        return {}
    measured = jax.vmap(env.metrics, in_axes=(0, 0, 0, None))(step.state, step.action, step.next_state, params)
    values = {name: jnp.asarray(measured[name], float) for name in names}
    there = dict.fromkeys(names, weight)
    for name in set(names) & set(env.sparse_metrics):
        there[name] = weight * ~jnp.isnan(values[name])
        values[name] = jnp.where(there[name] > 0, values[name], 0)
    return {
        "sums": {name: (values[name] * there[name]).sum() for name in names},
        "counts": {name: there[name].sum() for name in names},
    }


def summary(sums: dict[str, Any], updates: Array | int) -> dict[str, Array]:
    """Metrics of several updates.

    Args:
        sums: of each metric over the updates; of "return" and "episodes" over the episodes that ended; of `logged`.
        updates: how many.

    Returns:
        Means over updates; of logged metrics over the steps that asked for an action and have a value;
        `episode_return`, the mean over the `episodes` that ended. NaN where there was nothing.
    """
    apart = ("return", "episodes", "sums", "counts")
    means = {name: total / updates for name, total in sums.items() if name not in apart}
    means |= {name: total / _or_nan(sums["counts"][name]) for name, total in sums.get("sums", {}).items()}
    episodes = jnp.asarray(sums["episodes"], float)
    return means | {"episode_return": sums["return"] / _or_nan(episodes), "episodes": episodes}


def _or_nan(count: Array) -> Array:
    """A count to divide by: NaN in place of 0."""
    return jnp.where(count > 0, count, jnp.nan)
