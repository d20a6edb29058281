"""Numbers and their bounds in the dtypes of JAX, and draws within bounds."""

import operator
import reprlib
from collections.abc import Iterable
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

from jaxrec import checks
from jaxrec.fusion import LARGEST, by_platform, once

MAX_TAIL = 64  # float32 draws no number as large from an exponential or a normal distribution

Bound = Array | np.ndarray


def lengths(shape: Iterable[SupportsIndex]) -> tuple[int, ...]:
    """Gives a shape as a tuple of integers. Raises InputError if it is no sequence of lengths."""
    try:
        found = tuple(map(operator.index, shape))
    except TypeError:
        raise checks.InputError(f"shape must be a tuple of lengths, got {reprlib.repr(shape)}") from None
    if any(length < 0 for length in found):
        raise checks.InputError(f"shape must be a tuple of lengths, got {found}")
    return found


def check_bound(name: str, bound: np.ndarray | None, shape: tuple[int, ...], dtype: np.dtype, empty: float) -> None:
    """Refuses a bound of a box that cannot be right.

    Args:
        name: "low" or "high".
        bound: of any shape and dtype; None, for a traced one, passes.
        shape: of the elements of the box.
        dtype: of the elements.
        empty: the bound that leaves no number in the box, plus or minus infinity.

    Raises:
        InputError: for a bound that does not broadcast, is NaN or `empty`; for one of integers that is not whole or
            beyond their dtype.
    """
    if bound is None:
        return
    fits = all(n in (1, most) for n, most in zip(bound.shape[::-1], shape[::-1], strict=False))
    if bound.ndim > len(shape) or not fits:
        raise checks.InputError(f"{name} must broadcast to shape {list(shape)}, got {list(bound.shape)}")
    checks.within(name, bound, -np.inf, np.inf)
    if (bound == empty).any():
        raise checks.InputError(f"{name} must leave a number in the box, got {empty}")
    if not jnp.issubdtype(dtype, jnp.floating):
        least, most = ends(dtype)
        may_be_open = {"low": least < 0, "high": most > 1}[name]  # bool has ends, unsigned integers a first number
        given = bound[np.isfinite(bound)] if may_be_open else bound
        checks.within(f"{name} of {dtype}", given, least, most)
        if (given % 1 != 0).any():
            raise checks.InputError(f"{name} of {dtype} must be whole, got {given[given % 1 != 0].flat[0]}")


def ends(dtype: DTypeLike) -> tuple[int, int]:
    """Gives the first and the last number of a dtype of integers, or of bool."""
    return (0, 1) if jnp.issubdtype(dtype, np.bool_) else (int(jnp.iinfo(dtype).min), int(jnp.iinfo(dtype).max))


def of_numbers(dtype: DTypeLike) -> np.dtype:
    """Gives the dtype in which entries are drawn and compared, within those that JAX has: bool as int32."""
    return np.dtype(np.int32) if jnp.issubdtype(dtype, np.bool_) else jax.dtypes.canonicalize_dtype(dtype)


def in_dtype(bound: ArrayLike, dtype: DTypeLike) -> Array | np.ndarray:
    """Converts a bound to `dtype`: one beyond it becomes the first or last integer that it holds, or infinite."""
    if isinstance(bound, Tracer):
        return bound.astype(dtype)
    bound = np.asarray(bound)
    if jnp.issubdtype(dtype, jnp.floating):
        with np.errstate(over="ignore"):
            return bound.astype(dtype)
    first, last = ends(dtype)
    within = (bound > first) & (bound < last)
    return np.where(within, np.where(within, bound, 0).astype(dtype), np.where(bound > 0, last, first).astype(dtype))


def as_array(x: object, dtype: np.dtype) -> Array | np.ndarray:
    """Converts `x` to an array, of objects if it is no number; Python's integers to floats for a `dtype` of floats."""
    of_python = type(x) is int or getattr(x, "weak_type", False)
    if not isinstance(x, jax.Array):
        try:
            x = np.asarray(x)
        except ValueError:  # lists of unequal lengths
            return np.asarray(None)
    if of_python and dtype.kind in "fV" and jnp.issubdtype(x.dtype, jnp.integer):  # V: bfloat16 and shorter
        return x.astype(of_numbers(dtype))
    return x


