"""A society as bits: its ties, its cooperators and the users of each recommender.

Adjacency is one bitset row for each user: a rewire flips four bits in place, and an edge test, a count of cooperating
neighbours or a set of candidates is a few word operations. It takes 32 KB for 500 users, 128 KB for 1000.

Functions of this module and of `dynamics` take one society, or `B` at once: then adjacency and edges have a leading
axis of B and all other arrays a trailing one.
"""

from typing import no_type_check

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Int, UInt32

from jaxrec import bitset


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Society(struct.PyTreeNode):
    """N users and their ties; shapes are those of one society.

    Attributes:
        adjacency: uint32[N, words], row i is the set of the neighbours of user i.
        cooperators: uint32[words], the set of cooperators.
        members: uint32[kinds, words], the users of each recommender; kinds is 0 if all users share one.
        edges: int32[E, 2], the ties in any order; E is 0 if neither rules nor observation need a list.
        degrees: int32[N], the number of neighbours; int32[0] if no recommender reads degrees.
    """

    adjacency: UInt32[Array, "*lead users words"]
    cooperators: UInt32[Array, "words *batch"]
    members: UInt32[Array, "kinds words *batch"]
    edges: Int[Array, "*lead ties 2"]
    degrees: Int[Array, "degrees *batch"]

    @property
    def num_users(self) -> int:
        """N."""
        return self.adjacency.shape[-2]


def stack(society: Society) -> Society:
    """Converts societies stacked by `vmap` (every batch axis leading) to the layout for many at once."""
    last = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), society)
    return last.replace(adjacency=society.adjacency, edges=society.edges)


def unstack(society: Society) -> Society:
    """Inverts `stack`: every leaf gets a leading axis, for `vmap`."""
    first = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), society)
    return first.replace(adjacency=society.adjacency, edges=society.edges)


def neighbours(adjacency: UInt32[Array, "*lead users words"], user: Int[Array, "*batch"]) -> UInt32[Array, "words *b"]:
    """The set of the neighbours of `user`."""
    return _gather_rows(adjacency, user)


def edge(edges: Int[Array, "*lead ties 2"], index: Int[Array, "*batch"]) -> Int[Array, "2 *b"]:
    """The two ends of one tie."""
    return _gather_rows(edges, index)


def contains(words: UInt32[Array, "words *batch"], user: Int[Array, "*batch"]) -> Array:
    """bool: whether `user` is in the set."""
    return ((words & bitset.single(user, words.shape[0])) != 0).any(axis=0)


def tie_between(edges: Int[Array, "ties 2"], a: Array, b: Array) -> Array:
    """Finds a tie of one society.

    Args:
        edges: the list of ties.
        a: int32[], one end.
        b: int32[], the other end.

    Returns:
        int32[], the index of the tie between a and b, in either order.
    """
    forward, backward = (edges == jnp.stack([a, b])).all(axis=1), (edges == jnp.stack([b, a])).all(axis=1)
    return jnp.argmax(forward | backward).astype(jnp.int32)


def flip_ties(society: Society, user: Array, old: Array, new: Array, do: Array, tie: Array | None = None) -> Society:
    """Replaces the tie (user, old) by (user, new) in the societies in which `do` is true.

    Four words of the adjacency change. Bits known to be set are subtracted and bits known to be clear are added, so
    that two changes to the same word need no order.

    Args:
        society: one, or many.
        user: int32[*batch], one end of the tie.
        old: int32[*batch], the other end.
        new: int32[*batch], the end that replaces `old`.
        do: bool[*batch].
        tie: int32[*batch], the index of (user, old) in the list of edges; None if no list is kept.

    Returns:
        The society after the replacement.
    """
    row, column = jnp.stack([user, old, user, new]), jnp.stack([old, user, new, user])
    index = row * society.adjacency.shape[-1] + (column >> bitset.BITS_SHIFT)
    bit = jnp.where(do, bitset.word_of(column), jnp.uint32(0))
    flat = society.adjacency.reshape(-1)
    flat = flat.at[_base(society.adjacency) + index.astype(jnp.uint32)].add(
        jnp.concatenate([-bit[:2], bit[2:]]), mode="promise_in_bounds"
    )
    society = society.replace(adjacency=flat.reshape(society.adjacency.shape))
    if society.degrees.shape[0]:
        step = do.astype(jnp.int32)
        society = society.replace(degrees=_add(_add(society.degrees, old, -step), new, step))
    if tie is not None:
        kept = edge(society.edges, tie)
        ends = jnp.where(do, jnp.stack([user, new]), kept)
        lead = (jnp.arange(tie.shape[0]),) if tie.ndim else ()
        society = society.replace(edges=society.edges.at[(*lead, tie)].set(jnp.moveaxis(ends, 0, -1)))
    return society


def _add(values: Int[Array, "users *batch"], user: Int[Array, "*batch"], step: Int[Array, "*batch"]) -> Array:
    """Adds `step` to the value of one user of each society."""
    trailing = (jnp.arange(user.shape[0]),) if user.ndim else ()
    return values.at[(user, *trailing)].add(step, mode="promise_in_bounds", unique_indices=True)


def _base(array: Array) -> Array:
    """uint32: the offset of each society in the flattened array."""
    size = array.shape[-2] * array.shape[-1]
    return jnp.arange(array.shape[0], dtype=jnp.uint32) * size if array.ndim == 3 else jnp.zeros((), jnp.uint32)


def _gather_rows(array: Array, index: Array) -> Array:
    """Gathers row `index` of each society, with its entries along the first axis."""
    rows, width = array.shape[-2:]
    start = index.astype(jnp.uint32)
    if array.ndim == 3:
        start = start + jnp.arange(array.shape[0], dtype=jnp.uint32) * rows
    numbers = jax.lax.GatherDimensionNumbers(offset_dims=(0,), collapsed_slice_dims=(0,), start_index_map=(0,))
    return jax.lax.gather(
        array.reshape(-1, width), start[..., None], numbers, slice_sizes=(1, width), mode="promise_in_bounds"
    )
