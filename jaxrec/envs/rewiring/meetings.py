"""A meeting of two users: its participants, and the decisions before a recommendation.

Source: Carvalho, "Modelling the Recommender Alignment Problem", section 3.1 and Algorithm 1. Functions take one society
or many (layouts: `graph.society`); `*batch` is () for one society, (B,) for many.
"""

from typing import Protocol, no_type_check, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int, UInt32

from jaxrec import bitset
from jaxrec.envs.rewiring.games import PublicGoods, payoff_of_goods
from jaxrec.envs.rewiring.graph import draws
from jaxrec.envs.rewiring.graph.society import Society, edge, neighbours
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.fusion import materialised, unit

WORDS_PER_STEP = 3  # of 32 random bits
COUNT_BITS = 14  # a degree fits: `user_at` adds up two of them and a flag in one int32
MAX_USERS = 2**COUNT_BITS - 1


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class User(struct.PyTreeNode):
    """One user at a meeting.

    Attributes:
        index: int32[*batch].
        ties: uint32[words, *batch], the set of its neighbours.
        degree: int32[*batch], their number.
        cooperates: bool[*batch], its strategy.
        fitness: float32[*batch], of its payoffs: their sum over all neighbours in the paper (`Rules.fitness`).
    """

    index: Int[Array, "*batch"]
    ties: UInt32[Array, "words *batch"]
    degree: Int[Array, "*batch"]
    cooperates: Bool[Array, "*batch"]
    fitness: Float[Array, "*batch"]


@no_type_check
class Meeting(struct.PyTreeNode):
    """The decisions of a time-step before the recommendation; arrays have shape [*batch].

    Attributes:
        x, y: the focal user and its partner.
        copies: bool, x copies y's strategy; false in `learning`, where x imitates after the rewire.
        adopts: bool, x takes over y's recommender.
        structural: bool, this is a structural update.
        request: bool, a user whose partner is a defector wants another tie: engagement counts these.
        acts: bool, a user won the right to rewire.
        x_acts: bool, this user is x; else y.
        tie: int32, the index of the tie in the list of edges, if the rules draw edges; else None.
        chance: float32 in [0, 1), decides about imitation in `learning`.
        choice: uint32, random bits that decide between candidates.
        coin: uint32, random bits that decide whether the recommendation is followed.
    """

    x: User
    y: User
    copies: Bool[Array, "*batch"]
    adopts: Bool[Array, "*batch"]
    structural: Bool[Array, "*batch"]
    request: Bool[Array, "*batch"]
    acts: Bool[Array, "*batch"]
    x_acts: Bool[Array, "*batch"]
    tie: Int[Array, "*batch"] | None
    chance: Float[Array, "*batch"]
    choice: UInt32[Array, "*batch"]
    coin: UInt32[Array, "*batch"]


@runtime_checkable
class GameValues(Protocol):
    """What a time-step reads of `RewiringParams`, which the environment defines on top of this module."""

    influence: float | Array
    beta: float | Array
    temptation: float | Array
    sucker: float | Array
    timescale: float | Array
    time_limit: int | Array


@runtime_checkable
class Rivalry(Protocol):
    """What a time-step reads of a `Competition`, which the simulation defines on top of this module."""

    timescale: float | np.ndarray | Array
    beta: float | np.ndarray | Array


