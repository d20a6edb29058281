"""Cooperation, heterogeneity and segregation of a society, and what a recommender did to it in one step.

Sources: Carvalho, "Modelling the Recommender Alignment Problem", section 3.3 and Figure 6; the definition of
heterogeneity from the author's published simulator; assortativity (Newman 2003, "Mixing patterns in networks", Eq. 2)
because the paper suspects segregation under FAIR.
"""

import dataclasses
from typing import Protocol, no_type_check, runtime_checkable

import jax.numpy as jnp
from flax import struct
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from jaxrec import bitset
from jaxrec.envs.rewiring.games import PublicGoods, payoffs_of_goods
from jaxrec.envs.rewiring.graph.society import Society, contains
from jaxrec.envs.rewiring.meetings import GameValues, Meeting, payoff
from jaxrec.envs.rewiring.rules import Rules


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Outcome(struct.PyTreeNode):
    """What came of a recommendation in the step that followed it; arrays [].

    Attributes:
        time_steps: int32, those of the society.
        requests: int32, rewire requests, executed or not.
        rewires: int32, ties moved.
        ineligible: int32, whether the user recommended was not eligible.
        asked: bool, whether there was a request to answer.
        cooperates: bool, whether the user recommended did then; of any user, without a request.
        degree: int32, the number of its neighbours then.
    """

    time_steps: Int[Array, ""]
    requests: Int[Array, ""]
    rewires: Int[Array, ""]
    ineligible: Int[Array, ""]
    asked: Bool[Array, ""]
    cooperates: Bool[Array, ""]
    degree: Int[Array, ""]


@runtime_checkable
class Asking(Protocol):
    """What an outcome is of: a `RewiringState`, which `requests` defines on top of this module."""

    clock: Int[Array, ""]
    society: Society
    meeting: Meeting
    requests: Int[Array, ""]
    rewires: Int[Array, ""]
    ineligible: Int[Array, ""]


def cooperation(society: Society) -> Float[Array, ""]:
    """The fraction of cooperators."""
    return bitset.count(society.cooperators) / society.num_users


def degrees(society: Society) -> Int[Array, " users"]:
    """The number of neighbours of each user."""
    return bitset.sizes(society.adjacency)


def heterogeneity(society: Society, ties: ArrayLike) -> Float[Array, ""]:
    """The variance of the degrees of a society with so many ties, whose mean degree is thereby known."""
    return jnp.mean(jnp.square(degrees(society) - 2 * jnp.asarray(ties) / society.num_users))


def assortativity(society: Society, ties: ArrayLike) -> Float[Array, ""]:
    """Newman's coefficient of the strategies over the ties: 1 if segregated, 0 if mixed at random or all are alike."""
    strategies = bitset.unpack(society.cooperators, society.num_users)
    to_cooperators = bitset.sizes(society.adjacency & society.cooperators)
    total, ends = degrees(society), 2 * jnp.asarray(ties)
    cc = jnp.where(strategies, to_cooperators, 0).sum() / ends
    dd = jnp.where(strategies, 0, total - to_cooperators).sum() / ends
    c = jnp.where(strategies, total, 0).sum() / ends
    expected = c**2 + (1 - c) ** 2
    mixed = (c > 0) & (c < 1)
    return jnp.where(mixed, (cc + dd - expected) / jnp.where(mixed, 1 - expected, 1), 0.0)


def shares(society: Society) -> Float[Array, " kinds"]:
    """The fraction of users of each recommender."""
    return bitset.count(jnp.moveaxis(society.members, 0, 1)) / society.num_users


def fitness(society: Society, params: GameValues, rules: Rules) -> Float[Array, " users"]:
    """The fitness of each user, by the game and the rules."""
    if isinstance(rules.game, PublicGoods):
        total = payoffs_of_goods(society, rules.game)
    else:
        strategies = bitset.unpack(society.cooperators, society.num_users)
        cooperating = bitset.sizes(society.adjacency & society.cooperators)
        defecting = degrees(society) - cooperating
        total = cooperating * payoff(strategies, True, params) + defecting * payoff(strategies, False, params)
    return total / jnp.maximum(degrees(society), 1) if rules.fitness == "average" else total


def of_kinds(society: Society, params: GameValues, rules: Rules) -> dict[str, Float[Array, " kinds"]]:
    """Computes means over the users of each recommender; NaN where one has none.

    - `kind_degree`: their neighbours.
    - `kind_payoff`: their payoff against a neighbour, averaged over the neighbours of each (0 without any).
    - `kind_cooperation`: whether they cooperate.

    Args:
        society: one.
        params: `RewiringParams`, of which the payoffs are read.
        rules: of which `game` is read.

    Returns:
        Metric -> float[kinds].
    """
    members = bitset.unpack(society.members.T, society.num_users).T.astype(jnp.float32)
    each = {
        "kind_degree": degrees(society).astype(jnp.float32),
        "kind_payoff": fitness(society, params, dataclasses.replace(rules, fitness="average")),
        "kind_cooperation": bitset.unpack(society.cooperators, society.num_users).astype(jnp.float32),
    }
    return {name: (members * values).sum(axis=1) / members.sum(axis=1) for name, values in each.items()}


def is_fixated(society: Society) -> Bool[Array, ""]:
    """Whether all users have the same strategy, which none will change again."""
    count = bitset.count(society.cooperators)
    return (count == 0) | (count == society.num_users)


def measure(society: Society, ties: ArrayLike) -> dict[str, Array]:
    """Returns every metric of one society with so many ties."""
    return {
        "cooperation": cooperation(society),
        "degree_variance": heterogeneity(society, ties),
        "max_degree": degrees(society).max(),
        "assortativity": assortativity(society, ties),
        "shares": shares(society),
    }


def nothing_yet() -> Outcome:
    """Gives the outcome before the first recommendation."""
    zero, no = jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    return Outcome(zero, zero, zero, zero, no, no, zero)


def outcome(before: Asking, action: Int[Array, ""], after: Asking) -> Outcome:
    """Compares the states before and after a step.

    Args:
        before: `RewiringState`.
        action: the user recommended; one out of range is taken for the nearest.
        after: `RewiringState`.

    Returns:
        What happened in between.
    """
    society, action = before.society, jnp.clip(action, 0, before.society.num_users - 1)
    return Outcome(
        time_steps=after.clock - before.clock,
        requests=after.requests - before.requests,
        rewires=after.rewires - before.rewires,
        ineligible=after.ineligible - before.ineligible,
        asked=before.meeting.acts,
        cooperates=contains(society.cooperators, action),
        degree=bitset.count(society.adjacency[action]),
    )


def transition_metrics(society: Society, ties: ArrayLike, of: Outcome) -> dict[str, Array]:
    """Returns scalars of one transition.

    - `cooperation`, `degree_variance`, `max_degree`, `assortativity`: of the next society.
    - `requests`, `rewires`, `ineligible`, `time_steps`: counts of this step.
    - `action_strategy` (1 for a cooperator), `action_degree`: of the user recommended; NaN without a request.

    Args:
        society: after the step.
        ties: int[], E.
        of: the step.

    Returns:
        Metric -> float[] or int32[].
    """
    measured = measure(society, ties)
    del measured["shares"]
    counts = {name: getattr(of, name) for name in ("requests", "rewires", "ineligible", "time_steps")}
    recommended = {"action_strategy": of.cooperates, "action_degree": of.degree}
    known = {name: jnp.where(of.asked, value.astype(float), jnp.nan) for name, value in recommended.items()}
    return measured | counts | known
