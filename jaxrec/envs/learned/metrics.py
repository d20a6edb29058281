"""What a recommender did to one simulated user in one step, as the model of users expects it.

Carroll et al. 2022, section 7.2: estimated evaluation, expected under the beliefs before the choice.
"""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jaxrec.envs.preference import dynamics
from jaxrec.envs.preference.dynamics import JUDGES, ChoiceValues, Offers
from jaxrec.envs.preference.inference import total_variation


@runtime_checkable
class Believed(Protocol):
    """What is measured of a `LearnedState`, which the environment defines on top of this module."""

    choice: Int[Array, ""]
    initial: Float[Array, "36"]
    current: Float[Array, "36"]
    natural: Float[Array, "36"]


def expected(state: Believed, action: Array | int, offers: Offers) -> dict[str, Array]:
    """Computes what a slate is expected to give; item and preference are taken as independent, but for u_t.

    - `engagement`, `engagement_initial`, `engagement_natural`: under u_t, u_0 and u_t^rnd.
    - `click`: the probability of a click on the slate.

    Args:
        state: `LearnedState` before the choice.
        action: int32[], the slate shown.
        offers: of the environment's slates.

    Returns:
        Metric -> float[].
    """
    judges = jnp.asarray(JUDGES)
    liked = offers.liked[action]  # [u_t, 3]
    item = state.current @ liked
    return {
        "engagement": (state.current[:, None] * liked * judges).sum(),
        "engagement_initial": (item * (state.initial @ judges)).sum(),
        "engagement_natural": (item * (state.natural @ judges)).sum(),
        "click": state.current @ offers.click[action],
    }


def mean_direction(belief: Float[Array, "36"]) -> Float[Array, ""]:
    """The circular mean of a belief, in radians."""
    return jnp.arctan2(*(belief @ JUDGES[:, 1::-1]).T)


def steered(state: Believed) -> Float[Array, ""]:
    """Total variation between the beliefs about u_t and about u_t^rnd, in [0, 1]."""
    return total_variation(state.current, state.natural)


def transition_metrics(
    state: Believed, action: Array | int, next_state: Believed, params: ChoiceValues, offers: Offers
) -> dict[str, Array]:
    """Returns scalars of one transition: those of `expected`, and these.

    - `steered`: the total variation of `steered`, before the choice.
    - `shift`: degrees between the mean directions of the beliefs about u_0 and u_t, in [0, 180].
    - `bait`: b(x) of the item chosen.

    Args:
        state: `LearnedState` before the choice.
        action: int32[], the slate shown.
        next_state: `LearnedState` after the step.
        params: `LearnedParams`.
        offers: of the environment's slates.

    Returns:
        Metric -> float[].
    """
    directions = [mean_direction(belief) for belief in (state.current, state.initial)]
    moved = dynamics.circular_distance(jnp.degrees(directions[0] - directions[1]), 0.0)
    return expected(state, action, offers) | {
        "steered": steered(state),
        "shift": jnp.abs(moved),
        "bait": dynamics.bait(params)[next_state.choice],
    }
