"""A hint to XLA on a CPU, which fuses more than is fast."""

import jax.numpy as jnp
from jax import Array


def materialised(value: Array, one: Array) -> Array:
    """Returns `value`, computed once.

    XLA on a CPU repeats cheap arithmetic in every kernel that reads its result, and in each for every entry of an array
    that it is broadcast to: draws of a hash, or the choice among neighbours, are then computed dozens of times. It does
    not repeat a division; `optimization_barrier` is removed before that pass. `one` is 1, but unknown to the compiler.
    """
    if jnp.issubdtype(value.dtype, jnp.floating):
        return value / one.astype(value.dtype)
    kept = value.astype(jnp.float32) / one
    return kept > 0.5 if value.dtype == bool else kept.astype(value.dtype)
