"""One time-step of the game, as pure functions on one society or on many (see `society`).

Source: Carvalho, "Modelling the Recommender Alignment Problem", section 3.1, Algorithm 1 and section 5.1; see `rules`
for where the paper, its author's program and the base model differ.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec.envs.rewiring.graph import bitset, draws
from jaxrec.envs.rewiring.graph.bitset import materialised
from jaxrec.envs.rewiring.graph.society import Society, contains, edge, flip_ties, neighbours
from jaxrec.envs.rewiring.heuristics import Heuristic, candidates
from jaxrec.envs.rewiring.rules import Rules

WORDS_PER_STEP = 3
COUNT_BITS = 14  # a degree fits: `user_at` adds up two of them and a flag in one int32
MAX_USERS = 2**COUNT_BITS - 1


class User(struct.PyTreeNode):
    """One user at a meeting.

    Attributes:
        index: int32.
        ties: uint32[words], the set of its neighbours.
        degree: int32.
        cooperates: bool.
        fitness: float32, the sum of its payoffs against all neighbours.
    """

    index: Any
    ties: Any
    degree: Any
    cooperates: Any
    fitness: Any


class Meeting(struct.PyTreeNode):
    """What a time-step decided before anybody recommends.

    Attributes:
        x, y: the focal user and its partner.
        copies: bool, x copies y's strategy. Not in `learning`, where that comes after the rewire.
        adopts: bool, x takes over y's recommender.
        structural: bool, this is a structural update.
        request: bool, somebody whose partner is a defector wants another tie: what engagement counts.
        acts: bool, somebody won the right to rewire.
        x_acts: bool, and it is x; else y.
        tie: int32, the index of the tie in the list of edges, where the rules draw edges; else None.
        chance: float32 in [0, 1), what decides about imitation (in `learning`, after the rewire).
        choice: uint32, what decides between candidates.
        coin: uint32, what decides whether the recommendation is followed.
    """

    x: User
    y: User
    copies: Any
    adopts: Any
    structural: Any
    request: Any
    acts: Any
    x_acts: Any
    tie: Any
    chance: Any
    choice: Any
    coin: Any


class Advice(struct.PyTreeNode):
    """Whom the actor shall be tied to (int32), and whether there is anybody (bool)."""

    new: Any
    eligible: Any


class Events(struct.PyTreeNode):
    """bool: what happened in a time-step. An opportunity is a structural update."""

    opportunity: Any
    request: Any
    rewire: Any


def time_step(
    society: Society,
    words: Array,
    rules: Rules,
    params: Any,
    recommenders: Heuristic,
    competition: Any = None,
) -> tuple[Society, Events]:
    """The society one time-step later.

    Args:
        society: one, or many.
        words: uint32[WORDS_PER_STEP, *batch], random bits.
        rules: which game.
        params: `RewiringParams`; each number a scalar, or one for each society.
        recommenders: heuristics with an axis of kinds first, and a trailing batch axis where societies differ.
        competition: `Competition`, where users change between recommenders; else None.
    """
    met = meet(society, words, rules, params, competition)
    society = imitate(society, met)
    one = _one(params)
    advice = recommend(society, met, recommenders, params)
    society, moved = rewire(society, met, advice.new, advice.eligible, one)
    if rules.single_clock:
        society = imitate_after(society, met, advice.new, moved, params)
    return society, Events(met.structural, met.request, moved)


def meet(society: Society, words: Array, rules: Rules, params: Any, competition: Any = None) -> Meeting:
    """Two users meet, and chance decides what about."""
    one = _one(params)
    adopting, structural, chance = _event(draws.uniform(words[1]), rules, params, competition)
    index, left = draws.choose(words[0], society.num_users - rules.unfocused)
    tie, ends, spare = None, None, words[0]
    if rules.pair == "edge":
        tie, ends, spare = _random_edge(society, words[0])
        index = jnp.where(structural, ends[0], index)
    x = user_at(society, materialised(index, one), params)
    rank, left = draws.choose(left, x.degree)
    partner = bitset.select(x.ties, rank)
    if ends is not None:
        partner = jnp.where(structural, ends[1], partner)
        left = jnp.where(structural, spare, left)
    alone = x.degree == 0  # whoever has no neighbour meets nobody; looking at oneself is harmless
    y = user_at(society, materialised(jnp.where(alone, x.index, partner), one), params)
    beta = params.beta if competition is None else jnp.where(adopting, competition.beta, params.beta)
    ahead = y.fitness - x.fitness
    won = (
        jnp.ones_like(structural)
        if rules.gate == "none"
        else materialised(chance < _win(ahead, structural, rules, beta), one)
    )
    if rules.initiative == "focal":
        request = ~y.cooperates
        acts = request & (won | ~x.cooperates)
    else:
        request = ~y.cooperates | ~x.cooperates
        acts = jnp.where(won, ~y.cooperates, ~x.cooperates)
    return Meeting(
        x=x,
        y=y,
        copies=won & ~structural & ~adopting & ~alone,
        adopts=won & adopting & ~alone,
        structural=structural,
        request=structural & request & ~alone,
        acts=structural & acts & ~alone,
        x_acts=won,
        tie=tie,
        chance=chance,
        choice=words[2],
        coin=left,
    )


def user_at(society: Society, index: Array, params: Any) -> User:
    """What the rules ask about one user."""
    ties = neighbours(society.adjacency, index)
    own = (society.cooperators & bitset.single(index, ties.shape[0])) != 0
    # Three sums in one: XLA computes each reduction on its own, and there are two users to look at in each time-step.
    packed = bitset.population(ties) + (bitset.population(ties & society.cooperators) << COUNT_BITS)
    packed = (packed + (own << 2 * COUNT_BITS)).sum(axis=0, dtype=jnp.int32)
    degree, cooperating = packed & MAX_USERS, (packed >> COUNT_BITS) & MAX_USERS
    cooperates = packed >> 2 * COUNT_BITS == 1
    fitness = cooperating * payoff(cooperates, True, params) + (degree - cooperating) * payoff(
        cooperates, False, params
    )
    return User(index, ties, degree, cooperates, fitness)


def payoff(own: Any, other: Any, params: Any) -> Array:
    """float: what a user with strategy `own` (cooperates or not) gets from one with `other`: R = 1, S, T or P = 0."""
    return jnp.where(own, jnp.where(other, 1.0, params.sucker), jnp.where(other, params.temptation, 0.0))


def imitate(society: Society, met: Meeting) -> Society:
    """The society after x has copied y's strategy, or taken over its recommender, where the meeting decided so."""
    mine = bitset.single(met.x.index, society.cooperators.shape[0])
    society = society.replace(cooperators=_copy_membership(society.cooperators, mine, met.y.cooperates, met.copies))
    if society.members.shape[0]:
        member = contains_each(society.members, met.y.index)
        members = [
            _copy_membership(society.members[kind], mine, member[kind], met.adopts) for kind in range(member.shape[0])
        ]
        society = society.replace(members=jnp.stack(members))
    return society


