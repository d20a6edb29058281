"""Observations by their space: the index of an element, for a table; and a vector of it, for a network or a file."""

import math
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Float, Int, PyTree

from jaxrec import checks
from jaxrec.spaces import Bounded, Fields, Space, field_of

MAX_INDEXED = 10**8  # elements: more make a table that no machine has the memory or the time for


def count(space: Space) -> int | None:
    """Counts the elements of a space; None where it is of floats, has an integer without bounds, or is of no kind here.

    Args:
        space: the space.

    Returns:
        The number of elements, however large.
    """
    if isinstance(space, Fields):
        counts = [count(each) for each in space.fields.values()]
        known = [each for each in counts if each is not None]
        return math.prod(known) if len(known) == len(counts) else None
    limits = _limits(space)
    if not isinstance(space, Bounded) or limits is None:
        return None
    if 0 in space.shape:
        return 1
    alike = Counter(zip(*(bound.flat for bound in limits), strict=True))  # a product over every entry takes seconds
    each = math.prod((int(high) - int(low) + 1) ** times for (low, high), times in alike.items())
    return each ** (math.prod(space.shape) // limits[0].size)


def index(space: Space, obs: PyTree) -> Int[Array, ""]:
    """Gives the rank of an observation among the elements of its space, the last entry running fastest.

    Args:
        space: one of at most `MAX_INDEXED` elements.
        obs: an element.

    Returns:
        int32[] in 0 ... count(space) - 1.
    """
    if isinstance(space, Fields):
        rank = jnp.zeros((), jnp.int32)
        for name, each in space.fields.items():
            rank = rank * (count(each) or 0) + index(each, field_of(obs, name))
        return rank
    limits = _limits(space)
    assert isinstance(space, Bounded)
    assert limits is not None
    low, high = (np.broadcast_to(bound, space.shape).ravel().astype(int) for bound in limits)
    sizes = high - low + 1
    weights = np.concatenate([np.cumprod(sizes[:0:-1])[::-1], [1]]) if len(sizes) else sizes
    return jnp.sum((jnp.ravel(jnp.asarray(obs, jnp.int32)) - low) * weights, dtype=jnp.int32)


def encode(space: Space, obs: PyTree, max_categories: int) -> Float[Array, " n"]:
    """Makes a vector of an observation, of numbers that a network learns from at once.

    An integer or truth value of at most `max_categories` values becomes as many numbers, one of them 1 and the others
    0; any other number with two finite bounds is scaled to [0, 1]; numbers without are taken as they are.

    Args:
        space: of the observation.
        obs: an element.
        max_categories: see above.

    Returns:
        The numbers, field after field; within an array first the categories, then the other numbers.
    """
    if isinstance(space, Fields):
        parts = [encode(each, field_of(obs, name), max_categories) for name, each in space.fields.items()]
        return jnp.concatenate(parts) if parts else jnp.zeros(0)
    if not isinstance(space, Bounded) or isinstance(space.low, Tracer) or isinstance(space.high, Tracer):
        return jnp.ravel(jnp.asarray(obs, float))
    values = jnp.ravel(jnp.asarray(obs))
    low, high = (np.broadcast_to(np.asarray(bound, float), space.shape).ravel() for bound in (space.low, space.high))
    bounded = np.isfinite(low) & np.isfinite(high)
    width = np.where(bounded, high, 1) - np.where(bounded, low, 0)
    categorical = bounded & (width < max_categories) & (not jnp.issubdtype(space.dtype, jnp.floating))
    parts = [
        jax.nn.one_hot(values[at].astype(jnp.int32) - int(low[at]), int(width[at]) + 1)
        for at in np.flatnonzero(categorical)
    ]
    others, scale = values[~categorical].astype(float), np.where(width > 0, width, 1)[~categorical]
    return jnp.concatenate([*parts, (others - np.where(bounded, low, 0)[~categorical]) / scale])


def packed(obs: PyTree) -> Array:
    """Makes one vector of an observation, from which `unpacked` makes it again.

    It is of int32 where all leaves are of integers or truth values, else of float32, which holds integers up to 2^24.
    """
    leaves = [jnp.ravel(jnp.asarray(leaf)) for leaf in jax.tree.leaves(obs)]
    whole = all(not jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)
    return jnp.concatenate([leaf.astype(jnp.int32 if whole else jnp.float32) for leaf in leaves])


def unpacked(vector: Array, like: PyTree) -> PyTree:
    """Makes the observation of which `packed` made a vector; `like` is one of its kind, or the shapes of one.

    Raises:
        InputError: if it has another number of entries.
    """
    leaves, tree = jax.tree.flatten(like)
    ends = np.cumsum([int(np.prod(leaf.shape)) for leaf in leaves])
    if vector.shape != (ends[-1],):
        raise checks.InputError(f"observations must have {ends[-1]} entries, got {list(vector.shape)[-1]}")
    parts = jnp.split(vector, ends[:-1])
    return tree.unflatten(
        [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in zip(parts, leaves, strict=True)]
    )


def too_many(space: Space) -> str:
    """Says that a space has too many elements for an index, to be appended to a message; empty where it has not."""
    elements = count(space) or 0
    if elements <= MAX_INDEXED:
        return ""
    number = f"{elements:,}" if elements < 10**18 else "10^18 or more"  # Python writes no number of 4301 digits
    return f": {checks.brief(space)} has {number} elements, more than {MAX_INDEXED:,}"


def _limits(space: Space) -> tuple[np.ndarray, np.ndarray] | None:
    """(lows, highs), of one shape that broadcasts to the space's; None if they are not known whole numbers."""
    if not isinstance(space, Bounded) or jnp.issubdtype(space.dtype, jnp.floating):
        return None
    if isinstance(space.low, Tracer) or isinstance(space.high, Tracer):
        return None
    lows, highs = np.broadcast_arrays(np.asarray(space.low), np.asarray(space.high))
    if not np.all(np.isfinite(np.asarray([lows, highs], float))):
        return None
    return lows, highs
