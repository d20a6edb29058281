"""What a recommender did to one of the polarising users in one step."""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxrec.envs.polarising.dynamics import SOURCES, opposed


@runtime_checkable
class Polarised(Protocol):
    """What is measured of a `PolarisingState`, which the environment defines on top of this module.

    Attributes:
        theta, initial_theta: float[3], the click probabilities now, and at the start of the episode.
    """

    theta: Float[Array, "3"]
    initial_theta: Float[Array, "3"]


def polarisation(state: Polarised) -> Array:
    """float[]: the Euclidean distance of theta from its value at the start of the episode."""
    # Only one entry of theta ever moves, so that the Euclidean distance is the sum of absolute ones, without a root.
    return jnp.abs(state.theta - state.initial_theta).sum()


def transition_metrics(state: Polarised, action: Array | int, next_state: Polarised) -> dict[str, Array]:
    """Returns scalars of one transition.

    - `left`, `centre`, `right`: whether that source was recommended.
    - `opposed`: whether it was the source opposed to the user's initial wing.
    - `polarisation`: distance of theta from its start, after the step.

    Args:
        state: `PolarisingState` before the step.
        action: int32[], the source recommended, 0 ... 2.
        next_state: `PolarisingState` after it.

    Returns:
        Metric -> bool[] or float[].
    """
    return {source: jnp.equal(action, i) for i, source in enumerate(SOURCES)} | {
        "opposed": opposed(state.initial_theta, action),
        "polarisation": polarisation(next_state),
    }
