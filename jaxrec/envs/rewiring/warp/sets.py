"""Sets of users as `jaxrec.bitset` has them, in the registers of a warp: what Triton compiles of those functions.

Triton takes no single word out of a set, and has no instruction that counts bits; sums over all words do instead. The
number of words is a power of two.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int, UInt32

from jaxrec import bitset


def padded(rows: UInt32[Array, "*rows words"]) -> UInt32[Array, "*rows more"]:
    """Adds empty words up to a power of two."""
    words = rows.shape[-1]
    more = (1 << (words - 1).bit_length()) - words
    return jnp.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, more)]) if more else rows


def copied(members: UInt32[Array, " words"], user: Array, theirs: Array, copies: Array) -> Array:
    """Adds `user` to a set, or removes it, by the membership `theirs` of the one it copies."""
    mine = single(user, members.shape[0])
    return jnp.where(copies, jnp.where(theirs, members | mine, members & ~mine), members)


def single(user: Int[Array, ""], size: int) -> UInt32[Array, " words"]:
    """The set of one user."""
    index = jax.lax.broadcasted_iota(jnp.int32, (size,), 0)
    return jnp.where(index == user >> bitset.BITS_SHIFT, bitset.word_of(user), jnp.uint32(0))


def everyone(users: int, size: int) -> UInt32[Array, " words"]:
    """The set of all users."""
    left = jnp.clip(users - bitset.BITS * jax.lax.broadcasted_iota(jnp.int32, (size,), 0), 0, bitset.BITS)
    full = jnp.uint32(0xFFFFFFFF)
    return jnp.where(left == 0, jnp.uint32(0), full >> (bitset.BITS - jnp.maximum(left, 1)).astype(jnp.uint32))


def has(members: UInt32[Array, " words"], user: Int[Array, ""]) -> Array:
    """bool[]: whether `user` is in the set."""
    return jnp.max(members & single(user, members.shape[0])) != 0


def population(words: Array) -> Array:
    """int32: the bits set in each word."""
    words = words - ((words >> 1) & np.uint32(0x55555555))
    words = (words & np.uint32(0x33333333)) + ((words >> 2) & np.uint32(0x33333333))
    words = (words + (words >> 4)) & np.uint32(0x0F0F0F0F)
    return (words * np.uint32(0x01010101) >> 24).astype(jnp.int32)


def count(members: UInt32[Array, " words"]) -> Array:
    """int32[]: the size of the set."""
    return jnp.sum(population(members))


def select(members: UInt32[Array, " words"], rank: Int[Array, ""]) -> Array:
    """int32[]: the member with `rank` smaller ones, for 0 <= rank < count; else some number below 32 * words."""
    sizes = population(members)
    until = jnp.cumsum(sizes)
    here = (rank >= until - sizes) & (rank < until)
    index = jax.lax.broadcasted_iota(jnp.int32, sizes.shape, 0)
    word = jnp.sum(jnp.where(here, members, jnp.uint32(0)), dtype=jnp.uint32)
    start = bitset.BITS * jnp.sum(jnp.where(here, index, 0))
    rank = rank - jnp.sum(jnp.where(here, until - sizes, 0))
    for width in (16, 8, 4, 2, 1):
        lower = word & np.uint32((1 << width) - 1)
        within = population(lower)
        beyond = rank >= within
        word, start = jnp.where(beyond, word >> width, lower), start + beyond.astype(jnp.int32) * width
        rank = rank - jnp.where(beyond, within, 0)
    return start
