"""The three utilities of a recommender's world, and the rewards that can be made of them.

A model of recommender alignment has one utility for the recommender, one for each user and one for
society (Carvalho, "Modelling the Recommender Alignment Problem", section 2, Table 1). What an agent
is trained on is a choice over the three, not another environment.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec import checks


class Utilities(struct.PyTreeNode):
    """What one transition is worth to each party; also a weight for each party.

    Attributes:
        recommender: float[], engagement in this step.
        user: float[...], one value for each user served (a scalar where one user is served).
        society: float[], higher is better.
    """

    recommender: Any
    user: Any
    society: Any


RewardFunction = Callable[[Utilities, Utilities], Array]


def engagement(utilities: Utilities, weights: Utilities) -> Array:
    """float[]: the recommender's own utility."""
    return utilities.recommender


def aligned(utilities: Utilities, weights: Utilities) -> Array:
    """float[]: society's utility."""
    return utilities.society


def penalised(utilities: Utilities, weights: Utilities) -> Array:
    """float[]: the weighted sum of all three (the users' mean); `weights` are run-time parameters."""
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
    """The reward called `reward`, or `reward` itself where it is a function.

    Raises:
        InputError: if the name is not one of `REWARDS`, or it is neither a name nor a function of two arguments.
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
    except ValueError:  # a function that does not tell its signature
        pass
    return reward


def paid(reward: str | RewardFunction, utilities: Utilities, weights: Utilities) -> Array:
    """float[]: what the reward makes of the utilities.

    Raises:
        InputError: if that is no scalar.
    """
    value = reward_function(reward)(utilities, weights)
    if jnp.shape(value):
        raise checks.InputError(
            f"reward must give a scalar, got shape {list(jnp.shape(value))}: utilities.user has a value for each user"
        )
    return jnp.asarray(value, float)