def clipped(x: Array, low: ArrayLike, high: ArrayLike) -> Array:
    """Gives `jnp.clip(x, low, high)`, of which XLA computes each entry once on a CPU.

    Many parts of a step read the action: each of them would compute and clip it anew.

    Args:
        x: numbers of any shape.
        low: the lower bound; broadcasts to `x`.
        high: the upper bound; broadcasts to `x`.

    Returns:
        Numbers of the shape and dtype of `x`.
    """

    if jnp.issubdtype(x.dtype, jnp.integer) and _small(low) and _small(high):
        return once(jnp.clip(x, low, high))

    def reduced(x: Array) -> Array:  # a reduction is not repeated either
        return jnp.minimum(jnp.stack([x, jnp.broadcast_to(low, x.shape).astype(x.dtype)]).max(axis=0), high)

    return by_platform(x, cpu=reduced, default=lambda x: jnp.clip(x, low, high))


def _small(bound: ArrayLike) -> bool:
    """Whether integers up to a bound are small enough for `once`, as far as is known when JAX traces."""
    if isinstance(bound, Tracer):
        return False
    bound = np.asarray(bound)
    return bool(np.all((bound >= -LARGEST) & (bound <= LARGEST)))


def draw(key: Array, shape: tuple[int, ...], dtype: DTypeLike, low: ArrayLike, high: ArrayLike) -> Array:
    """Draws numbers uniform between two bounds, exponential beyond a single one, else normal; integers rounded down.

    Args:
        key: a typed key.
        shape: of the draws, which the bounds broadcast to.
        dtype: of integers or floats.
        low: the lower bound, minus infinity for none; a traced one counts as finite.
        high: the upper bound, infinity for none; a traced one counts as finite.

    Returns:
        Numbers of this shape and dtype.
    """
    first, last = in_dtype(low, dtype), in_dtype(high, dtype)
    whole = not jnp.issubdtype(dtype, jnp.floating)
    # A bound beyond a dtype of floats is infinite in it. Integers have no bound where an infinite one is given.
    below, above = (_is_finite(bound) for bound in ((low, high) if whole else (first, last)))
    between = _integers if whole else _floats
    drawn = between(key, shape, *(jnp.where(*each, 0).astype(dtype) for each in ((below, first), (above, last))))
    if np.all(below & above):
        return drawn
    up, down, bell = (_whole_tails if whole else _tails)(key, shape, first, last)
    return jnp.where(below & above, drawn, jnp.where(below, up, jnp.where(above, down, bell)))


def _is_finite(bound: ArrayLike) -> np.ndarray | np.bool_:
    return np.True_ if isinstance(bound, Tracer) else np.isfinite(np.asarray(bound))


def _floats(key: Array, shape: tuple[int, ...], low: Array, high: Array) -> Array:
    """Draws floats from [low, high], also where the difference of the two is beyond the dtype."""
    share = jax.random.uniform(key, shape, low.dtype)
    return jnp.clip(low * (1 - share) + high * share, low, high)


def _integers(key: Array, shape: tuple[int, ...], low: Array, high: Array) -> Array:
    """Draws integers from [low, high], also where the dtype has no number after `high`, which `randint` needs."""
    first, last = map(low.dtype.type, ends(low.dtype))
    every = (low == first) & (high == last)
    shift = ((high == last) & ~every).astype(low.dtype)
    drawn = shift + jax.random.randint(key, shape, low - shift, jnp.where(high == last, high, high + 1), low.dtype)
    bits = jax.random.bits(key, shape, f"uint{8 * low.dtype.itemsize}")
    return jnp.where(every, jax.lax.bitcast_convert_type(bits, low.dtype), drawn)


def _tails(key: Array, shape: tuple[int, ...], low: Bound, high: Bound) -> tuple[Bound, Bound, Array]:
    """Draws floats: (from `low` up, from `high` down, without bounds)."""
    tail = jax.random.exponential(key, shape, low.dtype)
    return low + tail, high - tail, jax.random.normal(key, shape, low.dtype)


def _whole_tails(key: Array, shape: tuple[int, ...], low: Bound, high: Bound) -> tuple[Bound, Bound, Array]:
    """Draws integers within their dtype: (from `low` up, from `high` down, without bounds)."""
    first, last = map(low.dtype.type, ends(low.dtype))
    zero = np.zeros((), np.float32)
    tail, _, bell = (jnp.floor(drawn).astype(low.dtype) for drawn in _tails(key, shape, zero, zero))
    up = low + jnp.minimum(tail, jnp.where(low > last - MAX_TAIL, last - low, MAX_TAIL))
    down = high - jnp.minimum(tail, jnp.where(high < first + MAX_TAIL, high - first, MAX_TAIL))
    return up, down, bell
