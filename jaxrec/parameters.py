"""Run-time values, of environments and of policies, as arrays."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks

Params = TypeVar("Params")


def canonical(params: Params) -> Params:
    """Converts the leaves of `params` to arrays, numbers to floats: 0, 0.0 and jnp.float32(0) run the same program."""

    def of(leaf: PyTree) -> Array:
        is_number = isinstance(leaf, int | float) and not isinstance(leaf, bool)
        return jnp.asarray(leaf, float if is_number else None)

    return jax.tree.map(of, params)


@checks.known_keywords
def batched(params: Params, runs: int) -> Params:
    """Gives every leaf of `params` (or of a policy) a leading axis of `runs`; `.replace` the values that differ."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (runs, *jnp.shape(leaf))), canonical(params))
