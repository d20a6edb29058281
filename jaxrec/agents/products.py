"""The product of a layer, in the form in which XLA computes its gradient fast on a CPU."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
from jax import Array


def in_a_batch(inputs: Array, weights: Array, dimensions: Any, **settings: Any) -> Array:
    """Computes `jax.lax.dot_general` of two arrays without batch dimensions, as a batch of one product.

    The gradient of a layer's weights is a product that XLA writes with both factors transposed, and computes so several
    times as slowly as one of a batch (jaxlib 0.10, CPU).

    Args:
        inputs: float[..., features], of the layer.
        weights: float[features, width], of the layer.
        dimensions: as `jax.lax.dot_general` has them, without batch dimensions: what is contracted.
        **settings: of `jax.lax.dot_general`.

    Returns:
        float[..., width], the product.
    """
    (of_inputs, of_weights), _ = dimensions
    contracted = tuple(axis + 1 for axis in of_inputs), tuple(axis + 1 for axis in of_weights)
    return jax.lax.dot_general(inputs[None], weights[None], (contracted, ((0,), (0,))), **settings)[0]


Dense = partial(nn.Dense, dot_general=in_a_batch)
"""`flax.linen.Dense` with this product."""
