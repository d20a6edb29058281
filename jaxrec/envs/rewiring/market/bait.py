"""Bait and switch as a causal quantity: what users lose because a recommender knows that it has won.

Carvalho, "Modelling the Recommender Alignment Problem", section 8, expects a learner to serve users until they have
adopted it, and then to exploit them. Payoffs before and after confound this with all else that changes meanwhile: who
always recommends defectors seems to switch. Here two runs on the same draws differ in one thing, what the recommender
sees of its own success.
"""

from functools import partial
from typing import Any, NamedTuple, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, PyTree

from jaxrec import bitset, checks, vectorized
from jaxrec.envs.rewiring import metrics
from jaxrec.envs.rewiring.market.dynamics import MarketState
from jaxrec.envs.rewiring.market.env import MarketParams, RewiringMarket
from jaxrec.envs.rewiring.market.observation import with_membership
from jaxrec.inputs import check_policy
from jaxrec.parameters import canonical
from jaxrec.policy import Policy
from jaxrec.runtime.jit_by_class import jit

WON = 0.5  # the share from which a recommender has won


class Bait(NamedTuple):
    """What users lost in each episode: NumPy arrays [episodes], NaN where the share never passed 1/2.

    Attributes:
        passed: bool, the learner's share was below 1/2 at the first observation, and came to it.
        as_it_is: float, the mean payoff of a user in a time-step, from there to the time limit.
        clamped: float, the same where the learner goes on to observe the share and the users that it had at first.
        bait: float, `clamped` less `as_it_is`.
    """

    passed: np.ndarray
    as_it_is: np.ndarray
    clamped: np.ndarray
    bait: np.ndarray


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class _Branch(struct.PyTreeNode):
    """One of two runs of every episode; leaves [episodes, ...].

    Attributes:
        state, carry: of the market and of the policy; they stay once the episode has ended.
        ended: bool.
        paid: float, the mean payoff of a user, summed over time-steps since the share passed 1/2.
    """

    state: PyTree
    carry: PyTree
    ended: Bool[Array, "*batch"]
    paid: Float[Array, "*batch"]


def bait(
    env: RewiringMarket,
    policy: Policy,
    key: Array,
    episodes: int,
    params: MarketParams | None = None,
    learner: int = 0,
) -> Bait:
    """Measures how much worse users fare because a recommender knows that it has won.

    Each episode is played twice on the same draws. Where the learner's share first comes to 1/2 the two part: in one of
    them the share and the membership that it observes are from then on those of its first observation. The mask of
    actions stays true, and so does what other learners see. Payoffs are means over all users, at the end of each step,
    each weighted with the time-steps of the step; after all users have one strategy they do not change, and count up to
    the time limit.

    Args:
        env: the market, without a seat.
        policy: acts in the place of the learners, of two of them on the turn of either.
        key: a typed key; or typed keys [policies] for policies stacked along a leading axis.
        episodes: at least 1, of each policy.
        params: run-time values; the environment's defaults if None.
        learner: whose success is hidden from it, below `env.learners`.

    Returns:
        The payoffs of both, and their difference: exactly 0 for a policy that reads neither share nor membership.
        Arrays are [policies, episodes] for keys [policies].

    Raises:
        InputError: for another environment or a seat, a wrong key, policy or learner, or parameters out of range.
    """
    if not isinstance(env, RewiringMarket) or env.seat is not None:
        raise checks.InputError(f"env must be a RewiringMarket without a seat, got {checks.brief(env)}")
    (checks.typed_keys if jnp.ndim(key) else checks.typed_key)("key", key)
    checks.positive("episodes", episodes, checks.MOST_STEPS)
    checks.within("learner", learner, 0, env.learners - 1)
    check_policy(policy)
    given: Any = canonical(env.resolve(params))
    passed, paid, length = map(np.asarray, _play(env, policy, key, given, episodes, learner))
    as_it_is, clamped = np.where(passed, np.moveaxis(paid, -2, 0) / np.maximum(length, 1), np.nan)
    return Bait(passed, as_it_is, clamped, clamped - as_it_is)


