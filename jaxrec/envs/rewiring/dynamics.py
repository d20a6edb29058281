"""One time-step of the game, as pure functions on one society or on many (layouts: `graph.society`).

Source: Carvalho, "Modelling the Recommender Alignment Problem", section 3.1, Algorithm 1 and section 5.1; `rules` says
where the paper, its author's program and the base model differ. `*batch` is () for one society, (B,) for many.
"""

from typing import no_type_check

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Int

from jaxrec import bitset
from jaxrec.envs.rewiring.graph import draws
from jaxrec.envs.rewiring.graph.society import Society, contains, flip_ties
from jaxrec.envs.rewiring.heuristics import Heuristic, candidates
from jaxrec.envs.rewiring.meetings import (
    GameValues,
    Meeting,
    Rivalry,
    actor,
    meet,
    other,
    payoff,
    user_at,
)
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.fusion import materialised, unit


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Advice(struct.PyTreeNode):
    """A recommendation.

    Attributes:
        new: int32[*batch], the new neighbour.
        eligible: bool[*batch], whether there was a candidate.
    """

    new: Int[Array, "*batch"]
    eligible: Bool[Array, "*batch"]


@no_type_check
class Events(struct.PyTreeNode):
    """The events of a time-step: bool[*batch] each.

    Attributes:
        opportunity: this was a structural update.
        request: a user wanted another tie.
        rewire: a tie moved.
    """

    opportunity: Bool[Array, "*batch"]
    request: Bool[Array, "*batch"]
    rewire: Bool[Array, "*batch"]


def time_step(
    society: Society,
    words: Array,
    rules: Rules,
    params: GameValues,
    recommenders: Heuristic,
    competition: Rivalry | None = None,
) -> tuple[Society, Events]:
    """Advances societies by one time-step (Algorithm 1).

    Args:
        society: one, or many.
        words: uint32[WORDS_PER_STEP, *batch], random bits.
        rules: which game.
        params: `RewiringParams`; leaves [] or [*batch].
        recommenders: a `Heuristic` with a leading axis of kinds, and a trailing batch axis if societies differ.
        competition: `Competition`, if users change between recommenders (section 5.1); else None.

    Returns:
        The society one time-step later, and the events of the time-step.
    """
    met = meet(society, words, rules, params, competition)
    society = imitate(society, met)
    one = unit(params.influence)
    advice = recommend(society, met, recommenders, params)
    society, moved = rewire(society, met, advice.new, advice.eligible, one)
    if rules.single_clock:
        society = imitate_after(society, met, advice.new, moved, rules, params)
    return society, Events(met.structural, met.request, moved)


def imitate(society: Society, met: Meeting) -> Society:
    """Lets x copy y's strategy, or take over its recommender, if the meeting decided so."""
    mine = bitset.single(met.x.index, society.cooperators.shape[0])
    society = society.replace(cooperators=_copy_membership(society.cooperators, mine, met.y.cooperates, met.copies))
    if society.members.shape[0]:
        member = contains_each(society.members, met.y.index)
        members = [
            _copy_membership(society.members[kind], mine, member[kind], met.adopts) for kind in range(member.shape[0])
        ]
        society = society.replace(members=jnp.stack(members))
    return society


def recommend(society: Society, met: Meeting, recommenders: Heuristic, params: GameValues) -> Advice:
    """Recommends a user to the actor, who follows with probability `influence`; else the local heuristic chooses.

    Args:
        society: one, or many.
        met: the meeting.
        recommenders: a `Heuristic` with a leading axis of kinds.
        params: `RewiringParams`, of which `influence` is read.

    Returns:
        The new neighbour, and whether there was a candidate.
    """
    user, partner = actor(met), other(met)
    follows = draws.uniform(met.coin) < params.influence
    pool = candidates(
        society, user, partner, recommender_of(society, user.index), recommenders, follows, unit(params.influence)
    )
    size = bitset.count(pool)
    new = bitset.select(pool, draws.choose(met.choice, size)[0])
    return Advice(materialised(new, unit(params.influence)), size > 0)


def rewire(society: Society, met: Meeting, new: Array, eligible: Array, one: Array) -> tuple[Society, Array]:
    """Moves the actor's tie from its partner to `new`.

    The tie stays if nobody acts, if `new` is not eligible, and if the partner would lose its last neighbour.

    Args:
        society: one, or many.
        met: the meeting.
        new: int32[*batch], the new neighbour; any number if it is not eligible.
        eligible: bool[*batch].
        one: 1, unknown to the compiler, for `fusion.materialised`.

    Returns:
        The society, and bool[*batch]: whether the tie moved.
    """
    user, partner = actor(met), other(met)
    moved = materialised(met.acts & eligible & (partner.degree > 1), one)
    # Without a move `new` may be any number, also out of bounds.
    return flip_ties(society, user.index, partner.index, jnp.where(moved, new, user.index), moved, met.tie), moved


def imitate_after(
    society: Society, met: Meeting, new: Array, moved: Array, rules: Rules, params: GameValues
) -> Society:
    """Lets x imitate y with the fitness of both after the rewire: the rule of `learning`.

    Args:
        society: one, or many, after the rewire.
        met: the meeting.
        new: int32[*batch], the new neighbour.
        moved: bool[*batch], whether the tie moved.
        rules: of which `game` and `fitness` are read.
        params: `RewiringParams`, of which the payoffs and `beta` are read.

    Returns:
        The society after the imitation.
    """
    x, y = met.x, met.y
    if rules.adds_up_pairs:
        gained = payoff(x.cooperates, contains(society.cooperators, new), params)
        x_fitness = x.fitness + moved * (gained - payoff(x.cooperates, y.cooperates, params))
        y_fitness = y.fitness - moved * payoff(y.cooperates, x.cooperates, params)
    else:
        x_fitness, y_fitness = (user_at(society, one.index, params, rules).fitness for one in (x, y))
    copies = copies_after(met, x_fitness, y_fitness, params)
    mine = bitset.single(x.index, society.cooperators.shape[0])
    return society.replace(cooperators=_copy_membership(society.cooperators, mine, y.cooperates, copies))


def copies_after(met: Meeting, x_fitness: Array, y_fitness: Array, params: GameValues) -> Bool[Array, "*batch"]:
    """Decides whether x copies y after the rewire, given the fitness of both then, float[*batch]."""
    return (met.chance < jax.nn.sigmoid(params.beta * (y_fitness - x_fitness))) & (met.x.degree > 0)


def recommender_of(society: Society, user: Array) -> Array:
    """int32[*batch]: the kind of recommender that `user` has; 0 if all users share one."""
    kinds = society.members.shape[0]
    if kinds == 0:
        return jnp.zeros_like(user)
    own = contains_each(society.members, user)
    return (own * jnp.arange(kinds, dtype=jnp.int32).reshape(kinds, *[1] * user.ndim)).sum(axis=0, dtype=jnp.int32)


def contains_each(sets: Array, user: Array) -> Array:
    """bool[kinds, *batch]: whether `user` is in each of the sets (uint32[kinds, words, *batch])."""
    return ((sets & bitset.single(user, sets.shape[1])) != 0).any(axis=1)


def _copy_membership(members: Array, mine: Array, theirs: Array, copies: Array) -> Array:
    """Adds the user `mine` to a set, or removes it, by membership `theirs` of the one it copies."""
    return jnp.where(copies & theirs, members | mine, jnp.where(copies, members & ~mine, members))