def actor(met: Meeting) -> User:
    """Whoever rewires."""
    return jax.tree.map(lambda x, y: jnp.where(met.x_acts, x, y), met.x, met.y)


def other(met: Meeting) -> User:
    """Whoever would lose a neighbour."""
    return jax.tree.map(lambda x, y: jnp.where(met.x_acts, y, x), met.x, met.y)


def recommend(society: Society, met: Meeting, recommenders: Heuristic, params: Any) -> Advice:
    """What the actor is recommended, or chooses by itself if it does not follow."""
    user, partner = actor(met), other(met)
    follows = draws.uniform(met.coin) < params.influence
    pool = candidates(society, user, partner, recommender_of(society, user.index), recommenders, follows, _one(params))
    size = bitset.count(pool)
    new = bitset.select(pool, draws.choose(met.choice, size)[0])
    return Advice(materialised(new, _one(params)), size > 0)


def rewire(society: Society, met: Meeting, new: Array, eligible: Array, one: Array) -> tuple[Society, Array]:
    """(the society after the actor's tie went to `new`, bool: whether it did).

    The tie stays where nobody acts, where `new` is not eligible, and where the partner would lose its last neighbour.
    """
    user, partner = actor(met), other(met)
    moved = materialised(met.acts & eligible & (partner.degree > 1), one)
    # Where nothing moves `new` may be anything, also beyond this society's memory.
    return flip_ties(society, user.index, partner.index, jnp.where(moved, new, user.index), moved, met.tie), moved


def imitate_after(society: Society, met: Meeting, new: Array, moved: Array, params: Any) -> Society:
    """The society after x imitates y, with the fitness each has after the rewire; the rule of `learning`."""
    x, y = met.x, met.y
    gained = payoff(x.cooperates, contains(society.cooperators, new), params)
    x_fitness = x.fitness + moved * (gained - payoff(x.cooperates, y.cooperates, params))
    y_fitness = y.fitness - moved * payoff(y.cooperates, x.cooperates, params)
    copies = (met.chance < jax.nn.sigmoid(params.beta * (y_fitness - x_fitness))) & (x.degree > 0)
    mine = bitset.single(x.index, society.cooperators.shape[0])
    return society.replace(cooperators=_copy_membership(society.cooperators, mine, y.cooperates, copies))


def recommender_of(society: Society, user: Array) -> Array:
    """int32: the kind of recommender that `user` has; 0 where there is one for all."""
    kinds = society.members.shape[0]
    if kinds == 0:
        return jnp.zeros_like(user)
    own = contains_each(society.members, user)
    return (own * jnp.arange(kinds, dtype=jnp.int32).reshape(kinds, *[1] * user.ndim)).sum(axis=0, dtype=jnp.int32)


def contains_each(sets: Array, user: Array) -> Array:
    """bool[kinds, *batch]: whether `user` is in each of the sets (uint32[kinds, words, *batch])."""
    return ((sets & bitset.single(user, sets.shape[1])) != 0).any(axis=1)


def _one(params: Any) -> Array:
    return 1 + 0 * jnp.asarray(params.influence, jnp.float32)


def _event(chance: Array, rules: Rules, params: Any, competition: Any) -> tuple[Array, Array, Array]:
    """(bool a recommender update, bool a structural update, float32 in [0, 1)); neither is a strategy update.

    One uniform number names the event, and what is left of it decides about its success.
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


def _win(ahead: Array, structural: Array, rules: Rules, beta: Any) -> Array:
    """float: the probability that x wins the meeting with y, whose fitness is `ahead` of x's."""
    imitation = jnp.maximum(ahead, 0) if rules.imitation == "clipped" else ahead
    gate = -ahead if rules.gate == "self" else imitation
    return jax.nn.sigmoid(beta * jnp.where(structural, gate, imitation))


def _random_edge(society: Society, word: Array) -> tuple[Array, Array, Array]:
    """(int32 index, int32[2, *batch] its ends in random order, uint32 what is left of the randomness)."""
    tie, turn = draws.choose(word, society.edges.shape[-2])
    ends = edge(society.edges, tie)
    return tie, jnp.where(turn >> 31 == 1, ends[::-1], ends), turn << 1


def _copy_membership(members: Array, mine: Array, theirs: Array, copies: Array) -> Array:
    """The set after the user `mine` has become a member, or has ceased to be one, as `theirs` says, where it copies."""
    return jnp.where(copies & theirs, members | mine, jnp.where(copies, members & ~mine, members))
