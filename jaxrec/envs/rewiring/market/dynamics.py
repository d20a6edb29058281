"""A market up to the next request of a learner's user: the requests of its rivals' users are answered on the way.

Source: Carvalho, "Modelling the Recommender Alignment Problem", section 5.1. Kinds 0 ... learners - 1 of
`society.members` are the users of the learners, the kinds after them those of their rivals.
"""

from typing import Protocol, no_type_check, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxrec.envs.rewiring import dynamics, requests
from jaxrec.envs.rewiring.dynamics import recommender_of
from jaxrec.envs.rewiring.graph.society import Society, contains, tie_between
from jaxrec.envs.rewiring.heuristics import Heuristic
from jaxrec.envs.rewiring.meetings import GameValues, Meeting, actor, meet, other
from jaxrec.envs.rewiring.requests import RewiringState
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.envs.rewiring.simulation.competition import Competition
from jaxrec.fusion import unit, words_once


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class MarketState(RewiringState):
    """One market, waiting for a recommendation of a learner; `requests` and `rewires` count those of all users.

    Attributes:
        own_requests: int32[learners], rewire requests of each learner's users since the first observation; that of
            `meeting` counts once it is answered.
    """

    own_requests: Int[Array, " learners"]


@runtime_checkable
class MarketValues(GameValues, Protocol):
    """What a time-step reads of `MarketParams`, which the environment defines on top of this module."""

    shares: Float[np.ndarray | Array, "*batch kinds"]
    recommender_timescale: float | Array
    recommender_beta: float | Array
    exclusive: bool | Array


def turn(state: MarketState) -> Int[Array, ""]:
    """The learner whose user waits; 0 if none does."""
    kind = recommender_of(state.society, actor(state.meeting).index)
    return jnp.where(state.meeting.acts, kind, 0)


def answer(state: MarketState, action: Int[Array, ""], rules: Rules, params: MarketValues) -> MarketState:
    """Rewires the tie of the user who waits, if any.

    Args:
        state: of which `meeting` is the request.
        action: the user recommended; out of range or not eligible, the tie stays.
        rules: which game.
        params: `MarketParams`; if exclusive, users of other recommenders are not eligible.

    Returns:
        The state in the same time-step, without a request.
    """
    learners = jnp.arange(state.own_requests.shape[0])
    own = state.own_requests + (state.meeting.acts & (learners == turn(state)))
    user = actor(state.meeting).index
    members = state.society.members[recommender_of(state.society, user)]
    allowed = contains(members, action) | ~jnp.asarray(params.exclusive, bool)
    action = jnp.where(allowed, action, user)  # recommended to itself: not eligible
    return requests.answer(state, action, rules, params).replace(own_requests=own)


def until_request(
    state: MarketState, words: Array, rules: Rules, params: MarketValues, kinds: Heuristic
) -> MarketState:
    """Advances a market by one time-step, which a request of a learner's user interrupts.

    Args:
        state: without a request.
        words: uint32[WORDS_PER_STEP], random bits.
        rules: which game.
        params: `MarketParams`.
        kinds: the recommenders, stacked along a leading axis; those of the learners are not read.

    Returns:
        The state, whose meeting acts if the user of a learner waits. Requests of rivals' users are answered.
    """
    competition = Competition(None, params.recommender_timescale, params.recommender_beta)
    met = meet(state.society, words_once(words), rules, params, competition)
    society = dynamics.imitate(state.society, met)
    learners = jnp.arange(state.own_requests.shape[0])
    wants = jnp.where(met.acts, actor(met).index, other(met).index)  # who asks, whether it may act or not
    kind = recommender_of(society, wants)
    waits = met.acts & (kind < len(learners))
    society, moved = _served(society, met.replace(acts=met.acts & ~waits), waits, rules, params, kinds)
    counts = met.request & ~waits
    return state.replace(
        society=society,
        meeting=met.replace(acts=waits),
        clock=state.clock + 1,
        requests=state.requests + counts,
        rewires=state.rewires + moved,
        own_requests=state.own_requests + (counts & (learners == kind)),
    )


def _served(
    society: Society, met: Meeting, waits: Array, rules: Rules, params: MarketValues, kinds: Heuristic
) -> tuple[Society, Array]:
    """Answers the request of a rival's user, if `met.acts`, and lets x imitate in `learning`, unless a user waits."""
    advice = dynamics.recommend(society, met, kinds, params)
    tied = met
    if society.edges.shape[0] and met.tie is None:
        tied = met.replace(tie=tie_between(society.edges, actor(met).index, other(met).index))
    society, moved = dynamics.rewire(society, tied, advice.new, advice.eligible, unit(params.influence))
    if rules.single_clock:
        after = dynamics.imitate_after(society, met, advice.new, moved, rules, params)
        society = society.replace(cooperators=jnp.where(waits, society.cooperators, after.cooperators))
    return society, moved
