"""Scans over steps, of which a GPU launches few kernels each: a scan stacks each array of outputs by one of its own."""

from collections.abc import Callable
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import PyTree, UInt32

from jaxrec.utilities import Leaf

Body = Callable[[PyTree, PyTree], tuple[PyTree, PyTree]]

WORD = jnp.dtype(jnp.uint32)


@no_type_check  # of fields at run time: a scan adds a leading axis of steps
class Packed(struct.PyTreeNode):
    """A PyTree whose scalars and vectors of one shape are rows of one array.

    Attributes:
        words: shape -> uint32[*steps, rows, *shape].
        others: leaves of other shapes and kinds.
        structure: of the PyTree.
        kinds: (shape, dtype) of each leaf in its order; None of one of the others.
    """

    words: dict[tuple[int, ...], UInt32[Array, "*steps_rows_shape"]]
    others: list[Leaf]
    structure: Any = struct.field(pytree_node=False)
    kinds: tuple[tuple[tuple[int, ...], Any] | None, ...] = struct.field(pytree_node=False)

    def tree(self) -> PyTree:
        """Gives the PyTree; its leaves have the leading axes that scans have added."""
        others, used, leaves = iter(self.others), dict.fromkeys(self.words, 0), []
        for kind in self.kinds:
            if kind is None:
                leaves.append(next(others))
                continue
            shape, dtype = kind
            axis, first = -1 - len(shape), used[shape]
            used[shape] += _rows(dtype)
            rows = jax.lax.slice_in_dim(self.words[shape], first, used[shape], axis=axis)
            leaves.append(_of_words(rows, dtype, axis))
        return jax.tree.unflatten(self.structure, leaves)


def scan_steps(body: Body, carry: PyTree, inputs: PyTree, in_pairs: bool = True) -> tuple[PyTree, PyTree]:
    """Scans as `jax.lax.scan` does; `unpack` gives its outputs.

    Except on a CPU, outputs are packed, and an even number of steps is unrolled in pairs: one step writes where the
    other has read, so that little of what is carried is copied.

    Args:
        body: (carry, inputs of a step) -> (carry, outputs).
        carry: before the first step.
        inputs: leaves [steps, ...].
        in_pairs: whether to unroll; not where a step has a loop, for which more would be copied.

    Returns:
        (carry, outputs for `unpack`).
    """
    if jax.default_backend() == "cpu":
        return jax.lax.scan(body, carry, inputs)

    def packing(carry: PyTree, inputs: PyTree) -> tuple[PyTree, Packed]:
        carry, outputs = body(carry, inputs)
        return carry, pack(outputs)

    steps = jax.tree.leaves(inputs)[0].shape[0]
    return jax.lax.scan(packing, carry, inputs, unroll=2 if in_pairs and steps % 2 == 0 else 1)


def pack(tree: PyTree) -> Packed:
    """Packs a PyTree, without loss.

    Args:
        tree: leaves of any shape and dtype.

    Returns:
        One array for all booleans, integers and floats of 32 or 64 bits with the same shape of at most one axis; other
        leaves as they are.
    """
    leaves, structure = jax.tree.flatten(tree)
    rows: dict[tuple[int, ...], list[Array]] = {}
    others, kinds = [], []
    for leaf in map(jnp.asarray, leaves):
        if leaf.ndim > 1 or not _fits(leaf.dtype):
            others.append(leaf)
            kinds.append(None)
        else:
            rows.setdefault(leaf.shape, []).append(_words_of(leaf))
            kinds.append((leaf.shape, leaf.dtype))
    words = {shape: jnp.concatenate(each) for shape, each in rows.items()}
    return Packed(words, others, structure, tuple(kinds))


def unpack(tree: PyTree) -> PyTree:
    """Replaces each `Packed` in a PyTree by the PyTree that it packs."""

    def replaced(node: PyTree) -> PyTree:
        return node.tree() if isinstance(node, Packed) else node

    return jax.tree.map(replaced, tree, is_leaf=lambda node: isinstance(node, Packed))


def _fits(dtype: Any) -> bool:
    """Whether values of a dtype are one word, or two."""
    number = jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.floating)
    return jnp.issubdtype(dtype, jnp.bool_) or (number and dtype.itemsize in (4, 8))


def _rows(dtype: Any) -> int:
    return max(1, dtype.itemsize // WORD.itemsize)


def _words_of(leaf: Array) -> UInt32[Array, "rows *shape"]:
    if jnp.issubdtype(leaf.dtype, jnp.bool_):
        return leaf.astype(WORD)[None]
    words = jax.lax.bitcast_convert_type(leaf, WORD)  # two of 64 bits, along a last axis
    return words[None] if _rows(leaf.dtype) == 1 else jnp.moveaxis(words, -1, 0)


def _of_words(rows: Array, dtype: Any, axis: int) -> Array:
    if jnp.issubdtype(dtype, jnp.bool_):
        return rows.squeeze(axis) == 1
    words = rows.squeeze(axis) if _rows(dtype) == 1 else jnp.moveaxis(rows, axis, -1)
    return jax.lax.bitcast_convert_type(words, dtype)
