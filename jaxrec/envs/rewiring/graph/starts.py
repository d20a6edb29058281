"""Random graphs to start from, drawn inside jit: k-regular, or uniform among those with as many ties.

A list of ties is int32[E, 2]; the adjacency is built from it.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int, UInt32

from jaxrec.envs.rewiring.graph import bitset, draws

STUCK = 32  # rounds without success after which random ties exchange ends, good or bad; a power of 2
REDRAWN = 2  # neighbours: nearly every second pairing has no loop and no tie twice, whatever the users


def k_regular(key: Array, users: int, k: int) -> Int[Array, "ties 2"]:
    """A random graph in which everybody has k neighbours; users * k must be even and k < users.

    The configuration model: k stubs a user, paired at random. A loop, or a tie that repeats another, then exchanges an
    end with a random good tie, until none is left (McKay & Wormald 1990 call it switching): nearly uniform, the more so
    the more users. Up to `REDRAWN` neighbours all are paired anew instead, which is uniform. Dense graphs are the
    complements of sparse ones.
    """
    if 2 * k > users - 1:
        sparse = adjacency_matrix(k_regular(key, users, users - 1 - k), users)
        return ties_of(~sparse & ~jnp.eye(users, dtype=bool), users * k // 2)
    ties = _paired(key, users, k)
    state = (jax.random.fold_in(key, 1), ties, _bad(ties, users), jnp.zeros((), jnp.int32))
    mend = partial(_exchange, users) if k > REDRAWN else partial(_redraw, users, k)
    return jax.lax.while_loop(lambda state: state[2].any(), mend, state)[1]


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
        drawn, bad, rounds = state
        fresh, _ = draws.choose(jax.random.bits(jax.random.fold_in(key, rounds), drawn.shape, jnp.uint32), users)
        drawn = jnp.where(bad[:, None], fresh, drawn)
        return drawn, _bad(drawn, users), rounds + 1

    state = (jnp.zeros((ties, 2), jnp.int32), jnp.ones(ties, bool), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(lambda state: state[1].any(), draw_anew, state)[0]


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


def _paired(key: Array, users: int, k: int) -> Int[Array, "ties 2"]:
    """K stubs of each user, paired at random."""
    stubs = jnp.repeat(jnp.arange(users, dtype=jnp.int32), k)
    return stubs[jnp.argsort(jax.random.bits(key, stubs.shape, jnp.uint32))].reshape(-1, 2)


def _redraw(users: int, k: int, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """One round: everything is paired anew."""
    key, _, _, rounds = state
    ties = _paired(jax.random.fold_in(key, rounds), users, k)
    return key, ties, _bad(ties, users), rounds + 1


def _exchange(users: int, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """One round: every bad tie exchanges an end with the tie that a random shift puts beside it, if that is good."""
    key, ties, bad, rounds = state
    words = jax.random.bits(jax.random.fold_in(key, rounds), (bad.shape[0] + 1,), jnp.uint32)
    turned, kicked = words[1:] % 2 == 1, words[1:] // 2 % 2 == 1
    first, second = jnp.where(turned, ties[:, 1], ties[:, 0]), jnp.where(turned, ties[:, 0], ties[:, 1])
    kick = (4 * bad.sum() > bad.shape[0]) | _is_stuck(rounds + 1)
    moving = jnp.where(kick, kicked, bad)  # where all are bad there is no good tie to exchange with
    shift = 1 + (words[0] % max(bad.shape[0] - 1, 1)).astype(jnp.int32)
    gives = moving & ~jnp.roll(moving, -shift)
    takes = jnp.roll(gives, shift)
    second = jnp.where(gives, jnp.roll(second, -shift), jnp.where(takes, jnp.roll(second, shift), second))
    ties = jnp.stack([first, second], axis=1)
    return key, ties, _bad(ties, users), rounds + 1


def _is_stuck(rounds: Int[Array, ""]) -> Bool[Array, ""]:
    """After STUCK rounds, twice, four times as many: ever later, as dense graphs need hundreds that are left alone."""
    return (rounds >= STUCK) & (rounds & (rounds - 1) == 0)


def _bad(ties: Int[Array, "ties 2"], users: int) -> Bool[Array, " ties"]:
    """Whether each tie is a loop, or repeats one with a lower index."""
    code = ties.min(axis=1) * users + ties.max(axis=1)
    index = jnp.arange(code.shape[0], dtype=jnp.int32)
    first = jnp.full(users * users, code.shape[0], jnp.int32).at[code].min(index)
    return (first[code] != index) | (ties[:, 0] == ties[:, 1])
