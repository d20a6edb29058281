"""Hints to XLA, above all on a CPU, where it fuses more than is fast: elsewhere most do nothing.

On a CPU it repeats cheap arithmetic in every kernel that reads its result, and in each for every entry of an array that
it is broadcast to: draws of a hash, or the choice among neighbours, are then computed dozens of times. It does not
repeat a division; `optimization_barrier` is removed before that pass.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree

Branch = TypeVar("Branch")

LARGEST = 2**29
"""Integers up to this size are what `once` takes."""


def by_platform(*operands: PyTree, cpu: Callable[..., Branch], default: Callable[..., Branch]) -> Branch:
    """Computes with one function on a CPU, with the other elsewhere: `jax.lax.platform_dependent`, traced in less time.

    Where JAX computes on a CPU, the other function is not traced. They give the same values, so that a program which is
    put elsewhere nonetheless is right.

    Args:
        operands: of both.
        cpu: from the operands to values.
        default: the same, elsewhere: to values of the same shapes and dtypes.

    Returns:
        What the function of the platform gives.
    """
    if jax.default_backend() == "cpu":
        return cpu(*operands)
    return jax.lax.platform_dependent(*operands, cpu=cpu, default=default)


def unit(parameter: ArrayLike) -> Array:
    """Makes a 1 for `materialised` of a run-time value, so that the compiler does not know it; NaN of NaN."""
    return 1 + 0 * jnp.asarray(parameter, float)


def materialised(value: Array, one: Array) -> Array:
    """Returns `value`, computed once.

    Args:
        value: bools, floats, or integers that float32 holds.
        one: float[], 1, but unknown to the compiler (`unit`).

    Returns:
        The same values, of the same dtype.
    """

    def divided(value: Array) -> Array:
        if jnp.issubdtype(value.dtype, jnp.floating):
            return value / one.astype(value.dtype)
        kept = value.astype(jnp.float32) / one
        return kept > 0.5 if value.dtype == bool else kept.astype(value.dtype)

    return by_platform(value, cpu=divided, default=lambda value: value)


def once(value: Array) -> Array:
    """Returns integers of at most `LARGEST`, either sign, computed once on a CPU; they need no `unit`."""
    return by_platform(value, cpu=_divided, default=lambda value: value)


def keys_once(keys: Array) -> Array:
    """Returns typed keys, computed once on a CPU: of keys that are drawn from such, all rounds would be repeated."""
    return jax.random.wrap_key_data(words_once(jax.random.key_data(keys)), impl=jax.random.key_impl(keys))


def key_at_once(key: Array) -> Array:
    """Returns a typed key, of whose two words a GPU computes both in one kernel, and not in two the rounds of both.

    A key of another generator than threefry is left to XLA, which fuses its few operations with what reads it.
    """
    return jax.lax.optimization_barrier(key) if str(jax.random.key_impl(key)) == "threefry2x32" else key


def words_once(words: Array) -> Array:
    """Returns uint32 words, drawn once on a CPU: each kernel that reads one would draw it anew."""
    return by_platform(words, cpu=_halves_divided, default=lambda words: words)


def _halves_divided(words: Array) -> Array:
    """Returns uint32 words: to XLA each half might overflow; LLVM sees that it cannot, and leaves the division out."""
    high, low = (_divided(half) for half in (words >> jnp.uint32(16), words & jnp.uint32(0xFFFF)))
    return high << jnp.uint32(16) | low


def _divided(value: Array) -> Array:
    # The compiler does not see that this is `value`, for the product might overflow.
    wide = value if value.dtype.itemsize >= 4 else value.astype(jnp.int32)
    return jax.lax.div(wide * 3, jnp.full_like(wide, 3)).astype(value.dtype)


def apart(value: Array, one: Array) -> Array:
    """Returns `value`, computed in a kernel of its own on a CPU, which is worth it for rows gathered from a table.

    Arithmetic in one kernel with a gather is not vectorised.

    Args:
        value: of any shape and dtype.
        one: float[], 1, but unknown to the compiler.

    Returns:
        The same values.
    """

    def kept(value: Array) -> Array:
        return jax.lax.cond(one == 1, lambda value: value, jnp.zeros_like, value)

    return by_platform(value, cpu=kept, default=lambda value: value)
