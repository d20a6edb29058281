"""Several decisions from few random words, for random numbers are a third of the cost of a time-step."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, UInt32

MAX_CHOICES = 2**16 - 1  # of one draw


def choose(
    word: UInt32[Array, "*batch"], n: Int[Array, "*batch"] | UInt32[Array, "*batch"] | int
) -> tuple[Int[Array, "*batch"], UInt32[Array, "*batch"]]:
    """Returns (int32 in 0 ... n - 1, the remaining random bits) for n <= 65 535; n = 0 gives 0.

    The high half of the 64-bit product `word * n` is the choice, each with probability 1 / n within 2^-32. The low half
    is uniform on multiples of n, independent of the choice, and may be used again: its resolution is n / 2^32.
    """
    n = jnp.asarray(n, jnp.uint32)
    high = (word >> 16) * n + (((word & 0xFFFF) * n) >> 16)
    return (high >> 16).astype(jnp.int32), word * n


def uniform(word: UInt32[Array, "*batch"]) -> Float[Array, "*batch"]:
    """float32 in [0, 1), a multiple of 2^-24."""
    return (word >> 8).astype(jnp.float32) * jnp.float32(2**-24)