def meet(
    society: Society, words: Array, rules: Rules, params: GameValues, competition: Rivalry | None = None
) -> Meeting:
    """Draws two users and the kind of update.

    Args:
        society: one, or many.
        words: uint32[WORDS_PER_STEP, *batch], random bits.
        rules: which game.
        params: `RewiringParams`; leaves [] or [*batch].
        competition: `Competition`, if users change between recommenders (section 5.1); else None.

    Returns:
        The decisions before the recommendation.
    """
    one = unit(params.influence)
    adopting, structural, chance = event(draws.uniform(words[1]), rules, params, competition)
    index, left = draws.choose(words[0], society.num_users - rules.unfocused)
    tie, ends, spare = None, None, words[0]
    if rules.pair == "edge":
        tie, ends, spare = _random_edge(society, words[0])
        index = jnp.where(structural, ends[0], index)
    x = user_at(society, materialised(index, one), params, rules)
    rank, left = draws.choose(left, x.degree)
    partner = bitset.select(x.ties, rank)
    if ends is not None:
        partner = jnp.where(structural, ends[1], partner)
        left = jnp.where(structural, spare, left)
    alone = x.degree == 0  # a user without neighbours meets itself, which changes nothing
    y = user_at(society, materialised(jnp.where(alone, x.index, partner), one), params, rules)
    beta = params.beta if competition is None else jnp.where(adopting, competition.beta, params.beta)
    won = wins(x, y, structural, chance, rules, params, beta)
    return decided(rules, x, y, won, adopting, structural, tie, chance, words[2], left)


def wins(
    x: User, y: User, structural: Array, chance: Array, rules: Rules, params: GameValues, beta: ArrayLike
) -> Array:
    """bool[*batch]: whether x wins the meeting with y, decided by `chance`, float32[*batch]; always without a gate."""
    if rules.gate == "none":
        return jnp.ones_like(structural)
    return materialised(chance < win(y.fitness - x.fitness, structural, rules, beta), unit(params.influence))


def decided(
    rules: Rules,
    x: User,
    y: User,
    won: Array,
    adopting: Array,
    structural: Array,
    tie: Array | None,
    chance: Array,
    choice: Array,
    coin: Array,
) -> Meeting:
    """Tells what follows from who won.

    Args:
        rules: which game.
        x: the focal user.
        y: its partner.
        won: bool[*batch], whether x did.
        adopting: bool[*batch], this is a recommender update.
        structural: bool[*batch], as in `Meeting`, like all that follow.
        tie: int32[*batch], or None.
        chance: float32[*batch].
        choice: uint32[*batch].
        coin: uint32[*batch].

    Returns:
        The decisions before the recommendation.
    """
    request, acts = _leaves(rules, x, y, won)
    meets = x.degree > 0
    return Meeting(
        x=x,
        y=y,
        copies=won & ~structural & ~adopting & meets,
        adopts=won & adopting & meets,
        structural=structural,
        request=structural & request & meets,
        acts=structural & acts & meets,
        x_acts=won,
        tie=tie,
        chance=chance,
        choice=choice,
        coin=coin,
    )


def _leaves(rules: Rules, x: User, y: User, won: Array) -> tuple[Array, Array]:
    """bool[*batch] each: whether a user wants to leave a defector, and whether it may."""
    if rules.initiative == "focal":
        return ~y.cooperates, ~y.cooperates & (won | ~x.cooperates)
    return ~y.cooperates | ~x.cooperates, jnp.where(won, ~y.cooperates, ~x.cooperates)


def user_at(society: Society, index: Array, params: GameValues, rules: Rules) -> User:
    """Reads one user of each society.

    Args:
        society: one, or many.
        index: int32[*batch], the user.
        params: `RewiringParams`, of which the payoffs are read.
        rules: of which `game` and `fitness` are read.

    Returns:
        Its neighbours, degree, strategy and fitness.
    """
    ties = neighbours(society.adjacency, index)
    own = (society.cooperators & bitset.single(index, ties.shape[0])) != 0
    # Three sums in one: XLA computes each reduction separately, and a time-step reads two users.
    packed = bitset.population(ties) + (bitset.population(ties & society.cooperators) << COUNT_BITS)
    packed = (packed + (own << 2 * COUNT_BITS)).sum(axis=0, dtype=jnp.int32)
    degree, cooperating = packed & MAX_USERS, (packed >> COUNT_BITS) & MAX_USERS
    cooperates = packed >> 2 * COUNT_BITS == 1
    if isinstance(rules.game, PublicGoods):
        payoffs = payoff_of_goods(society, index, rules.game)
    else:
        payoffs = payoff_of_pairs(cooperates, cooperating, degree, params)
    return User(index, ties, degree, cooperates, fitness_of(payoffs, degree, rules))


