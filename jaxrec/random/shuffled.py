"""A random order, which on a CPU costs less than `jax.random.permutation`."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int

MOST_BITS = 15
"""Of the indices that share a word with random bits, of which more are left."""


def order(key: Array, count: int) -> Int[Array, " count"]:
    """Draws 0 ... `count` - 1 in random order.

    `jax.random.permutation` sorts pairs, twice. Up to 2^15 one sort of words does, of random bits with the index below
    them: on a CPU it is six to nine times as fast as one of pairs. Where these are equal the lower index is first, so
    that of two indices the lower is before the other with probability 1/2 + 2^-18 at most. More are sorted as pairs,
    once: of their neighbours in this order too many would be neighbours in index.

    Args:
        key: a typed key.
        count: how many.

    Returns:
        The order.
    """
    bits = (count - 1).bit_length()
    if bits > MOST_BITS:
        return jnp.argsort(jax.random.bits(key, (count,), jnp.uint32)).astype(jnp.int32)
    low = jnp.uint32(2**bits - 1)
    drawn = jax.random.bits(key, (count,), jnp.uint32) & ~low
    return (jax.lax.sort(drawn | jnp.arange(count, dtype=jnp.uint32), is_stable=False) & low).astype(jnp.int32)
