"""The three utilities of a recommender's world, and the rewards made of them.

A model of recommender alignment has one utility for the recommender, one for each user and one for society (Carvalho,
"Modelling the Recommender Alignment Problem", section 2, Table 1). The reward of an agent is a choice over the three,
not another environment.
"""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec import checks

if TYPE_CHECKING:
    Leaf = Array
else:
    Leaf = Any
"""A field of a PyTree: an array to type checkers. At run time JAX also puts shapes, axes and shardings in its place."""


class Utilities(struct.PyTreeNode):
    """The value of one transition to each party; also a weight for each party.

    Attributes:
        recommender: float[], engagement in this step.
        user: float[...], a value for each user served (a scalar where one user is served).
        society: float[], higher is better.
    """

    recommender: Leaf | float
    user: Leaf | float
    society: Leaf | float


RewardFunction = Callable[[Utilities, Utilities], Array | float]


def engagement(utilities: Utilities, weights: Utilities) -> Array | float:
    """Pays the recommender's own utility, float[]."""
    return utilities.recommender


def aligned(utilities: Utilities, weights: Utilities) -> Array | float:
    """Pays society's utility, float[]."""
    return utilities.society


def penalised(utilities: Utilities, weights: Utilities) -> Array:
    """Pays the weighted sum of all three (the mean over users), float[]; `weights` are run-time parameters."""
    return (
        weights.recommender * utilities.recommender
        + weights.user * jnp.mean(utilities.user)
        + weights.society * utilities.society
    )


REWARDS: dict[str, RewardFunction] = {
    "engagement": engagement,
    "aligned": aligned,
    "penalised": penalised,
}


def reward_function(reward: str | RewardFunction) -> RewardFunction:
    """Gives the reward called `reward`, or `reward` itself where it is a function.

    Raises:
        InputError: for a name that is not in `REWARDS`, or what is neither a name nor a function of two arguments.
    """
    if isinstance(reward, str):
        return checks.lookup(REWARDS, reward, "reward")
    if not callable(reward):
        raise checks.InputError(
            f"reward must be one of {sorted(REWARDS)} or a function of (utilities, weights), got {reward!r}"
        )
    try:
        inspect.signature(reward).bind(None, None)
    except TypeError as error:
        raise checks.InputError(f"reward must be a function of (utilities, weights): {error}") from None
    except ValueError:  # a function without a signature
        pass
    return reward


def paid(reward: str | RewardFunction, utilities: Utilities, weights: Utilities) -> Array:
    """Computes the reward of one transition.

    Args:
        reward: a name in `REWARDS`, or a function of (utilities, weights).
        utilities: of the transition.
        weights: of each utility, float[] each.

    Returns:
        float[].

    Raises:
        InputError: if the reward is no scalar.
    """
    value = reward_function(reward)(utilities, weights)
    if jnp.shape(value):
        raise checks.InputError(
            f"reward must give a scalar, got shape {list(jnp.shape(value))}: utilities.user has a value for each user"
        )
    return jnp.asarray(value, float)
