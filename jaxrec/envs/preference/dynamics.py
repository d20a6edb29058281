"""How users choose from slates and how slates shift what they prefer, as tables over 36 bins of a circle.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 6, Figure 4 and Appendix H. Preferences u, items x and slates live on a circle of 36 bins of 10
degrees; bin 0 is at 0 degrees. A slate is a distribution over items; engagement is cos(x - u), less what the item's
bait promised: r(x, u) = cos(x - u) - bait_cost b(x).
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol, Self, no_type_check, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jaxrec.fusion import by_platform

BINS = 36
DEGREES = np.arange(BINS) * (360.0 / BINS)
DIRECTIONS = np.stack([np.cos(np.radians(DEGREES)), np.sin(np.radians(DEGREES))], axis=1).astype(np.float32)
"""float32[36, 2]: the unit vector of each bin; engagement of x under u is their inner product."""

JUDGES = np.concatenate([DIRECTIONS, np.full((BINS, 1), -1, np.float32)], axis=1)
"""float32[36, 3]: how each preference judges; engagement r(x, u) is the inner product with `Users.items`."""

BELIEF_SHARPNESS = 3  # a user expects the next feed in proportion to the slate's cube (Appendix H)


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Users(struct.PyTreeNode):
    """The choice model: the pull of items on users, and the engagement that items give.

    Attributes:
        pull: float[36, 36], how strongly each preference (rows) is drawn to each item: beta_c(u) cos(x - u) + b(x).
        items: float[36, 3], the direction of each item, and the engagement that it loses: bait_cost b(x).
    """

    pull: Float[Array, "36 36"]
    items: Float[Array, "36 3"]


@runtime_checkable
class ChoiceValues(Protocol):
    """What the choice model reads of `ChoiceParams`, which the environments define on top of this module."""

    choice_base: float | Array
    choice_centres: np.ndarray | Array
    choice_heights: np.ndarray | Array
    choice_widths: np.ndarray | Array
    bait_height: float | Array
    bait_centre: float | Array
    bait_width: float | Array
    bait_cost: float | Array


@runtime_checkable
class ShiftValues(ChoiceValues, Protocol):
    """What the model of shifts reads of `PreferenceParams`."""

    influence: float | Array
    initial_mean: float | Array
    initial_deviation: float | Array
    rationality: float | Array
    inertia: float | Array


Worth = Callable[[Array, Users, ArrayLike], Array]  # (belief, users, inertia) -> float[36, 36]


@no_type_check
class Offers(struct.PyTreeNode):
    """Choices, engagement and clicks of each slate, by the choice model alone.

    Attributes:
        choice: float[slates, 36, 36], P(x | s, u).
        liked: float[slates, 36, 3], the mean of `Users.items` over the item chosen, given u: its inner product with one
            of `JUDGES` is the engagement expected under that preference.
        click: float[slates, 36], P(any item is clicked | s, u), with a no-op choice.
    """

    choice: Float[Array, "slates 36 36"]
    liked: Float[Array, "slates 36 3"]
    click: Float[Array, "slates 36"]


@no_type_check
class Cumulated(struct.PyTreeNode):
    """Distributions to draw from, cumulated once for all users who share them: prefix sums are costly.

    Attributes:
        reached: float[*rows, 36], the cumulated probability of each bin, which never falls along a row.
        total: float[*rows], the last of each row.
    """

    reached: Float[Array, "*rows 36"]
    total: Float[Array, "*rows"]

    @classmethod
    def of(cls, probabilities: Float[Array, "*rows 36"]) -> Self:
        """Cumulates distributions."""
        reached = by_platform(probabilities, cpu=_added_in_turn, default=_added_and_raised)
        return cls(reached, reached[..., -1])

    def draw(self, uniform: Float[Array, ""], *row: Int[Array, ""]) -> Int[Array, ""]:
        """Returns the first bin of a row whose cumulated probability is beyond a draw from U[0, 1)."""
        # Counted, for `argmax` is no vector loop; without the last, so that NaN and rows of zeros give a bin too.
        return (self.reached[row][:-1] <= uniform * self.total[row]).sum(dtype=jnp.int32)


@no_type_check
class Tables(Offers):
    """`Offers`, and how each slate shifts preferences: a step of the environment only looks values up.

    Attributes:
        shift: float[slates, 36, 36], P(u' | s, u), under `params.influence`.
        natural: float[36, 36], P(u' | u) under the uniform slate.
    """

    shift: Float[Array, "slates 36 36"]
    natural: Float[Array, "36 36"]


def circular_distance(degrees: ArrayLike, centre: ArrayLike) -> Array:
    """The signed distance from `centre` on the circle, in -180 ... 180 degrees."""
    return (jnp.asarray(degrees) - centre + 180.0) % 360.0 - 180.0


def _degrees() -> Float[Array, "36"]:
    """`DEGREES` in the precision in force: jax 0.10 keeps a NumPy constant's first conversion, also under x64."""
    return jnp.arange(BINS) * (360.0 / BINS)


def clipped_normal(mean: ArrayLike, deviation: ArrayLike) -> Float[Array, "36"]:
    """The normal density of the circular distance from `mean`, normalised over the bins; angles in degrees.

    An infinite deviation gives the uniform distribution.
    """
    return jax.nn.softmax(-0.5 * jnp.square(circular_distance(_degrees(), mean) / deviation))


def choice_sharpness(params: ChoiceValues) -> Float[Array, "36"]:
    """beta_c(u): how strictly users of each preference choose by what they like.

    It is a base and a peak at each of `choice_centres`. The paper publishes a picture; the default values come from
    fitting exact dynamic programming to its Table 1.
    """
    centres, heights, widths = (
        jnp.asarray(value)[:, None] for value in (params.choice_centres, params.choice_heights, params.choice_widths)
    )
    bumps = jnp.exp(-0.5 * jnp.square(circular_distance(_degrees(), centres) / widths))
    return params.choice_base + ((heights - params.choice_base) * bumps).sum(axis=0)


def bait(params: ChoiceValues) -> Float[Array, "36"]:
    """b(x): the pull of each item beyond its engagement, under any preference.

    It is bait_height exp(-(d(x, bait_centre) / bait_width)^2 / 2), d the distance on the circle. Bait attracts choice
    and gives little: "open link, close it immediately" (Lambert 2020, "Recommendations are a game - a dangerous game
    (for us)", on how clicks led to clickbait, and that to dwell time; after Stray et al. 2020, "What are you optimizing
    for?").
    """
    away = circular_distance(_degrees(), params.bait_centre) / params.bait_width
    return params.bait_height * jnp.exp(-0.5 * jnp.square(away))


def users_of(params: ChoiceValues) -> Users:
    """Builds the choice model of `ChoiceParams`."""
    lure = bait(params)
    pull = choice_sharpness(params)[:, None] * (DIRECTIONS @ DIRECTIONS.T) + lure
    return Users(pull, jnp.concatenate([DIRECTIONS, params.bait_cost * lure[:, None]], axis=1))


def choices(slate: Float[Array, "36"], users: Users) -> Float[Array, "36 36"]:
    """P(x | s, u) for all u (rows) and x: in proportion to s(x) exp(beta_c(u) cos(x - u) + b(x)); Appendix H.1."""
    return jax.nn.softmax(jnp.log(slate) + users.pull, axis=1)


def clicks(slate: Float[Array, "36"], users: Users) -> Float[Array, "36"]:
    """P(any item is clicked | s, u) for all u: Z / (1 + Z), Z the sum of the weights of `choices`.

    No click is a further choice, of value 0 in the conditional logit (Appendix H.1: "an extra no-op choice").
    """
    return jax.nn.sigmoid(jax.nn.logsumexp(jnp.log(slate) + users.pull, axis=1))


def convenience(belief: Float[Array, "36"], users: Users, inertia: ArrayLike) -> Float[Array, "36 36"]:
    """V(u, u') for all u (rows) and u': the engagement that a user expects of the next feed; Appendix H.

    The user chooses under the new preference u'; the old preference u judges a share `inertia`, the new one the rest.

    Args:
        belief: the feed that users expect, a distribution over items.
        users: the choice model.
        inertia: lambda, float[] in [0, 1].

    Returns:
        V, in cosines.
    """
    liked = choices(belief, users) @ users.items  # [u', 3]
    by_new = (liked * JUDGES).sum(axis=1)
    return inertia * JUDGES @ liked.T + (1 - inertia) * by_new  # type: ignore[return-value]


def shifts(
    slate: Float[Array, "36"], users: Users, params: ShiftValues, worth: Worth = convenience
) -> Float[Array, "36 36"]:
    """P(u' | s, u) for all u (rows) and u': in proportion to exp(beta_d V(u, u')); section 6 and Appendix H.

    Users expect the next feed in proportion to the slate's cube.

    Args:
        slate: a distribution over items, as users see it.
        users: the choice model.
        params: `PreferenceParams`, of which `rationality` (beta_d) and `inertia` are read.
        worth: V, a function of (belief, users, inertia).

    Returns:
        A distribution over u' in each row.
    """
    belief = jnp.power(slate, BELIEF_SHARPNESS)
    return jax.nn.softmax(params.rationality * worth(belief / belief.sum(), users, params.inertia), axis=1)


def offers(slates: Float[Array, "slates 36"], users: Users) -> Offers:
    """Tabulates choices, engagement and clicks of each slate."""
    choice = jax.vmap(choices, in_axes=(0, None))(slates, users)
    return Offers(choice, choice @ users.items, jax.vmap(clicks, in_axes=(0, None))(slates, users))


def tables(slates: Float[Array, "slates 36"], params: ShiftValues, worth: Worth = convenience) -> Tables:
    """Tabulates what each slate does.

    Args:
        slates: a distribution over items in each row.
        params: `PreferenceParams`.
        worth: V, a function of (belief, users, inertia).

    Returns:
        Tables whose first axis is that of slates.
    """
    users, uniform = users_of(params), jnp.full(BINS, 1 / BINS)
    offered = offers(slates, users)
    seen = params.influence * slates + (1 - params.influence) * uniform
    shift = jax.vmap(partial(shifts, users=users, params=params, worth=worth))
    by_slate = shift(jnp.concatenate([seen, uniform[None]]))  # one batch: equal slates shift alike to the last bit
    return Tables(offered.choice, offered.liked, offered.click, by_slate[:-1], by_slate[-1])


def draw(uniform: Float[Array, ""], probabilities: Float[Array, "36"]) -> Int[Array, ""]:
    """Returns the bin at which the cumulated probability passes a draw from U[0, 1).

    The same draw gives twins the same bin as long as their probabilities are equal.
    """
    return Cumulated.of(probabilities).draw(uniform)


def _added_and_raised(probabilities: Float[Array, "*rows 36"]) -> Float[Array, "*rows 36"]:
    """Prefix sums that never fall. `cumsum` rounds so that they may, and bins of probability 0 must not be drawn."""
    summed = jnp.where(probabilities > 0, jnp.cumsum(probabilities, axis=-1), 0)
    return jax.lax.cummax(summed, axis=summed.ndim - 1)


def _added_in_turn(probabilities: Float[Array, "*rows 36"]) -> Float[Array, "*rows 36"]:
    """The same, which never falls because numbers are added one after the other: on a CPU several times as fast."""

    def add(before: Array, each: Array) -> tuple[Array, Array]:
        return before + each, before + each

    bins = jnp.moveaxis(probabilities, -1, 0)
    return jnp.moveaxis(jax.lax.scan(add, jnp.zeros_like(bins[0]), bins)[1], 0, -1)
