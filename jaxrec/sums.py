"""Sums over many steps that keep their precision in float32.

Added up one by one in float32, a million times 0.1 is 100 958, and from 2^24 on a sum of ones stands still. Here what
each addition rounds off is kept next to the sum (Kahan 1965, "Further remarks on reducing truncation errors").
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct


class Sum(struct.PyTreeNode):
    """The sum of a stream of PyTrees; every leaf is a float array.

    Attributes:
        total: the sum, rounded.
        lost: what rounding took from it; `total - lost` is nearer to the truth than any one number of its precision.
    """

    total: Any
    lost: Any

    @classmethod
    def zeros(cls, like: Any) -> "Sum":
        """The empty sum of PyTrees of the shapes and dtypes of `like`; integers and booleans are summed as floats."""

        def zero(leaf: Any) -> Any:
            dtype = leaf.dtype if jnp.issubdtype(leaf.dtype, jnp.floating) else jnp.result_type(float)
            return jnp.zeros(leaf.shape, dtype)

        zeros = jax.tree.map(zero, like)
        return cls(zeros, zeros)

    def add(self, values: Any) -> "Sum":
        """The sum with `values` added."""

        def each(total: Any, lost: Any, value: Any) -> tuple[Any, Any]:
            value = value - lost
            grown = total + value
            return grown, (grown - total) - value

        pairs = jax.tree.map(each, self.total, self.lost, values)
        return Sum(*jax.tree.transpose(jax.tree.structure(self.total), jax.tree.structure((0, 0)), pairs))
