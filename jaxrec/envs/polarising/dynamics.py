"""How users click and how opposed content polarises them (Evans & Kasirzadeh, section 4.1 and Appendix D).

A user is theta = (left, centre, right), float[3]: the probability of a click for each source.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, Num

from jaxrec.fusion import materialised, unit

LEFT, CENTRE, RIGHT = 0, 1, 2
SOURCES = ("left", "centre", "right")


def is_left_wing(theta: Float[Array, "3"]) -> Bool[Array, ""]:
    """Whether the user strictly prefers the left source to both others."""
    return (theta[LEFT] > theta[CENTRE]) & (theta[LEFT] > theta[RIGHT])


def is_right_wing(theta: Float[Array, "3"]) -> Bool[Array, ""]:
    """Whether the user strictly prefers the right source to both others."""
    return (theta[RIGHT] > theta[CENTRE]) & (theta[RIGHT] > theta[LEFT])


def opposed(theta: Float[Array, "3"], action: Int[Array, ""] | int) -> Bool[Array, ""]:
    """Whether the source recommended is of the other wing than the user's; never for a centrist."""
    return (is_left_wing(theta) & (action == RIGHT)) | (is_right_wing(theta) & (action == LEFT))


def polarise(
    theta: Float[Array, "3"],
    action: Int[Array, ""] | int,
    factor: Float[Array, ""],
    influence: Num[Array, ""] | float,
    ceiling: Num[Array, ""] | float,
) -> Float[Array, "3"]:
    """Returns theta after `action` was recommended, clicked or not (section 4.1 and Appendix D).

    Opposed content multiplies the click probability of the user's own wing by `1 + influence * (factor - 1)`, up to
    `ceiling` (a user who starts above it stays there: opposed content never moderates).

    Args:
        theta: click probability of each source, in [0, 1].
        action: the source recommended, 0 ... 2.
        factor: p, at least 1.
        influence: in [0, 1]; at 0 theta stays.
        ceiling: in [0, 1].

    Returns:
        float[3] in [0, 1], the next theta.
    """
    left_wing = is_left_wing(theta)
    own = jnp.where(left_wing, theta[LEFT], theta[RIGHT])
    raised = jnp.minimum(own * (1 + influence * (factor - 1)), jnp.maximum(own, ceiling))
    # A GPU then writes theta where it lies: its kernel reads no entry of a user but the one that it writes.
    moves, raised = jax.lax.optimization_barrier((opposed(theta, action), materialised(raised, unit(ceiling))))
    return jnp.where(moves & (jnp.arange(3) == LEFT + RIGHT - action), raised, theta)


def clicks(theta: Float[Array, "3"], action: Int[Array, ""] | int, uniform: Float[Array, ""]) -> Bool[Array, ""]:
    """Decides a click.

    Args:
        theta: click probability of each source.
        action: the source recommended, 0 ... 2.
        uniform: a draw from U[0, 1).

    Returns:
        bool[], a draw from Bernoulli(theta[action]).
    """
    return uniform < at_source(theta, action)


def at_source(values: Float[Array, "3"], action: Int[Array, ""] | int) -> Float[Array, ""]:
    """Gives the entry of the source recommended, by choices and not by an index, so that compilers fuse it."""
    return jnp.where(action == LEFT, values[LEFT], jnp.where(action == CENTRE, values[CENTRE], values[RIGHT]))