def payoff_of_pairs(cooperates: Array, cooperating: Array, degree: Array, params: GameValues) -> Array:
    """Sums the payoffs of a user against all neighbours.

    Args:
        cooperates: bool[*batch], its strategy.
        cooperating: int32[*batch], the number of its neighbours who cooperate.
        degree: int32[*batch], the number of its neighbours.
        params: `RewiringParams`, of which T and S are read.

    Returns:
        float[*batch].
    """
    return cooperating * payoff(cooperates, True, params) + (degree - cooperating) * payoff(cooperates, False, params)


def fitness_of(payoffs: Array, degree: Array, rules: Rules) -> Array:
    """Gives float[*batch], the fitness of a user of whom the sum of payoffs and the degree are given (`Rules`)."""
    return payoffs / jnp.maximum(degree, 1) if rules.fitness == "average" else payoffs


def payoff(own: ArrayLike, other: ArrayLike, params: GameValues) -> Array:
    """Computes the payoff of a user against one neighbour.

    Args:
        own: bool, whether the user cooperates.
        other: bool, whether the neighbour does.
        params: `RewiringParams`, of which T and S are read.

    Returns:
        float: R = 1, S, T or P = 0, in the broadcast shape.
    """
    return jnp.where(own, jnp.where(other, 1.0, params.sucker), jnp.where(other, params.temptation, 0.0))


def actor(met: Meeting) -> User:
    """Returns the user who rewires."""
    return jax.tree.map(lambda x, y: jnp.where(met.x_acts, x, y), met.x, met.y)


def other(met: Meeting) -> User:
    """Returns the partner of the actor, who would lose a neighbour."""
    return jax.tree.map(lambda x, y: jnp.where(met.x_acts, y, x), met.x, met.y)


def event(chance: Array, rules: Rules, params: GameValues, competition: Rivalry | None) -> tuple[Array, Array, Array]:
    """Returns (bool a recommender update, bool a structural update, float32 in [0, 1)); else it is a strategy update.

    One uniform number names the event, and its remainder decides about success.
    """
    if rules.single_clock:
        none = jnp.zeros_like(chance, bool)
        return none, ~none, chance
    until_adopting = jnp.zeros_like(chance) if competition is None else 1 - 1 / (1 + competition.timescale)
    until_strategy = until_adopting + (1 - until_adopting) / (1 + params.timescale)
    adopting, structural = chance < until_adopting, chance >= until_strategy
    low = jnp.where(adopting, 0.0, jnp.where(structural, until_strategy, until_adopting))
    high = jnp.where(adopting, until_adopting, jnp.where(structural, 1.0, until_strategy))
    left = (chance - low) / jnp.maximum(high - low, jnp.finfo(jnp.float32).tiny)
    return adopting, structural, left.astype(jnp.float32)


def win(ahead: Array, structural: Array, rules: Rules, beta: ArrayLike) -> Array:
    """The probability that x wins the meeting with y, whose fitness exceeds that of x by `ahead` (Eq. 1)."""
    imitation = jnp.maximum(ahead, 0) if rules.imitation == "clipped" else ahead
    gate = -ahead if rules.gate == "self" else imitation
    return jax.nn.sigmoid(beta * jnp.where(structural, gate, imitation))


def _random_edge(society: Society, word: Array) -> tuple[Array, Array, Array]:
    """Returns (int32 index of a tie, int32[2, *batch] its ends in random order, uint32 the remaining random bits)."""
    tie, turn = draws.choose(word, society.edges.shape[-2])
    ends = edge(society.edges, tie)
    return tie, jnp.where(turn >> 31 == 1, ends[::-1], ends), turn << 1
