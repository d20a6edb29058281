"""Sets of users, or of actions, as words of 32 bits: uint32[words, *batch].

The word axis comes first, so that the same code handles one society (no batch axes) or many at once with the societies
along the last axis, as vector units of a CPU and threads of a GPU need them. A set over 1000 users is 128 bytes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Int, UInt32

BITS = 32
BITS_SHIFT, BITS_MASK = 5, 31
MAX_WRITTEN_OUT = 64
"""Words up to which `select` goes through them one by one, which compilers fuse."""


def num_words(size: int) -> int:
    """The number of words of a set over `size` users."""
    return -(-size // BITS)


def pack(members: Bool[Array, "size *batch"]) -> UInt32[Array, "words *batch"]:
    """Packs the users for which `members` is true into a set."""
    size = members.shape[0]
    padding = [(0, num_words(size) * BITS - size)] + [(0, 0)] * (members.ndim - 1)
    bits = jnp.pad(members, padding).reshape(num_words(size), BITS, *members.shape[1:])
    shifts = jnp.arange(BITS, dtype=jnp.uint32).reshape(BITS, *[1] * (members.ndim - 1))
    return jnp.sum(bits.astype(jnp.uint32) << shifts, axis=1, dtype=jnp.uint32)


def unpack(words: UInt32[Array, "words *batch"], size: int) -> Bool[Array, "size *batch"]:
    """Unpacks a set: whether each of `size` users is a member."""
    shifts = jnp.arange(BITS, dtype=jnp.uint32).reshape(BITS, *[1] * (words.ndim - 1))
    bits = (words[:, None] >> shifts) & 1
    return bits.reshape(words.shape[0] * BITS, *words.shape[1:])[:size].astype(bool)


def everyone(size: int) -> UInt32[Array, " words"]:
    """The set of all users."""
    left = np.clip(size - BITS * np.arange(num_words(size)), 0, BITS)
    return jnp.asarray((2**left - 1).astype(np.uint32))


def word_of(user: Int[Array, "*batch"]) -> UInt32[Array, "*batch"]:
    """The one bit of `user` within its word."""
    return jnp.uint32(1) << (user & BITS_MASK).astype(jnp.uint32)


def single(user: Int[Array, "*batch"], words: int) -> UInt32[Array, "words *batch"]:
    """The set of one user."""
    index = jnp.arange(words, dtype=user.dtype).reshape(words, *[1] * user.ndim)
    return jnp.where((user >> BITS_SHIFT)[None] == index, word_of(user), jnp.uint32(0))


def population(words: UInt32[Array, "*batch"]) -> Int[Array, "*batch"]:
    """int32: the number of bits set in each word."""
    return jax.lax.population_count(words).astype(jnp.int32)


def count(words: UInt32[Array, "words *batch"]) -> Int[Array, "*batch"]:
    """int32: the size of the set."""
    return population(words).sum(axis=0, dtype=jnp.int32)


def sizes(rows: UInt32[Array, "rows words"]) -> Int[Array, " rows"]:
    """int32: the size of each of many sets, one in a row."""
    return population(rows).sum(axis=1, dtype=jnp.int32)


def select(words: UInt32[Array, "words *batch"], rank: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
    """int32: the member with `rank` smaller ones, for 0 <= rank < count; else some number below 32 * words."""
    word, start, rank = _word(words, rank)
    # The bit within it, by halving.
    for width in (16, 8, 4, 2, 1):
        lower = word & jnp.uint32((1 << width) - 1)
        in_lower = population(lower)
        beyond = rank >= in_lower
        word = jnp.where(beyond, word >> width, lower)
        start = start + jnp.where(beyond, width, 0)
        rank = jnp.where(beyond, rank - in_lower, rank)
    return start.astype(jnp.int32)


def _word(words: UInt32[Array, "words *batch"], rank: Int[Array, "*batch"]) -> tuple[Array, Array, Array]:
    """Finds the word of the member with `rank` smaller ones: (the word, its first user, the rank within it)."""
    if words.shape[0] > MAX_WRITTEN_OUT:
        reached = jnp.cumsum(population(words), axis=0)
        index = jnp.minimum((reached <= rank).sum(axis=0), words.shape[0] - 1)[None]
        before = jnp.take_along_axis(reached - population(words), index, axis=0)[0]
        return jnp.take_along_axis(words, index, axis=0)[0], BITS * index[0], rank - before
    before = jnp.zeros_like(rank)
    word, start, first = jnp.broadcast_to(words[0], rank.shape), before, before
    for i in range(1, words.shape[0]):
        before = before + population(words[i - 1])
        beyond = rank >= before
        word = jnp.where(beyond, words[i], word)
        start = jnp.where(beyond, BITS * i, start)
        first = jnp.where(beyond, before, first)
    return word, start, rank - first
