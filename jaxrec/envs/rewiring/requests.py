"""Requests for a recommendation: how one is answered, and how the society runs until the next.

Source: Carvalho, "Modelling the Recommender Alignment Problem", section 3.1 and Algorithm 1. A time-step of `dynamics`
is interrupted when a user has won the right to rewire; the recommendation is the action of the environment.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, no_type_check

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int, UInt32

from jaxrec.environment import EnvState
from jaxrec.envs.rewiring import dynamics, metrics
from jaxrec.envs.rewiring.games import PAIRWISE
from jaxrec.envs.rewiring.graph import draws
from jaxrec.envs.rewiring.graph.society import Society, contains, tie_between
from jaxrec.envs.rewiring.heuristics import heuristic, stack_kinds
from jaxrec.envs.rewiring.meetings import WORDS_PER_STEP, GameValues, Meeting, actor, meet, other
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.envs.rewiring.waits import together
from jaxrec.fusion import by_platform, key_at_once

MAX_SHORT_WAIT = 8
"""Time-steps up to which all are computed: one of many societies mostly waits to the end, and a GPU needs no answer."""


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class RewiringState(EnvState):
    """One society, waiting for a recommendation.

    Attributes:
        time: int32[], recommendations requested (steps of the environment).
        clock: int32[], time-steps of the society.
        society: the ties and the strategies of the users.
        meeting: the request that waits for a recommendation; `meeting.acts` is false if there is none.
        requests: int32[], rewire requests since the first observation, executed or not; that of `meeting` counts once
            it is answered.
        rewires: int32[], ties moved so far.
        ineligible: int32[], recommendations so far of users who were not eligible: the tie stayed.
        outcome: what the last step did.
    """

    clock: Int[Array, ""]
    society: Society
    meeting: Meeting
    requests: Int[Array, ""]
    rewires: Int[Array, ""]
    ineligible: Int[Array, ""]
    outcome: metrics.Outcome


State = TypeVar("State", bound=RewiringState)


def first(key: Array, society: Society, rules: Rules, params: GameValues, max_wait: int) -> RewiringState:
    """Runs a society until the first request.

    Args:
        key: a typed key.
        society: one, at its start.
        rules: which game.
        params: `RewiringParams`.
        max_wait: time-steps to run at most.

    Returns:
        The state whose requests are counted from here: an episode is charged for what follows its first observation.
    """
    state = unasked(society, rules, params)
    return wait(key, state, rules, params, max_wait).replace(requests=state.requests)


def unasked(society: Society, rules: Rules, params: GameValues) -> RewiringState:
    """Gives the state before the first time-step: without a request, all counts 0.

    Args:
        society: one, at its start.
        rules: which game.
        params: `RewiringParams`.
    """
    zero, words = jnp.zeros((), jnp.int32), jax.ShapeDtypeStruct((WORDS_PER_STEP,), jnp.uint32)
    shapes = jax.eval_shape(partial(meet, rules=rules), society, words, params=params)
    meeting = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return RewiringState(zero, zero, society, meeting, zero, zero, zero, metrics.nothing_yet())


def answer(state: State, action: Int[Array, ""], rules: Rules, params: GameValues) -> State:
    """Rewires the tie of the user who waits, if any, and lets x imitate under the rules of `learning`.

    Args:
        state: of which `meeting` is the request.
        action: the user recommended; out of range or not eligible, the tie stays.
        rules: which game.
        params: `RewiringParams`; the recommendation is followed with probability `influence`, else the local heuristic
            chooses.

    Returns:
        The state in the same time-step, without a request.
    """
    met, society, one = state.meeting, state.society, jnp.ones(())
    user = actor(met)
    follows = draws.uniform(met.coin) < params.influence
    valid = (action >= 0) & (action < society.num_users) & (action != user.index)
    valid = valid & ~contains(user.ties, jnp.clip(action, 0, society.num_users - 1))
    local = dynamics.recommend(society, met, stack_kinds([heuristic("local")]), params)
    new = jnp.where(follows, jnp.where(valid, action, 0), local.new)
    if society.edges.shape[0] and met.tie is None:
        met = met.replace(tie=tie_between(society.edges, user.index, other(met).index))
    society, moved = dynamics.rewire(society, met, new, jnp.where(follows, valid, local.eligible), one)
    if rules.single_clock:
        after = dynamics.imitate_after(society, met, new, moved, rules, params)
        society = jax.tree.map(lambda a, b: jnp.where(met.acts, a, b), after, society)
    return state.replace(
        society=society,
        meeting=state.meeting.replace(acts=jnp.zeros_like(met.acts)),
        requests=state.requests + met.acts,
        rewires=state.rewires + moved,
        ineligible=state.ineligible + (met.acts & follows & ~valid),
    )


def wait(
    key: Array,
    state: State,
    rules: Rules,
    params: GameValues,
    max_wait: int,
    advance: Callable[[State, Array], State] | None = None,
) -> State:
    """Runs the society until the next request, its end, or for `max_wait` time-steps.

    Args:
        key: a typed key.
        state: returned unchanged if it has a request.
        rules: which game.
        params: `RewiringParams`.
        max_wait: time-steps to run at most.
        advance: (state, uint32[WORDS_PER_STEP]) -> the state one time-step later, up to a request; if None, that of
            one recommender for all users.

    Returns:
        The state; `meeting.acts` says whether it has a request.
    """
    usual: Callable[[State, Array], State] = partial(_until_request, rules=rules, params=params)
    one_step = usual if advance is None else advance

    def pending(state: State) -> Array:
        return ~state.meeting.acts & ~is_over(state, params)

    if max_wait > MAX_SHORT_WAIT:

        def step(carry: tuple[State, Array]) -> tuple[State, Array]:
            state, waited = carry
            return one_step(state, _words(jax.random.fold_in(key, waited))), waited + 1

        start = (state, jnp.zeros((), jnp.int32))
        return jax.lax.while_loop(lambda carry: pending(carry[0]) & (carry[1] < max_wait), step, start)[0]

    def masked(state: State, words: Array) -> tuple[State, None]:
        goes_on, after = pending(state), one_step(state, words)
        return jax.tree.map(lambda old, new: old if new is old else jnp.where(goes_on, new, old), state, after), None

    words = words_of_wait(key, max_wait)

    def by_turns(state: State, words: Array, unroll: bool = False) -> State:
        return jax.lax.scan(masked, state, words, unroll=unroll)[0]

    # By turns a GPU launches kernels for each time-step; together a CPU would repeat the decisions in each kernel.
    at_once = partial(wait_at_once, rules=rules, params=params)
    on_gpu = at_once if advance is None and rules.game == PAIRWISE else partial(by_turns, unroll=True)
    return by_platform(state, words, cpu=by_turns, default=on_gpu)


def words_of_wait(key: Array, max_wait: int) -> UInt32[Array, "steps words"]:
    """Draws the random bits of every time-step of a wait."""
    key = key_at_once(key)
    return jax.vmap(lambda waited: _words(jax.random.fold_in(key, waited)))(jnp.arange(max_wait))


def wait_at_once(state: State, words: UInt32[Array, "steps words"], rules: Rules, params: GameValues) -> State:
    """Runs a society of a game of two as `wait` does, for as many time-steps as there are words at most."""
    society, met, clock, requests = together(state.society, state.meeting, state.clock, words, rules, params)
    return state.replace(society=society, meeting=met, clock=clock, requests=state.requests + requests)


def is_over(state: RewiringState, params: GameValues) -> Bool[Array, ""]:
    """Whether all users have one strategy, or `params.time_limit` is reached."""
    return metrics.is_fixated(state.society) | (state.clock >= params.time_limit)


def _until_request(state: State, words: Array, rules: Rules, params: GameValues) -> State:
    """The state after a meeting, up to the recommendation: x imitates, unless it waits for one first (`learning`)."""
    met = meet(state.society, words, rules, params)
    society = dynamics.imitate(state.society, met)
    if rules.single_clock:
        moved = jnp.zeros((), bool)
        after = dynamics.imitate_after(society, met, met.x.index, moved, rules, params)
        society = jax.tree.map(lambda a, b: jnp.where(met.acts, b, a), after, society)
    requests = state.requests + (met.request & ~met.acts)
    return state.replace(society=society, meeting=met, clock=state.clock + 1, requests=requests)


def _words(key: Array) -> UInt32[Array, " words"]:
    """The random bits of one time-step."""
    return jax.random.bits(key, (WORDS_PER_STEP,), jnp.uint32)
