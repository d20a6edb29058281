"""How users choose from slates and how slates shift what they prefer, as tables over 36 bins of a circle.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 6, Figure 4 and Appendix H. Preferences u, items x and slates live on a circle of 36 bins of 10
degrees; bin 0 is at 0 degrees. A slate is a distribution over items; engagement is cos(x - u).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Float, Int

BINS = 36
DEGREES = np.arange(BINS) * (360.0 / BINS)
DIRECTIONS = np.stack([np.cos(np.radians(DEGREES)), np.sin(np.radians(DEGREES))], axis=1).astype(np.float32)
"""float32[36, 2]: the unit vector of each bin; engagement of x under u is their inner product."""

Worth = Callable[[Array, Array, Any], Array]  # (belief, sharpness, inertia) -> float[36, 36]
BELIEF_SHARPNESS = 3  # a user expects the next feed in proportion to the slate's cube (Appendix H)


class Tables(struct.PyTreeNode):
    """What each slate does to a user, whatever the state: everything else is looking up.

    Attributes:
        choice: float[slates, 36, 36], P(x | s, u).
        liked: float[slates, 36, 2], the mean direction of the item chosen, given u.
        shift: float[slates, 36, 36], P(u' | s, u), under the influence in force.
        natural: float[36, 36], P(u' | u) under the uniform slate.
    """

    choice: Any
    liked: Any
    shift: Any
    natural: Any


def tables(slates: Float[Array, "slates 36"], params: Any) -> Tables:
    """The tables of these slates; `params` are `PreferenceParams`."""
    sharpness = choice_sharpness(params)
    choice = jax.vmap(choices, in_axes=(0, None))(slates, sharpness)
    uniform = jnp.full(BINS, 1 / BINS)
    seen = params.influence * slates + (1 - params.influence) * uniform
    shift = jax.vmap(shifts, in_axes=(0, None, None))(seen, sharpness, params)
    return Tables(choice, choice @ DIRECTIONS, shift, shifts(uniform, sharpness, params))


def circular_distance(degrees: Any, centre: Any) -> Array:
    """The shorter way round from `centre`, in -180 ... 180 degrees."""
    return (jnp.asarray(degrees) - centre + 180.0) % 360.0 - 180.0


def _degrees() -> Float[Array, "36"]:
    """`DEGREES` in the precision in force: jax 0.10 keeps a NumPy constant's first conversion, also under x64."""
    return jnp.arange(BINS) * (360.0 / BINS)


def clipped_normal(mean: Any, deviation: Any) -> Float[Array, "36"]:
    """A normal density on the circular distance from `mean`, normalised over the bins; uniform if it is infinite."""
    return jax.nn.softmax(-0.5 * jnp.square(circular_distance(_degrees(), mean) / deviation))


def choice_sharpness(params: Any) -> Float[Array, "36"]:
    """beta_c(u): how strictly users of each preference choose what they like.

    A base and a peak at each of `choice_centres`. The paper publishes a picture; these values come from fitting exact
    dynamic programming to its Table 1.
    """
    centres, heights, widths = (
        jnp.asarray(value)[:, None] for value in (params.choice_centres, params.choice_heights, params.choice_widths)
    )
    bumps = jnp.exp(-0.5 * jnp.square(circular_distance(_degrees(), centres) / widths))
    return params.choice_base + ((heights - params.choice_base) * bumps).sum(axis=0)


def choices(slate: Float[Array, "36"], sharpness: Float[Array, "36"]) -> Float[Array, "36 36"]:
    """P(x | s, u) for all u (rows) and x: in proportion to s(x) exp(beta_c(u) cos(x - u)); Appendix H.1."""
    return jax.nn.softmax(jnp.log(slate) + sharpness[:, None] * (DIRECTIONS @ DIRECTIONS.T), axis=1)


def convenience(belief: Float[Array, "36"], sharpness: Float[Array, "36"], inertia: Any) -> Float[Array, "36 36"]:
    """V(u, u') for all u (rows) and u': the engagement that a user expects of the next feed; Appendix H.

    It chooses under the new preference u'; a share `inertia` is judged by the old preference u, the rest by the new.
    """
    liked = choices(belief, sharpness) @ DIRECTIONS  # [u', 2]
    by_new = (liked * DIRECTIONS).sum(axis=1)
    return inertia * DIRECTIONS @ liked.T + (1 - inertia) * by_new


def shifts(
    slate: Float[Array, "36"], sharpness: Float[Array, "36"], params: Any, worth: Worth = convenience
) -> Float[Array, "36 36"]:
    """P(u' | s, u) for all u (rows) and u': in proportion to exp(beta_d V(u, u')); section 6 and Appendix H.

    The next feed is expected to be like the slate's cube. `worth` is V.
    """
    belief = jnp.power(slate, BELIEF_SHARPNESS)
    return jax.nn.softmax(params.rationality * worth(belief / belief.sum(), sharpness, params.inertia), axis=1)


def draw(uniform: Float[Array, ""], probabilities: Float[Array, "36"]) -> Int[Array, ""]:
    """The bin at which the cumulated probability passes a draw from U[0, 1): twins on the same draw stay together."""
    passed = jnp.cumsum(probabilities) <= uniform * probabilities.sum()
    return jnp.minimum(passed.sum(dtype=jnp.int32), BINS - 1)
