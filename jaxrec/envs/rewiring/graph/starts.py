"""Societies to start from, drawn inside jit: k-regular graphs, or uniform ones among those with a number of ties.

A list of ties is int32[E, 2]; the adjacency is built from it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap
from jaxtyping import Bool, Float, Int, UInt32

from jaxrec import bitset, random
from jaxrec.envs.rewiring.graph import draws
from jaxrec.envs.rewiring.graph.society import Society
from jaxrec.fusion import once
from jaxrec.runtime.sharding import env_devices

Drawn = TypeVar("Drawn")
STUCK_ROUNDS = 32  # without success, after which random ties exchange ends, good or bad; a power of 2
MAX_REDRAW_DEGREE = 2  # at most so many neighbours: about every second pairing has no loop and no repeated tie


def in_turn(drawn: Callable[[Array], Drawn]) -> Callable[[Array], Drawn]:
    """Makes `vmap` draw one society after the other on a CPU, whose cache holds the table of one, users x users.

    Args:
        drawn: key -> what is drawn.

    Returns:
        The function; elsewhere, and where devices share the environments (a mesh axis `envs`), `vmap` is what it is.
    """
    drawn = jax.jit(drawn, inline=True)  # called twice, and traced once
    one = custom_vmap(drawn)

    @one.def_vmap
    def every(axis_size: int, in_batched: list[bool], keys: Array) -> tuple[Any, Any]:
        after_another = jax.default_backend() == "cpu" and env_devices() == 1
        values = jax.lax.map(one, keys) if after_another else jax.vmap(drawn)(keys)
        return values, jax.tree.map(lambda _: True, values)

    return one


def society(ties: Int[Array, "ties 2"], cooperators: Bool[Array, " users"], edges: bool, degrees: bool) -> Society:
    """Puts a society together.

    Args:
        ties: all of them.
        cooperators: whether each user is one.
        edges: keeps the list of ties.
        degrees: keeps the degrees.

    Returns:
        One society, without members of recommenders.
    """
    adjacency = adjacency_rows(ties, cooperators.shape[0])
    return Society(
        adjacency=adjacency,
        cooperators=bitset.pack(cooperators),
        members=jnp.zeros((0, adjacency.shape[1]), jnp.uint32),
        edges=ties if edges else jnp.zeros((0, 2), jnp.int32),
        degrees=bitset.sizes(adjacency) if degrees else jnp.zeros(0, jnp.int32),
    )


def strategies(key: Array, users: int, half: bool) -> Bool[Array, " users"]:
    """Draws who cooperates: each with probability 1/2, or exactly half of them, rounded down."""
    if half:
        return random.order(key, users) < users // 2
    return jax.random.bernoulli(key, shape=(users,))


def k_regular(key: Array, users: int, k: int) -> Int[Array, "ties 2"]:
    """Draws a graph in which every user has k neighbours.

    The configuration model: k stubs for each user, paired at random. A loop, or a tie that repeats another, then
    exchanges an end with a random good tie until none is left (switching; McKay & Wormald 1990): the distribution is
    nearly uniform, closer for more users. Up to `MAX_REDRAW_DEGREE` neighbours all stubs are paired anew, which is
    uniform, but for `random.order`. Dense graphs are the complements of sparse ones.

    Args:
        key: a typed key.
        users: N; users * k must be even.
        k: the degree, below N.

    Returns:
        The N k / 2 ties, in any order.
    """
    if 2 * k > users - 1:
        sparse = adjacency_matrix(k_regular(key, users, users - 1 - k), users)
        return ties_of(~sparse & ~jnp.eye(users, dtype=bool), users * k // 2)
    ties = _paired(key, users, k)
    state = (jax.random.fold_in(key, 1), ties, _bad(ties, users), jnp.zeros((), jnp.int32))
    mend = partial(_exchange, users) if k > MAX_REDRAW_DEGREE else partial(_redraw, users, k)
    return jax.lax.while_loop(lambda state: state[2].any(), mend, state)[1]


def uniform_random(key: Array, users: int, ties: int) -> Int[Array, "ties 2"]:
    """Draws a graph uniformly among all with a number of ties; some users may have none.

    Ties are drawn independently, and drawn anew if they are loops or repeat another. Dense graphs are the complements
    of sparse ones.

    Args:
        key: a typed key.
        users: N.
        ties: E, at most N (N - 1) / 2.

    Returns:
        The E ties, in any order.
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
    """Converts a list of ties to the adjacency matrix."""
    empty = jnp.zeros((users, users), bool)
    return empty.at[ties, ties[:, ::-1]].set(True)


