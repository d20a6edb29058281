"""Gradients of a minibatch in parts, added up: as many samples at once as fit the cache of a processor."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec.runtime.hardware import cores
from jaxrec.runtime.sharding import env_devices

CACHE = 3 * 2**20
"""Bytes that a gradient may keep between its forward and its backward pass, on each core of a CPU. Trainings in the
rewiring game run 1.2 to 2.2 times as fast so as in whole minibatches, on one core (`benchmarks.before`)."""


def fitting(loss: Callable[[PyTree, PyTree], Array], network_params: PyTree, batch: PyTree, count: int) -> int:
    """Tells of how many sequences the gradients are computed at once.

    Args:
        loss: (weights, sequences) -> float[].
        network_params: the weights.
        batch: leaves [steps, sequences, ...], of which the shapes of one sequence are read.
        count: sequences in a minibatch.

    Returns:
        A divisor of `count`: the largest of which the gradient keeps at most `CACHE` on each core of a CPU. All of
        them elsewhere, where several devices share them, and where not one fits or no such divisor is near. So
        late digits of a training hang on how many cores the process may use.
    """
    if jax.default_backend() != "cpu" or env_devices() > 1:
        return count

    def kept(weights: PyTree, part: PyTree) -> PyTree:
        return jax.vjp(lambda weights: loss(weights, part), weights)[1]

    minibatch = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((leaf.shape[0], count, *leaf.shape[2:]), leaf.dtype), batch
    )
    leaves = jax.tree.leaves(jax.eval_shape(kept, network_params, minibatch))
    each = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) / count
    most = cores() * CACHE / each
    largest = max((size for size in range(1, count + 1) if count % size == 0 and size <= most), default=count)
    return largest if 4 * largest >= min(most, count) else count


def summed(gradient: Callable[[Array, Array], PyTree], chosen: Array, advantage: Array, size: int) -> PyTree:
    """Adds up what `gradient` gives for parts of a minibatch.

    Args:
        gradient: (chosen, advantage) -> gradients and metrics that are sums over sequences.
        chosen: int32[sequences], of the minibatch.
        advantage: float[steps, sequences], theirs.
        size: of a part, which divides the sequences.

    Returns:
        The sums.
    """
    if size >= len(chosen):
        return gradient(chosen, advantage)
    parts = chosen.reshape(-1, size), jnp.moveaxis(advantage.reshape(len(advantage), -1, size), 1, 0)
    gradient = jax.jit(gradient)  # traced once for its shapes and for the loop
    shapes = jax.eval_shape(gradient, *jax.tree.map(lambda leaf: leaf[0], parts))

    def add(total: PyTree, part: tuple[Array, Array]) -> tuple[PyTree, None]:
        return jax.tree.map(jnp.add, total, gradient(*part)), None

    return jax.lax.scan(add, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes), parts)[0]
