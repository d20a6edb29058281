"""How far apart policies are in what they would do, and users in their preferences, whatever a society calls so."""

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


def total_variation(mine: Float[Array, "... actions"], theirs: Float[Array, "... actions"]) -> Float[Array, "..."]:
    """Computes how far apart two policies are: the largest difference in the probability of any set of actions."""
    return jnp.abs(mine - theirs).sum(axis=-1) / 2


def chance_of_difference(
    mine: Float[Array, "*n visits actions"], theirs: Float[Array, "*m visits actions"]
) -> Float[Array, "*m"]:
    """Computes how often two policies choose differently, each drawing on its own.

    Where one of them is certain that is their total variation. Where neither is, a policy differs from itself too: one
    that never learned is then as far from its like as from any other, which is noise between seeds.

    Args:
        mine: probabilities at each visit.
        theirs: those of one or more other policies at the same visits, with leading axes of their own.

    Returns:
        The mean over visits.
    """
    return 1 - jnp.einsum("...va,...va->...", mine, theirs) / mine.shape[-2]


def _of_leaf(one: Array, other: Array) -> Array:
    if jnp.issubdtype(one.dtype, jnp.floating):
        return jnp.sqrt(((one - other) ** 2).sum())
    differing = jax.lax.population_count(one ^ other) if one.dtype == jnp.uint32 else one != other
    return differing.sum().astype(jnp.float32)
