"""Typed keys of JAX whose draws are one small hash, so that compilers fuse them into the arithmetic around them.

    key = jax.random.key(0, impl=HASH)

Everything that takes a key draws from it by `jax.random` without a change: the implementation goes with the key.
JAX's own threefry calls kernels of its own on a GPU, and takes XLA longer to compile.

The hash follows pcg3d (Jarzynski & Olano 2020, "Hash Functions for GPU Rendering", Journal of Computer Graphics
Techniques 9, 3, section 4.2), a bijection of three words of 32 bits. As published it fails: bits of a result do not
depend on bits of the words that lie 17 or more above them. Here it has three rounds in place of two, each of which
ends by an exclusive or, and no multiplication before the first: nine in all, as many as pcg3d.

What is hashed is a key of two words, and a number: the index of a key (`split`), the data (`fold_in`) or the index of
a draw (`bits`). A bit pattern of each of these purposes is added to the key beforehand, so that for one key no two of
all draws, keys split off and keys folded in are hashes of the same words.

Limits: a key has 64 bits, as threefry's has. Of n keys two are equal with probability n^2 / 2^65, 3 % at 10^9 keys, and
then draw the same; a chain of `fold_in` forgets: of two keys that met, all that follows is equal, so that after t steps
of n chains this is n^2 t / 2^65. Arrays have at most 2^32 draws. It is not for cryptography.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.random import define_prng_impl
from jaxtyping import Integer, Shaped, UInt32

from jaxrec.checks import InputError

ROUNDS = 3
SHIFT = np.uint32(16)
OFFSETS = tuple(map(np.uint32, (0x9E3779B9, 0xBB67AE85, 0x3C6EF373)))  # three zeros would stay three zeros
SEED, SPLIT, FOLD_IN, BITS = map(np.uint32, (0, 0xA54FF53A, 0x510E527F, 0x1F83D9AB))  # as SHA-256 begins
MOST_DRAWS = 2**32  # of one key
WORDS = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32, 64: jnp.uint64}

Words = UInt32[Array, "..."]


def mix(x: Words, y: Words, z: Words) -> tuple[Words, Words, Words]:
    """Maps three words, broadcast, to three, one to one, so that every bit depends on every bit of all three."""
    x, y, z = (word + offset for word, offset in zip((x, y, z), OFFSETS, strict=True))
    for _ in range(ROUNDS):
        x = x + y * z
        y = y + z * x
        z = z + x * y
        x, y, z = (word ^ (word >> SHIFT) for word in (x, y, z))
    return x, y, z


def seed(number: Integer[Array, ""]) -> UInt32[Array, "2"]:
    """Makes a key of a seed, of all 64 bits where it has so many."""
    low, high = number.astype(jnp.uint32), jnp.zeros_like(number, jnp.uint32)
    if np.dtype(number.dtype).itemsize > 4:
        high = lax.shift_right_logical(number, lax.full_like(number, 32)).astype(jnp.uint32)
    return _key(low, high, SEED, jnp.uint32(0))


def split(key: UInt32[Array, "2"], shape: tuple[int, ...]) -> UInt32[Array, "*shape 2"]:
    """Makes keys of a key; each depends on its index in `shape`, in row-major order."""
    return _key(key[0], key[1], SPLIT, _indices(shape))


def fold_in(key: UInt32[Array, "2"], data: UInt32[Array, ""] | int) -> UInt32[Array, "2"]:
    """Makes a key of a key and a number."""
    return _key(key[0], key[1], FOLD_IN, jnp.uint32(data))


def bits(key: UInt32[Array, "2"], width: int, shape: tuple[int, ...]) -> Shaped[Array, "*shape"]:
    """Draws uniform integers.

    Args:
        key: the two words of a key.
        width: bits of an integer: 8, 16, 32 or 64.
        shape: how many integers; at most 2^32 in all.

    Returns:
        uint8, uint16, uint32 or uint64 [*shape]. One depends on its index in row-major order, not on `shape`.

    Raises:
        InputError: for more than 2^32 integers.
    """
    _, low, high = mix(key[0] + BITS, key[1], _indices(shape))
    if width < 32:
        return (high >> np.uint32(32 - width)).astype(WORDS[width])
    if width == 32:
        return high
    return (high.astype(jnp.uint64) << np.uint64(32)) | low.astype(jnp.uint64)


def _key(x: Words, y: Words, purpose: np.uint32, z: Words) -> UInt32[Array, "*shape 2"]:
    _, first, second = mix(x + purpose, y, z)
    return jnp.stack([first, second], axis=-1)


def _indices(shape: tuple[int, ...]) -> Words:
    """The row-major index of each entry; made of one index an axis, so that devices may share the axes."""
    if math.prod(shape) > MOST_DRAWS:
        raise InputError(f"a key of this kind draws at most 2^32 numbers, got shape {list(shape)}")
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    index = jnp.zeros(shape, jnp.uint32)
    for axis, stride in enumerate(strides):
        index = index + lax.broadcasted_iota(jnp.uint32, shape, axis) * np.uint32(stride % MOST_DRAWS)
    return index


HASH = define_prng_impl(
    key_shape=(2,), seed=seed, split=split, random_bits=bits, fold_in=fold_in, name="hash", tag="hash"
)
"""The implementation, for `jax.random.key(seed, impl=HASH)` and `jax.random.wrap_key_data(words, impl=HASH)`."""
