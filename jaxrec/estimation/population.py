"""Users who stay: a population that platforms serve session after session, and that some leave and others join.

Lambert 2020, "Recommendations are a game - a dangerous game (for us)", section "Reinforcement Learning with Humans and
Computers in the Loop", has two framings: the user as part of the state, and the user as an agent. Both are here: what
users prefer is carried from session to session, and users choose whether to return, and to which platform.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree

from jaxrec import checks, vectorized
from jaxrec.envs.learned.deployed import Deployed
from jaxrec.envs.preference import metrics
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.envs.preference.env import PreferenceState
from jaxrec.estimation.logs import Logs
from jaxrec.estimation.recording import SlateSociety, Trajectories
from jaxrec.inputs import check_policy
from jaxrec.parameters import canonical
from jaxrec.policy import Policy
from jaxrec.runtime.jit_by_class import jit
from jaxrec.utilities import Leaf

MAX_PLATFORMS = 16


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


class Population(struct.PyTreeNode):
    """The users between two sessions, and how they come and go.

    Attributes:
        preference: int32[users], the bin of what each prefers now.
        joined: int32[users], the bin of what it preferred when it joined.
        natural: int32[users], the bin of what it would prefer now, had it seen uniform slates since it joined.
        sessions: int32[users], sessions since it joined. 0 for a user who joins with the next session: the three bins
            above are then not yet drawn.
        utility: float[users, platforms], engagement a step in the user's sessions on each platform, 0 before the first.
        visits: int32[users, platforms], these sessions.
        rate: float[] in [0, 1], the probability that a user leaves after a session of engagement 0.
        loyalty: float[] from 0, how much less likely users leave whom the session engaged (`leaving`).
        sharpness: float[] from 0, how strictly users choose the platform of the highest utility.
    """

    preference: Leaf
    joined: Leaf
    natural: Leaf
    sessions: Leaf
    utility: Leaf
    visits: Leaf
    rate: Leaf
    loyalty: Leaf
    sharpness: Leaf

    @classmethod
    def of(
        cls,
        num_users: int,
        rate: ArrayLike = 0.0,
        loyalty: ArrayLike = 0.0,
        platforms: int = 1,
        sharpness: ArrayLike = 1.0,
    ) -> "Population":
        """Makes a population whose users all join with the first session.

        Args:
            num_users: users at a time, at least 1: for each who leaves another joins.
            rate: float[] in [0, 1], the probability that a user leaves after a session of engagement 0.
            loyalty: float[] from 0, how much less likely users leave whom the session engaged.
            platforms: 1 to 16.
            sharpness: float[] from 0, how strictly users choose the platform of the highest utility.

        Returns:
            The population before its first session.

        Raises:
            InputError: for a value out of range.
        """
        checks.positive("num_users", num_users, checks.MOST_STEPS)
        checks.positive("platforms", platforms, MAX_PLATFORMS)
        checks.within("rate", rate, 0.0, 1.0)
        for name, value in (("loyalty", loyalty), ("sharpness", sharpness)):
            checks.within(name, value, 0.0, checks.LARGEST)
        nobody, never = jnp.zeros(num_users, jnp.int32), jnp.zeros((num_users, platforms), jnp.int32)
        how = (jnp.asarray(value, float) for value in (rate, loyalty, sharpness))
        return cls(nobody, nobody, nobody, nobody, never.astype(float), never, *how)

    @property
    def num_users(self) -> int:
        """Users at a time."""
        return self.preference.shape[0]

    @property
    def platforms(self) -> int:
        """The number of platforms."""
        return self.utility.shape[1]


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


def leaving(utility: ArrayLike, rate: ArrayLike, loyalty: ArrayLike) -> Array:
    """Computes the probability that a user leaves after a session: rate^exp(loyalty * utility).

    It falls with the utility, is `rate` at a utility of 0 and at any where the loyalty is 0, and 0 or 1 where the rate
    is: minus its logarithm, the hazard, is in proportion to exp(loyalty * utility).

    Args:
        utility: float[...], engagement a step.
        rate: float[] in [0, 1].
        loyalty: float[] from 0.

    Returns:
        float[...].
    """
    return jnp.power(jnp.asarray(rate, float), jnp.exp(loyalty * jnp.asarray(utility, float)))


def deploy(
    env: SlateSociety,
    population: Population,
    platforms: Platform | Sequence[Platform],
    key: Array,
    sessions: int = 1,
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

    Returns:
        (population after, logs, truth): a row for each user in each session, session after session. `logs.policy` is
        the platform.

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
    rows = []
    for number in range(sessions):
        each = jax.random.fold_in(key, number) if number else key
        population, *row = _session(env, population, policies, params, each, tuple(one.remembers for one in serving))
        rows.append(row)
    logs, lives = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *rows)
    return population, logs.replace(policies=tuple(one.name for one in serving)), lives


@jit(static_argnames=("env", "remembering"))
def _session(
    env: SlateSociety,
    population: Population,
    policies: tuple[Policy, ...],
    params: tuple[PyTree, ...],
    key: Array,
    remembering: tuple[bool, ...],
) -> tuple[Population, Logs, Lives]:
    """Plays one session of every user on every platform, and keeps that of the platform it chose."""
    key_choice, key_leave = jax.random.split(jax.random.fold_in(key, 2**31 - 1))
    platform = jax.random.categorical(key_choice, population.sharpness * population.utility).astype(jnp.int32)
    each = zip(policies, params, remembering, strict=True)
    played = [_play(env, population, policy, params, key, remembers) for policy, params, remembers in each]
    users = jnp.arange(population.num_users)
    mine = jax.tree.map(lambda *leaves: jnp.stack(leaves)[platform, users], *played)
    return _after(env, population, platform, mine, key_leave)


def _play(
    env: SlateSociety, population: Population, policy: Policy, params: PyTree, key: Array, remembers: bool
) -> dict[str, Array]:
    """Plays one session on one platform, on the draws of `rollout`: leaves [users, ...]."""
    key_reset, key_memory, key_steps = jax.random.split(key, 3)
    _, fresh = vectorized.reset(env, key_reset, params, population.num_users)
    user, of_users = _user(fresh), env.of_users(params) if isinstance(env, Deployed) else params
    user = vectorized.where_done(population.sessions == 0, user, _returning(user, population, remembers))
    state = fresh.replace(user=user) if isinstance(env, Deployed) else user
    carry = jax.vmap(policy.init)(jax.random.split(key_memory, population.num_users))

    def step(carry: PyTree, key: Array) -> tuple[PyTree, dict[str, Array]]:
        state, memory = carry
        key_act, key_step, *_ = jax.random.split(key, 4)
        obs = vectorized.observe(env, state, params)
        action, memory = jax.vmap(policy.act)(memory, obs, jax.random.split(key_act, population.num_users))
        moved = vectorized.step(env, key_step, state, obs, action, params)
        before, after = _user(state), _user(moved.next_state)
        worth = jax.vmap(metrics.engagement, in_axes=(0, 0, None))(after.choice, before.preference, of_users)
        seen = {"action": moved.action, "choice": after.choice, "engagement": worth}
        return (moved.next_state, memory), seen | {"preference": before.preference, "natural": before.natural}

    (last, _), steps = jax.lax.scan(step, (state, carry), jax.random.split(key_steps, env.horizon))
    steps = {name: values.swapaxes(0, 1) for name, values in steps.items()}
    for name in ("preference", "natural"):
        steps[name] = jnp.concatenate([steps[name], getattr(_user(last), name)[:, None]], axis=1)
    return steps | {"engagement": steps["engagement"].mean(axis=1)}


def _after(
    env: SlateSociety, population: Population, platform: Array, played: dict[str, Array], key: Array
) -> tuple[Population, Logs, Lives]:
    """Lets users leave, and gives the population, the logs and the truth of a session."""
    users, engagement = population.num_users, played["engagement"]
    left = jax.random.uniform(key, (users,)) < leaving(engagement, population.rate, population.loyalty)
    here = jax.nn.one_hot(platform, population.platforms, dtype=jnp.int32)
    visits = population.visits + here
    gain = (engagement[:, None] - population.utility) / jnp.maximum(visits, 1)
    joined = jnp.where(population.sessions == 0, played["preference"][:, 0], population.joined)
    gone = left[:, None]
    after = population.replace(
        preference=played["preference"][:, -1],
        joined=joined,
        natural=played["natural"][:, -1],
        sessions=jnp.where(left, 0, population.sessions + 1),
        utility=jnp.where(gone, 0, population.utility + here * gain),
        visits=jnp.where(gone, 0, visits),
    )
    choices = played["choice"]
    slates = env.slates[played["action"]].astype(jnp.float32)
    logs = Logs(slates=slates, choices=choices, valid=jnp.ones(choices.shape, bool), policy=platform, policies=())
    lives = Lives(
        played["preference"], played["natural"], joined=joined, sessions=population.sessions, engagement=engagement,
        left=left,
    )  # fmt: skip
    return after, logs, lives


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
