"""`jax.vmap` that leaves out an axis of length 1."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree


def vmap(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """Maps a function over the leading axis of all arguments, as `jax.vmap` does.

    Products of matrices with a batch axis of length 1 are slow on a CPU: one seed of PPO with graph attention trains
    more than twice as fast without it.

    Args:
        function: of PyTrees, of which at least one has a leaf.

    Returns:
        The function of PyTrees with a leading axis on every leaf.
    """

    def mapped(*trees: PyTree) -> PyTree:
        leaves = jax.tree.leaves(trees)
        if leaves[0].shape[0] != 1:
            return jax.vmap(function)(*trees)
        one: Any = jax.tree.map(lambda leaf: leaf[0], trees)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], function(*one))

    return mapped
