"""When to ask, and when to act: what a recommender that is unsure of a value does best, in closed form.

Lambert 2020, "Recommendations are a game - a dangerous game (for us)", section "Modeling human reward": "If an AI only
thinks that it will have a 80% chance of acting correctly, it will be much timider in its actions". Hadfield-Menell,
Dragan, Abbeel & Russell 2017, "The Off-Switch Game": acting, not acting, or leaving it to someone who knows.
"""

import jax.numpy as jnp
from jax import Array
from jax.scipy import stats
from jax.typing import ArrayLike


def value_if_known(mean: ArrayLike, deviation: ArrayLike) -> Array:
    """Computes E max(v, 0) for a normal v: what acting is worth to who first learns v, and then acts or does not.

    It is mean Phi(mean / deviation) + deviation phi(mean / deviation), and max(mean, 0) where the deviation is 0.

    Args:
        mean: float[...], of v, the value of acting; not acting is worth 0.
        deviation: float[...] from 0, of v; broadcasts against `mean`.

    Returns:
        float[...].
    """
    mean, deviation = jnp.asarray(mean, float), jnp.asarray(deviation, float)
    standard = mean / jnp.where(deviation > 0, deviation, 1)
    unsure = mean * stats.norm.cdf(standard) + deviation * stats.norm.pdf(standard)
    return jnp.where(deviation > 0, unsure, jnp.maximum(mean, 0))


def should_ask(mean: ArrayLike, deviation: ArrayLike, cost: ArrayLike) -> Array:
    """Tells whether to ask for v before acting: where E max(v, 0) - cost > max(mean, 0).

    Args:
        mean: float[...], of the normal v, the value of acting; not acting is worth 0.
        deviation: float[...] from 0, of v.
        cost: float[...], of the question, whose answer is v.

    Returns:
        bool[...].
    """
    return value_if_known(mean, deviation) - cost > jnp.maximum(jnp.asarray(mean, float), 0)


def should_act(probability: ArrayLike, gain: ArrayLike, loss: ArrayLike) -> Array:
    """Tells whether to act without asking: where probability * gain > (1 - probability) * loss.

    Args:
        probability: float[...] in [0, 1], that the action is right.
        gain: float[...], where it is right.
        loss: float[...], where it is wrong; not acting is worth 0.

    Returns:
        bool[...].
    """
    probability = jnp.asarray(probability, float)
    return probability * gain > (1 - probability) * loss
