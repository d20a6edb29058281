"""Platforms that serve a population session after session, and what they log."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks, vectorized
from jaxrec.envs.learned.deployed import Deployed
from jaxrec.envs.preference import metrics
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.envs.preference.env import PreferenceState
from jaxrec.estimation.logs import PADDING, Logs
from jaxrec.estimation.population import Population, leaving
from jaxrec.estimation.recording import SlateSociety, Trajectories, decided
from jaxrec.inputs import check_policy
from jaxrec.parameters import canonical
from jaxrec.policy import Policy, Stochastic
from jaxrec.runtime.jit_by_class import jit
from jaxrec.utilities import Leaf


class Platform(NamedTuple):
    """One that serves users.

    Attributes:
        policy: its recommender.
        params: run-time values of the environment, with the platform's own model of users if it has one; the defaults
            if None. What they say of the users themselves is the same for all platforms.
        name: in the logs.
        remembers: whether u_0 is what a user preferred when it joined; else what it prefers when the session starts.
    """

    policy: Policy
    params: PyTree = None
    name: str = "policy"
    remembers: bool = False


class Lives(Trajectories):
    """The truth about the rows of `Logs`, one row a user and session: for evaluation alone, no learner sees it.

    Attributes:
        preferences: int32[rows, steps + 1], the bins of what the user preferred before each step, and at the end.
        natural: int32[rows, steps + 1], the bins under uniform slates since it joined, on the same draws.
        joined: int32[rows], the bin of what it preferred when it joined.
        sessions: int32[rows], its sessions before this one.
        engagement: float[rows], a step in this session, under current preferences.
        left: bool[rows], whether it left after this session.
    """

    joined: Leaf
    sessions: Leaf
    engagement: Leaf
    left: Leaf


def deploy(
    env: SlateSociety,
    population: Population,
    platforms: Platform | Sequence[Platform],
    key: Array,
    sessions: int = 1,
    observations: bool = True,
    propensities: bool = True,
) -> tuple[Population, Logs, Lives]:
    """Serves a population for some sessions of `env.horizon` steps each, and logs it.

    At the start of a session newcomers are drawn from the initial preferences, and each user chooses a platform, in
    proportion to exp(sharpness * its utility there so far). For the platform the session is a new trajectory: u_0 is
    the preference at its start, unless it remembers. After the session users leave (`leaving`). A session in which all
    users are new draws what `record` draws, from the same key.

    Args:
        env: the users, and the slates that actions stand for.
        population: before.
        platforms: those that the population has, in its order.
        key: a typed key.
        sessions: at least 1.
        observations: whether to log what the recommenders observed, which may be large.
        propensities: whether to log the probability of each slate shown, for which recommenders look again at all
            that they observed.

    Returns:
        (population after, logs, truth): a row for each user in each session, session after session. `logs.policy` is
        the platform, `logs.identity` the user. Of platforms some of which give no probabilities, those give unknown
        propensities.

    Raises:
        InputError: for another number of platforms or sessions, parameters out of range, or a wrong policy or key.
    """
    checks.typed_key("key", key)
    checks.positive("sessions", sessions, checks.MOST_STEPS)
    serving = [platforms] if isinstance(platforms, Platform) else list(platforms)
    if len(serving) != population.platforms:
        raise checks.InputError(f"platforms must be {population.platforms}, as in the population, got {len(serving)}")
    for one in serving:
        check_policy(one.policy)
    policies = tuple(one.policy for one in serving)
    params = tuple(canonical(env.resolve(one.params)) for one in serving)
    remembering = tuple(one.remembers for one in serving)
    kept = (observations, propensities)
    rows = []
    for number in range(sessions):
        each = jax.random.fold_in(key, number) if number else key
        population, *row = _session(env, population, policies, params, each, remembering, kept)
        rows.append(row)
    logs, lives = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *rows)
    return population, logs.replace(policies=tuple(one.name for one in serving)), lives


@jit(static_argnames=("env", "remembering", "kept"))
def _session(
    env: SlateSociety,
    population: Population,
    policies: tuple[Policy, ...],
    params: tuple[PyTree, ...],
    key: Array,
    remembering: tuple[bool, ...],
    kept: tuple[bool, bool],
) -> tuple[Population, Logs, Lives]:
    """Plays one session of every user on every platform, and keeps that of the platform it chose."""
    key_choice, key_leave = jax.random.split(jax.random.fold_in(key, 2**31 - 1))
    platform = jax.random.categorical(key_choice, population.sharpness * population.utility).astype(jnp.int32)
    each = zip(policies, params, remembering, strict=True)
    played = [_play(env, population, policy, params, key, remembers, kept)
              for policy, params, remembers in each]  # fmt: skip
    if kept[1] and any(isinstance(policy, Stochastic) for policy in policies):
        unknown = jnp.full((population.num_users, env.horizon), jnp.nan, jnp.float32)
        played = [{"propensities": unknown} | one for one in played]
    users = jnp.arange(population.num_users)
    mine = jax.tree.map(lambda *leaves: jnp.stack(leaves)[platform, users], *played)
    return _after(env, population, platform, mine, key_leave)


def _play(
    env: SlateSociety,
    population: Population,
    policy: Policy,
    params: PyTree,
    key: Array,
    remembers: bool,
    kept: tuple[bool, bool],
) -> dict[str, Array]:
    """Plays one session on one platform, on the draws of `rollout`: leaves [users, ...]."""
    key_reset, key_memory, key_steps = jax.random.split(key, 3)
    _, fresh = vectorized.reset(env, key_reset, params, population.num_users)
    user, of_users = _user(fresh), env.of_users(params) if isinstance(env, Deployed) else params
    user = vectorized.where_done(population.sessions == 0, user, _returning(user, population, remembers))
    state = fresh.replace(user=user) if isinstance(env, Deployed) else user
    keys = jax.random.split(key_memory, population.num_users)

    def step(carry: PyTree, key: Array) -> tuple[PyTree, tuple[PyTree, Array, Array, dict[str, Array]]]:
        state, memory = carry
        key_act, key_step, *_ = jax.random.split(key, 4)
        obs = vectorized.observe(env, state, params)
        action, memory = jax.vmap(policy.act)(memory, obs, jax.random.split(key_act, population.num_users))
        moved = vectorized.step(env, key_step, state, obs, action, params)
        before, after = _user(state), _user(moved.next_state)
        worth = jax.vmap(metrics.engagement, in_axes=(0, 0, None))(after.choice, before.preference, of_users)
        lived = {"preference": before.preference, "natural": before.natural, "engagement": worth}
        return (moved.next_state, memory), (obs, moved.action, moved.reward, lived | {"choices": after.choice})

    start = state, jax.vmap(policy.init)(keys)
    (last, _), (obs, action, reward, lived) = jax.lax.scan(step, start, jax.random.split(key_steps, env.horizon))
    lived = {name: values.swapaxes(0, 1) for name, values in lived.items()}
    for name in ("preference", "natural"):
        lived[name] = jnp.concatenate([lived[name], getattr(_user(last), name)[:, None]], axis=1)
    lived["engagement"] = lived["engagement"].mean(axis=1)
    return lived | decided(policy, keys, obs, action, reward, *kept)


def _after(
    env: SlateSociety, population: Population, platform: Array, played: dict[str, Array], key: Array
) -> tuple[Population, Logs, Lives]:
    """Lets users leave, and gives the population, the logs and the truth of a session."""
    users, engagement = population.num_users, played["engagement"]
    left = jax.random.uniform(key, (users,)) < leaving(engagement, population.rate, population.loyalty)
    joined = jnp.where(population.sessions == 0, played["preference"][:, 0], population.joined)
    decisions = {name: values for name, values in played.items() if name in PADDING}
    logs = Logs(
        valid=jnp.ones((users, env.horizon), bool),
        policy=platform,
        policies=(),
        slates=env.slates[decisions["actions"]].astype(jnp.float32),
        identity=population.identity,
        **decisions,
    )
    lives = Lives(
        played["preference"], played["natural"], joined=joined, sessions=population.sessions, engagement=engagement,
        left=left,
    )  # fmt: skip
    return _returned(population, platform, lives), logs, lives


def _returned(population: Population, platform: Array, lives: Lives) -> Population:
    """Gives the population after a session; who joins has a number above all that there were."""
    here = jax.nn.one_hot(platform, population.platforms, dtype=jnp.int32)
    visits = population.visits + here
    gain = (lives.engagement[:, None] - population.utility) / jnp.maximum(visits, 1)
    gone = lives.left[:, None]
    newcomers = population.identity.max() + jnp.cumsum(lives.left, dtype=jnp.int32)
    return population.replace(
        preference=lives.preferences[:, -1],
        joined=lives.joined,
        natural=lives.natural[:, -1],
        identity=jnp.where(lives.left, newcomers, population.identity),
        sessions=jnp.where(lives.left, 0, population.sessions + 1),
        utility=jnp.where(gone, 0, population.utility + here * gain),
        visits=jnp.where(gone, 0, visits),
    )


def _returning(fresh: PreferenceState, population: Population, remembers: bool) -> PreferenceState:
    """Gives the states in which users return; their law in the session begins at what they prefer now."""
    certain = jax.nn.one_hot(population.preference, BINS, dtype=fresh.steered.dtype)
    return fresh.replace(
        initial=population.joined if remembers else population.preference,
        preference=population.preference,
        natural=population.natural,
        steered=certain,
        unsteered=certain,
    )


def _user(state: Any) -> PreferenceState:
    """The user in a state of `PreferenceShift` or `Deployed`."""
    return getattr(state, "user", state)