@jit(static_argnames=("env", "episodes", "learner"))
def _play(
    env: RewiringMarket, policy: Policy, key: Array, params: MarketParams, episodes: int, learner: int
) -> tuple[Array, Array, Array]:
    """What `_twins` gives, also for several policies with a key each."""
    play = partial(_twins, env, params=params, episodes=episodes, learner=learner)
    return jax.vmap(play)(policy, key) if key.ndim else play(policy, key)


def _twins(
    env: RewiringMarket, policy: Policy, key: Array, params: MarketParams, episodes: int, learner: int
) -> tuple[Array, Array, Array]:
    """bool[episodes] passed, float[2, episodes] payoffs (as it is, clamped), and int32[episodes] time-steps of them."""
    key_start, key_carry, key_steps = jax.random.split(key, 3)
    _, state = vectorized.reset(env, key_start, params, episodes)
    start = jax.vmap(partial(_own, learner=learner))(state)
    carry = jax.vmap(policy.init)(jax.random.split(key_carry, episodes))
    branch = _Branch(state, carry, jnp.zeros(episodes, bool), jnp.zeros(episodes))
    both = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), branch)
    clamps = jnp.array([False, True])

    def going(loop: tuple[_Branch, Array, Array, Array]) -> Array:
        return ~loop[0].ended.all()

    def step(loop: tuple[_Branch, Array, Array, Array]) -> tuple[_Branch, Array, Array, Array]:
        both, passed, since, count = loop
        one = jax.tree.map(lambda leaf: leaf[0], both)
        share = jax.vmap(partial(_own, learner=learner))(one.state).mean(axis=1)
        wins = (share >= WON) & (start.mean(axis=1) < WON) & ~one.ended & (one.state.clock < params.time_limit)
        since, passed = jnp.where(wins & ~passed, one.state.clock, since), passed | wins
        advance = partial(_advance, env, policy, jax.random.fold_in(key_steps, count), params, start, passed, learner)
        # One after the other, by one program: side by side in a batch they might round differently.
        both = jax.lax.map(lambda inputs: advance(*inputs), (both, clamps))
        return both, passed, since, count + 1

    none = jnp.zeros(episodes, bool)
    loop = (both, none, jnp.zeros(episodes, jnp.int32), jnp.zeros((), jnp.int32))
    both, passed, since, _ = jax.lax.while_loop(going, step, loop)
    rest = jnp.maximum(params.time_limit - both.state.clock, 0)
    last = jax.vmap(jax.vmap(lambda state: metrics.fitness(state.society, params, env.law).mean()))(both.state)
    return passed, both.paid + rest * last, (params.time_limit - since).astype(jnp.int32)


def _advance(
    env: RewiringMarket,
    policy: Policy,
    key: Array,
    params: MarketParams,
    start: Array,
    passed: Array,
    learner: int,
    branch: _Branch,
    clamps: Array,
) -> _Branch:
    """One step of every episode of one branch; `start`, bool[episodes, N], says whose users they were at the start."""
    episodes = passed.shape[0]
    key_act, key_step = jax.random.split(key)
    obs = jax.vmap(env.observe, in_axes=(0, None))(branch.state, params)
    hidden = jax.vmap(with_membership)(obs, start)
    hides = clamps & passed & (obs.turn == learner)
    obs = vectorized.where_done(hides, hidden, obs)
    action, carry = jax.vmap(policy.act)(branch.carry, obs, jax.random.split(key_act, episodes))
    keys = jax.random.split(key_step, episodes)
    state, terminated = jax.vmap(env.transition, in_axes=(0, 0, 0, None))(keys, branch.state, action, params)
    payoff = jax.vmap(lambda state: metrics.fitness(state.society, params, env.law).mean())(state)
    counts = passed & ~branch.ended
    paid = branch.paid + jnp.where(counts, payoff * (state.clock - branch.state.clock), 0)
    state, carry = vectorized.where_done(branch.ended, (branch.state, branch.carry), (state, carry))
    return _Branch(state, carry, branch.ended | terminated, paid)


def _own(state: MarketState, learner: int) -> Array:
    """bool[N]: whether each user is the learner's."""
    return bitset.unpack(state.society.members[learner], state.society.num_users)
