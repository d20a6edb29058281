"""Sums over many steps that keep their precision in float32.

Added up one by one in float32, a million times 0.1 is 100 958, and a sum of ones stands still from 2^24 on. Here the
rounding error of each addition is kept next to the sum (Kahan 1965, "Further remarks on reducing truncation errors").
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree

State = TypeVar("State")


class Sum(struct.PyTreeNode):
    """The sum of a stream of PyTrees; every leaf is a float array.

    Attributes:
        total: the sum, rounded.
        lost: its rounding error; `total - lost` is nearer to the truth than any one number of its precision.
    """

    total: PyTree
    lost: PyTree

    @classmethod
    def zeros(cls, like: PyTree) -> "Sum":
        """Makes the empty sum for PyTrees of the shapes and dtypes of `like`; integers and bools add up as floats."""

        def zero(leaf: PyTree) -> Array:
            dtype = leaf.dtype if jnp.issubdtype(leaf.dtype, jnp.floating) else jnp.result_type(float)
            return jnp.zeros(leaf.shape, dtype)

        zeros = jax.tree.map(zero, like)
        return cls(zeros, zeros)

    def add(self, values: PyTree) -> "Sum":
        """Adds `values`, a PyTree of the same structure and shapes."""

        def each(total: Array, lost: Array, value: Array | float) -> tuple[Array, Array]:
            value = value - lost
            grown = total + value
            return grown, (grown - total) - value

        pairs = jax.tree.map(each, self.total, self.lost, values)
        return Sum(*jax.tree.transpose(jax.tree.structure(self.total), jax.tree.structure((0, 0)), pairs))


def loop(
    body: Callable[[Array, State], tuple[State, PyTree]], state: State, first: ArrayLike, last: ArrayLike
) -> tuple[State, PyTree]:
    """Repeats a step and adds up what it gives; jittable, compiled once.

    Args:
        body: (number of the step, state) -> (state, values).
        state: to begin with.
        first: int[], the first number.
        last: int[], the number after the last.

    Returns:
        (state, the sums of the values).
    """
    body = jax.jit(body)  # `eval_shape` and the loop share a trace
    shapes = jax.eval_shape(body, jnp.asarray(first), state)[1]

    def step(number: Array, carry: tuple[State, Sum]) -> tuple[State, Sum]:
        state, values = body(number, carry[0])
        return state, carry[1].add(values)

    state, sums = jax.lax.fori_loop(first, last, step, (state, Sum.zeros(shapes)))
    return state, sums.total