def adjacency_rows(ties: Int[Array, "ties 2"], users: int) -> UInt32[Array, "users words"]:
    """Converts a list of ties to the bitset of the neighbours of each user."""
    return bitset.pack(adjacency_matrix(ties, users)).T


def ties_of(matrix: Bool[Array, "users users"], ties: int) -> Int[Array, "ties 2"]:
    """Converts an adjacency matrix to the list of its ties, of which the number is given."""
    return jnp.stack(jnp.nonzero(jnp.triu(matrix), size=ties), axis=1).astype(jnp.int32)


def _paired(key: Array, users: int, k: int) -> Int[Array, "ties 2"]:
    """Pairs k stubs of each user at random."""
    return (random.order(key, users * k) // k).reshape(-1, 2)


def _redraw(users: int, k: int, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """Pairs all stubs anew: one round of `k_regular`."""
    key, _, _, rounds = state
    ties = _paired(jax.random.fold_in(key, rounds), users, k)
    return key, ties, _bad(ties, users), rounds + 1


def _exchange(users: int, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """Exchanges an end of every bad tie with that of the tie at a random shift, if that is good: one round."""
    key, ties, bad, rounds = state
    words = jax.random.bits(jax.random.fold_in(key, rounds), (bad.shape[0] + 1,), jnp.uint32)
    coins = once((words[1:] & 3).astype(jnp.int32))  # read for every roll below
    turned, kicked = coins & 1 == 1, coins > 1
    first, second = jnp.where(turned, ties[:, 1], ties[:, 0]), jnp.where(turned, ties[:, 0], ties[:, 1])
    kick = (4 * bad.sum() > bad.shape[0]) | _is_stuck(rounds + 1)
    moving = jnp.where(kick, kicked, bad)  # if all are bad there is no good tie to exchange with
    shift = 1 + (words[0] % max(bad.shape[0] - 1, 1)).astype(jnp.int32)
    gives = moving & ~jnp.roll(moving, -shift)
    takes = jnp.roll(gives, shift)
    second = jnp.where(gives, jnp.roll(second, -shift), jnp.where(takes, jnp.roll(second, shift), second))
    ties = jnp.stack([first, second], axis=1)
    return key, ties, _bad(ties, users), rounds + 1


def _is_stuck(rounds: Int[Array, ""]) -> Bool[Array, ""]:
    """Whether STUCK_ROUNDS times a power of 2 rounds have passed: dense graphs need hundreds without a kick."""
    return (rounds >= STUCK_ROUNDS) & (rounds & (rounds - 1) == 0)


def _bad(ties: Int[Array, "ties 2"], users: int) -> Bool[Array, " ties"]:
    """Whether each tie is a loop or repeats one with a lower index."""
    code = ties.min(axis=1) * users + ties.max(axis=1)
    index = jnp.arange(code.shape[0], dtype=jnp.int32)
    first = jnp.full(users * users, code.shape[0], jnp.int32).at[code].min(index)
    return (first[code] != index) | (ties[:, 0] == ties[:, 1])


def members(key: Array, shares: Float[Array, " kinds"], users: int) -> UInt32[Array, "kinds words"]:
    """Gives each user a recommender.

    Args:
        key: a typed key.
        shares: the fraction of users of each recommender, rounded to whole users and shuffled.
        users: their number.

    Returns:
        The set of the users of each recommender.
    """
    bounds = jnp.round(jnp.cumsum(shares) * users).astype(jnp.int32)
    kind = jnp.searchsorted(bounds, random.order(key, users), side="right")
    return bitset.pack(kind[:, None] == jnp.arange(shares.shape[0])).T
