"""How far apart the users of two worlds are, whatever a society calls a preference."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PyTree


def distance(preferences: PyTree, others: PyTree) -> Float[Array, ""]:
    """Computes how far apart the preferences in two states of one society are.

    Args:
        preferences: parts of a state, as `Environment.preferences_of` gives them.
        others: the same parts of another state.

    Returns:
        Of numbers, such as click probabilities, the Euclidean distance. Of sets of users, in words of bits, the number
        of users in one of the two alone. Of other integers, such as bins, the number of entries that differ. Several
        parts are added up.
    """
    return sum(
        map(_of_leaf, *(jax.tree.leaves(tree) for tree in (preferences, others))), start=jnp.zeros((), jnp.float32)
    )


def _of_leaf(one: Array, other: Array) -> Array:
    if jnp.issubdtype(one.dtype, jnp.floating):
        return jnp.sqrt(((one - other) ** 2).sum())
    differing = jax.lax.population_count(one ^ other) if one.dtype == jnp.uint32 else one != other
    return differing.sum().astype(jnp.float32)
