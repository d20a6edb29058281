"""What a recommender did to one user with shifting preferences in one step.

Carroll et al. 2022, section 5: engagement is judged by the preferences of now, of the start, and of the same user under
uniform slates.
"""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jaxrec.envs.preference import dynamics
from jaxrec.envs.preference.dynamics import BINS, JUDGES, ChoiceValues, Tables
from jaxrec.envs.preference.inference import total_variation


@runtime_checkable
class Served(Protocol):
    """What is measured of a `PreferenceState`, which the environment defines on top of this module."""

    initial: Int[Array, ""]
    preference: Int[Array, ""]
    natural: Int[Array, ""]
    choice: Int[Array, ""]
    steered: Float[Array, "36"]
    unsteered: Float[Array, "36"]


def engagement(item: Int[Array, ""], preference: Int[Array, ""], params: ChoiceValues) -> Float[Array, ""]:
    """Computes r(x, u) = cos(x - u) - bait_cost b(x).

    Args:
        item: the bin of x.
        preference: the bin of u.
        params: `ChoiceParams`.

    Returns:
        The engagement, in cosines.
    """
    return (dynamics.users_of(params).items[item] * jnp.asarray(JUDGES)[preference]).sum()


def engagements(state: Served, next_state: Served, params: ChoiceValues) -> tuple[Array, Array, Array]:
    """Judges the item that was chosen.

    Args:
        state: `PreferenceState` before the step.
        next_state: `PreferenceState` after it, which holds the item.
        params: `ChoiceParams`.

    Returns:
        float[] each: engagement under current, initial and natural preferences.
    """
    users = state.preference, state.initial, state.natural
    return tuple(engagement(next_state.choice, user, params) for user in users)  # type: ignore[return-value]


def steered(next_state: Served) -> Float[Array, ""]:
    """Total variation between P(u_t+1) under the slates shown and under uniform slates, both given u_0; in [0, 1]."""
    return total_variation(next_state.steered, next_state.unsteered)


def transition_metrics(
    state: Served, action: Array | int, next_state: Served, params: ChoiceValues, tables: Tables
) -> dict[str, Array]:
    """Returns scalars of one transition.

    - `engagement`, `engagement_initial`, `engagement_natural`: of the item chosen (`engagements`).
    - `steered`: the total variation of `steered`.
    - `shift`: degrees between u_0 and u_t+1, in [0, 180].
    - `click`: the probability of a click on the slate, given u_t.
    - `bait`: b(x) of the item chosen.

    Args:
        state: `PreferenceState` before the step.
        action: int32[], the slate shown.
        next_state: `PreferenceState` after it.
        params: `ChoiceParams`.
        tables: of the environment's slates.

    Returns:
        Metric -> float[].
    """
    current, initial, natural = engagements(state, next_state, params)
    moved = jnp.asarray(next_state.preference - next_state.initial, float) * (360 / BINS)
    return {
        "engagement": current,
        "engagement_initial": initial,
        "engagement_natural": natural,
        "steered": steered(next_state),
        "shift": jnp.abs(dynamics.circular_distance(moved, 0.0)),
        "click": tables.click[action, state.preference],
        "bait": dynamics.bait(params)[next_state.choice],
    }
