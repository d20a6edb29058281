"""Numbers and their bounds in the dtypes of JAX, and draws between and beyond bounds."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

LONGEST = 64  # float32 draws nothing as large from an exponential or a normal distribution


def ends(dtype: Any) -> tuple[int, int]:
    """The first and the last number of a dtype of integers, or of bool."""
    return (0, 1) if jnp.issubdtype(dtype, np.bool_) else (int(jnp.iinfo(dtype).min), int(jnp.iinfo(dtype).max))


def of_numbers(dtype: Any) -> Any:
    """The dtype, as far as JAX has it, in which entries are drawn and compared: bool as integers."""
    return np.dtype(np.int32) if jnp.issubdtype(dtype, np.bool_) else jax.dtypes.canonicalize_dtype(dtype)


def in_dtype(bound: Any, dtype: Any) -> Any:
    """A bound in `dtype`: what is beyond it is the first or last integer that it holds, or an infinite float."""
    if isinstance(bound, Tracer):
        return bound.astype(dtype)
    bound = np.asarray(bound)
    if jnp.issubdtype(dtype, jnp.floating):
        with np.errstate(over="ignore"):
            return bound.astype(dtype)
    first, last = ends(dtype)
    within = (bound > first) & (bound < last)
    return np.where(within, np.where(within, bound, 0).astype(dtype), np.where(bound > 0, last, first).astype(dtype))


def as_array(x: Any, dtype: Any) -> Any:
    """`x` as an array, of objects if it is none. Python's integers are floats where `dtype` is of floats."""
    of_python = type(x) is int or getattr(x, "weak_type", False)
    if not isinstance(x, jax.Array):
        try:
            x = np.asarray(x)
        except ValueError:  # lists of unequal lengths
            return np.asarray(None)
    if of_python and dtype.kind in "fV" and jnp.issubdtype(x.dtype, jnp.integer):  # V: bfloat16 and shorter
        return x.astype(of_numbers(dtype))
    return x


def clipped(x: Array, low: Any, high: Any) -> Array:
    """`jnp.clip(x, low, high)`, of which on a CPU XLA computes each entry once.

    Many parts of a step read the action. Each of them computes and clips it anew, unless a reduction stands between.
    With `clip` a rollout of a small society takes a tenth longer than with actions as they are, with this a tenth less.
    """

    def once(x: Array) -> Array:
        return jnp.minimum(jnp.stack([x, jnp.broadcast_to(low, x.shape).astype(x.dtype)]).max(axis=0), high)

    return jax.lax.platform_dependent(x, cpu=once, default=lambda x: jnp.clip(x, low, high))


def draw(key: Array, shape: tuple[int, ...], dtype: Any, low: Any, high: Any) -> Array:
    """Numbers uniform between two bounds, exponential beyond a single one, else normal; rounded down if integers.

    Args:
        key: a typed key.
        shape: of the draws, which the bounds broadcast to.
        dtype: of integers or floats.
        low: the lower bound, minus infinity for none; a traced one is taken to be finite.
        high: the upper bound likewise.
    """
    first, last = in_dtype(low, dtype), in_dtype(high, dtype)
    whole = not jnp.issubdtype(dtype, jnp.floating)
    # Bounds beyond a dtype of floats are infinite in it. Of integers those are missing that are given as infinite.
    below, above = (_is_finite(bound) for bound in ((low, high) if whole else (first, last)))
    between = _integers if whole else _floats
    drawn = between(key, shape, *(jnp.where(*each, 0).astype(dtype) for each in ((below, first), (above, last))))
    if np.all(below & above):
        return drawn
    up, down, bell = (_whole_tails if whole else _tails)(key, shape, first, last)
    return jnp.where(below & above, drawn, jnp.where(below, up, jnp.where(above, down, bell)))


def _is_finite(bound: Any) -> Any:
    return np.True_ if isinstance(bound, Tracer) else np.isfinite(np.asarray(bound))


def _floats(key: Array, shape: tuple[int, ...], low: Array, high: Array) -> Array:
    """In [low, high], also where the difference of the two is beyond the dtype."""
    share = jax.random.uniform(key, shape, low.dtype)
    return jnp.clip(low * (1 - share) + high * share, low, high)


def _integers(key: Array, shape: tuple[int, ...], low: Array, high: Array) -> Array:
    """In [low, high], also where the dtype has nothing after `high`, which is what `randint` asks for."""
    first, last = map(low.dtype.type, ends(low.dtype))
    every = (low == first) & (high == last)
    shift = ((high == last) & ~every).astype(low.dtype)
    drawn = shift + jax.random.randint(key, shape, low - shift, jnp.where(high == last, high, high + 1), low.dtype)
    bits = jax.random.bits(key, shape, f"uint{8 * low.dtype.itemsize}")
    return jnp.where(every, jax.lax.bitcast_convert_type(bits, low.dtype), drawn)


def _tails(key: Array, shape: tuple[int, ...], low: Any, high: Any) -> tuple[Array, Array, Array]:
    """Floats (from `low` up, from `high` down, of any size)."""
    tail = jax.random.exponential(key, shape, low.dtype)
    return low + tail, high - tail, jax.random.normal(key, shape, low.dtype)


def _whole_tails(key: Array, shape: tuple[int, ...], low: Any, high: Any) -> tuple[Array, Array, Array]:
    """The same of integers, within their dtype."""
    first, last = map(low.dtype.type, ends(low.dtype))
    zero = np.zeros((), np.float32)
    tail, _, bell = (jnp.floor(drawn).astype(low.dtype) for drawn in _tails(key, shape, zero, zero))
    up = low + jnp.minimum(tail, jnp.where(low > last - LONGEST, last - low, LONGEST))
    down = high - jnp.minimum(tail, jnp.where(high < first + LONGEST, high - first, LONGEST))
    return up, down, bell
