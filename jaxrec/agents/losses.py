"""Losses and targets of policy gradients, as pure functions on one sequence or one sample; `vmap` does the rest."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from jaxrec import checks

SMALLEST_NORM = 1e-9
"""Of gradients, to be scaled to: scaling no gradients to none would be 0 / 0."""
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("gamma", "gae_lambda"), (0.0, 1.0)),
    **dict.fromkeys(("learning_rate", "learning_rate_end", "vf_coef", "reward_scale"), (0.0, checks.LARGEST)),
    **dict.fromkeys(("clip_eps", "value_clip_eps"), (0.0, float("inf"))),
    **dict.fromkeys(("ent_coef", "ent_coef_end"), (-checks.LARGEST, checks.LARGEST)),
    "max_grad_norm": (SMALLEST_NORM, float("inf")),
}
"""Of hyper-parameters: the least and the largest value."""
PARTS = ("policy_loss", "value_loss", "entropy", "approximate_kl")
"""What `clipped_losses` gives; the last as in Schulman, "Approximating KL Divergence", k3."""


def generalised_advantages(
    rewards: Float[Array, " steps"],
    values: Float[Array, " steps"],
    next_values: Float[Array, " steps"],
    terminated: Bool[Array, " steps"],
    truncated: Bool[Array, " steps"],
    gamma: Float[Array, ""] | float,
    gae_lambda: Float[Array, ""] | float,
) -> Float[Array, " steps"]:
    """GAE(gamma, lambda) along one sequence that may hold several episodes.

    Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage Estimation", Eq. 16.
    A terminated episode is worth nothing more; a truncated one is worth what its last state is.

    Args:
        rewards: of each step.
        values: of the state in which each step began.
        next_values: of the state to which it led, before any reset.
        terminated: the step ended an episode by the rules of the game.
        truncated: it was cut off there.
        gamma: discount.
        gae_lambda: lambda.
    """
    errors = rewards + gamma * jnp.where(terminated, 0, next_values) - values

    def backwards(following: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        error, done = inputs
        advantage = error + gamma * gae_lambda * jnp.where(done, 0, following)
        return advantage, advantage

    return jax.lax.scan(backwards, jnp.zeros_like(errors[0]), (errors, terminated | truncated), reverse=True)[1]


def clipped_policy_loss(
    log_ratio: Float[Array, ""], advantage: Float[Array, ""], clip: Float[Array, ""] | float
) -> Float[Array, ""]:
    """Minus the clipped surrogate objective of one action (Schulman et al. 2017, Eq. 7).

    Args:
        log_ratio: the log-probability of the action now minus that when it was taken.
        advantage: of the action.
        clip: how far the ratio of probabilities may leave 1.

    Returns:
        float[].
    """
    ratio = jnp.exp(log_ratio)
    return -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - clip, 1 + clip) * advantage)


def clipped_value_loss(
    value: Float[Array, ""], old_value: Float[Array, ""], target: Float[Array, ""], clip: Float[Array, ""] | float
) -> Float[Array, ""]:
    """Half the squared error, the larger of that of `value` and that of `value` held within `clip` of `old_value`.

    Args:
        value: now.
        old_value: before the update.
        target: what the value should be.
        clip: how far the value may move; an infinite one gives the plain squared error.

    Returns:
        float[].
    """
    held = old_value + jnp.clip(value - old_value, -clip, clip)
    return 0.5 * jnp.maximum((value - target) ** 2, (held - target) ** 2)


def clipped_losses(
    log_ratio: Float[Array, "steps sequences"],
    entropy: Float[Array, "steps sequences"],
    value: Float[Array, "steps sequences"],
    advantage: Float[Array, "steps sequences"],
    old_value: Float[Array, "steps sequences"],
    target: Float[Array, "steps sequences"],
    weight: Float[Array, "steps sequences"],
    clip: Float[Array, ""] | float,
    value_clip: Float[Array, ""] | float,
    total_weight: Float[Array, ""],
    count: int,
) -> Float[Array, " parts"]:
    """What some samples add to the `PARTS` of the losses of PPO over a minibatch, means over all its samples.

    Args:
        log_ratio: the log-probabilities of the actions now minus those when they were taken.
        entropy: of the policy now.
        value: now.
        advantage: of the actions, normalised over the minibatch.
        old_value: before the update.
        target: what values should be.
        weight: of each sample in what concerns the policy.
        clip: how far the ratio of probabilities may leave 1.
        value_clip: how far values may move.
        total_weight: of all samples of the minibatch.
        count: of all samples of the minibatch.

    Returns:
        float[parts].
    """
    of_policy = jax.vmap(jax.vmap(clipped_policy_loss, in_axes=(0, 0, None)), in_axes=(0, 0, None))
    of_value = jax.vmap(jax.vmap(clipped_value_loss, in_axes=(0, 0, 0, None)), in_axes=(0, 0, 0, None))
    share, now = weight / total_weight, jax.lax.stop_gradient(log_ratio)
    of_samples = (
        of_policy(log_ratio, advantage, clip) * share,
        of_value(value, old_value, target, value_clip) / count,
        entropy * share,
        (jnp.exp(now) - 1 - now) * share,
    )
    return jnp.stack(of_samples).sum((1, 2))  # one sum: each takes kernels of its own


def total(
    parts: Sequence[Array] | Float[Array, " parts"],
    vf_coef: Float[Array, ""] | float,
    ent_coef: Float[Array, ""] | float,
) -> Float[Array, ""]:
    """The loss of PPO (Schulman et al. 2017, Eq. 9, with the opposite sign).

    Args:
        parts: the `PARTS` of it.
        vf_coef: weight of the value loss.
        ent_coef: weight of the entropy.
    """
    policy_loss, value_loss, entropy, _ = parts
    return policy_loss + vf_coef * value_loss - ent_coef * entropy


def weighted_mean(values: Float[Array, "..."], weights: Float[Array, "..."]) -> Float[Array, ""]:
    """The mean over samples, each with its weight; 0 if all weights are 0."""
    return (values * weights).sum() / jnp.maximum(weights.sum(), 1)


def normalised(values: Float[Array, "..."], weights: Float[Array, "..."]) -> Any:
    """`values` less their weighted mean, divided by their weighted standard deviation."""
    centred = values - weighted_mean(values, weights)
    return centred / (jnp.sqrt(weighted_mean(centred**2, weights)) + 1e-8)
