"""Run-time values, of environments and of policies, as arrays."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def canonical(params: Any) -> Any:
    """`params` as arrays, numbers as floats: so that 0, 0.0 and jnp.float32(0) run one and the same program."""

    def of(leaf: Any) -> Array:
        is_number = isinstance(leaf, int | float) and not isinstance(leaf, bool)
        return jnp.asarray(leaf, float if is_number else None)

    return jax.tree.map(of, params)


def batched(params: Any, runs: int) -> Any:
    """`params` (or a policy) with a leading axis of `runs` on every leaf: replace what differs between the runs."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (runs, *jnp.shape(leaf))), canonical(params))
