"""How many users a recommender has in a market, and how these fare next to the others."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import UInt32

from jaxrec import bitset
from jaxrec.envs.rewiring import metrics
from jaxrec.envs.rewiring.graph.society import Society
from jaxrec.envs.rewiring.meetings import GameValues
from jaxrec.envs.rewiring.rules import Rules

SPARSE = ("own_payoff", "others_payoff")


def of_own(society: Society, own: UInt32[Array, " words"], params: GameValues, rules: Rules) -> dict[str, Array]:
    """Measures the users of a recommender.

    Args:
        society: one.
        own: the set of its users.
        params: `RewiringParams`, of which the payoffs are read.
        rules: of which game and fitness are read.

    Returns:
        `share`: float[], the fraction of users who are its own; `own_payoff` and `others_payoff`: float[], the mean
        fitness of these and of all others, NaN where there are none.
    """
    members = bitset.unpack(own, society.num_users)
    payoffs = metrics.fitness(society, params, rules)
    return {
        "share": members.mean(dtype=float),
        "own_payoff": _mean(payoffs, members),
        "others_payoff": _mean(payoffs, ~members),
    }


def _mean(values: Array, chosen: Array) -> Array:
    count = chosen.sum()
    return jnp.where(count > 0, jnp.where(chosen, values, 0).sum() / jnp.maximum(count, 1), jnp.nan)
