"""Random graphs to start from, drawn inside jit: k-regular, or uniform among those with as many ties.

A list of ties is int32[E, 2]; the adjacency is built from it.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int, UInt32

from jaxrec.envs.rewiring import bitset

STUCK = 16  # rounds without success after which good ties are broken up as well


def k_regular(key: Array, users: int, k: int) -> Int[Array, "ties 2"]:
    """A random graph in which everybody has k neighbours; users * k must be even and k < users.

    The configuration model: k stubs a user, paired at random. A loop, or a tie that repeats another, then exchanges an
    end with a random good tie, until none is left (McKay & Wormald 1990 call it switching). Dense graphs are the
    complements of sparse ones.
    """
    if 2 * k > users - 1:
        sparse = adjacency_matrix(k_regular(key, users, users - 1 - k), users)
        return ties_of(~sparse & ~jnp.eye(users, dtype=bool), users * k // 2)
    key, key_first = jax.random.split(key)
    stubs = jnp.repeat(jnp.arange(users, dtype=jnp.int32), k)
    ties = stubs[jnp.argsort(jax.random.bits(key_first, stubs.shape))].reshape(-1, 2)
    state = (key, ties, _bad(ties, users), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(lambda state: state[2].any(), partial(_exchange, users), state)[1]


def uniform_random(key: Array, users: int, ties: int) -> Int[Array, "ties 2"]:
    """A graph drawn uniformly among all with so many ties; some users may have none.

    Ties are drawn independently, and drawn anew where they are loops or repeat another. Dense graphs are the
    complements of sparse ones.
    """
    most = users * (users - 1) // 2
    if 2 * ties > most:
        sparse = adjacency_matrix(uniform_random(key, users, most - ties), users)
        return ties_of(~sparse & ~jnp.eye(users, dtype=bool), ties)

    def draw_anew(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        key, drawn, bad = state
        key, key_draw = jax.random.split(key)
        fresh = jax.random.randint(key_draw, drawn.shape, 0, users, jnp.int32)
        drawn = jnp.where(bad[:, None], fresh, drawn)
        return key, drawn, _bad(drawn, users)

    state = (key, jnp.zeros((ties, 2), jnp.int32), jnp.ones(ties, bool))
    return jax.lax.while_loop(lambda state: state[2].any(), draw_anew, state)[1]


def adjacency_matrix(ties: Int[Array, "ties 2"], users: int) -> Bool[Array, "users users"]:
    """Whether each two users are tied."""
    empty = jnp.zeros((users, users), bool)
    return empty.at[ties[:, 0], ties[:, 1]].set(True).at[ties[:, 1], ties[:, 0]].set(True)


def adjacency_rows(ties: Int[Array, "ties 2"], users: int) -> UInt32[Array, "users words"]:
    """The bitset of the neighbours of each user."""
    return bitset.pack(adjacency_matrix(ties, users)).T


def ties_of(matrix: Bool[Array, "users users"], ties: int) -> Int[Array, "ties 2"]:
    """The list of the ties of a graph that has so many."""
    return jnp.stack(jnp.nonzero(jnp.triu(matrix), size=ties), axis=1).astype(jnp.int32)


def _exchange(users: int, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """One round: every bad tie exchanges an end with the tie that a random shift puts beside it, if that is good."""
    key, ties, bad, rounds = state
    key, key_shift, key_turn, key_kick = jax.random.split(key, 4)
    turned = jax.random.bernoulli(key_turn, shape=bad.shape)
    first, second = jnp.where(turned, ties[:, 1], ties[:, 0]), jnp.where(turned, ties[:, 0], ties[:, 1])
    kick = (4 * bad.sum() > bad.shape[0]) | (rounds % STUCK == STUCK - 1)
    moving = bad | (kick & jax.random.bernoulli(key_kick, shape=bad.shape))
    shift = jax.random.randint(key_shift, (), 1, max(bad.shape[0], 2))
    gives = moving & ~jnp.roll(moving, -shift)
    takes = jnp.roll(gives, shift)
    second = jnp.where(gives, jnp.roll(second, -shift), jnp.where(takes, jnp.roll(second, shift), second))
    ties = jnp.stack([first, second], axis=1)
    return key, ties, _bad(ties, users), rounds + 1


def _bad(ties: Int[Array, "ties 2"], users: int) -> Bool[Array, " ties"]:
    """Whether each tie is a loop, or repeats one with a lower index."""
    code = ties.min(axis=1) * users + ties.max(axis=1)
    index = jnp.arange(code.shape[0], dtype=jnp.int32)
    first = jnp.full(users * users, code.shape[0], jnp.int32).at[code].min(index)
    return (first[code] != index) | (ties[:, 0] == ties[:, 1])
