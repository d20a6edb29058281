"""Users who stay: against today's logs, exact propagation of preferences, and plain loops."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import TabularPolicy
from jaxrec.envs.preference import KnownPreference, PreferenceShift, RandomSlate, Table, exact
from jaxrec.envs.preference.dynamics import clipped_normal
from jaxrec.estimation import Platform, Population, deploy, leaving, record
from jaxrec.estimation.dataset import Lottery

USERS = 20_000
ENV = PreferenceShift(observe_as="state", horizon=3)
UNIFORM = dataclasses.replace(ENV, slate_means=(0.0,), slate_deviations=float("inf"))
PARAMS = ENV.default_params
PRIOR = np.asarray(clipped_normal(PARAMS.initial_mean, PARAMS.initial_deviation), float)
ALWAYS = Platform(Lottery(jnp.array([1.0])))


def law(bins):
    return np.bincount(np.asarray(bins).ravel(), minlength=36) / np.asarray(bins).size


def within_chance(bins, expected):
    """Whether counts differ from their law by no more than five standard errors each."""
    size = np.asarray(bins).size
    return (abs(law(bins) - expected) <= 5 * np.sqrt(expected * (1 - expected) / size) + 2 / size).all()


def rounds(env, platform, population, key, number, sessions=1):
    lives = []
    for each in jax.random.split(key, number):
        population, _, life = deploy(env, population, platform, each, sessions)
        lives.append(life)
    return population, lives


@pytest.mark.slow
def test_uniform_slates_shift_users_who_stay_by_the_natural_kernel(key):
    kernel = np.asarray(UNIFORM.tables(PARAMS).natural, float)
    population, lives = rounds(UNIFORM, ALWAYS, Population.of(USERS), key, 3, 2)
    for number, life in enumerate(lives):
        expected = PRIOR @ np.linalg.matrix_power(kernel, 6 * (number + 1))
        last = np.asarray(life.preferences)[USERS:, -1]
        assert within_chance(last, expected)
        np.testing.assert_array_equal(life.preferences, life.natural)
    assert (np.asarray(population.sessions) == 6).all()


@pytest.mark.slow
def test_sessions_that_follow_each_other_are_one_longer_horizon(key):
    """Of a recommender that looks at neither time nor u_0: a law, and a user's way through it."""
    policy = Lottery(jnp.array([0.5, 0.0, 0.1, 0.0, 0.4, 0.0]))
    _, lives = rounds(ENV, Platform(policy), Population.of(USERS), key, 1, 4)
    longer = dataclasses.replace(ENV, horizon=12)
    _, truth = record(longer, policy, key, USERS)
    ways = np.asarray(lives[0].preferences).reshape(4, USERS, 4)
    np.testing.assert_array_equal(ways[1:, :, 0], ways[:-1, :, -1])
    steps = np.concatenate([ways[:, :, :-1].transpose(1, 0, 2).reshape(USERS, 12), ways[-1, :, -1:]], axis=1)
    apart = [abs(law(steps[:, t]) - law(np.asarray(truth.preferences)[:, t])).max() for t in range(13)]
    assert max(apart) < 5 * np.sqrt(2 * 0.25 / USERS)
    moved = [steps[:, -1] == steps[:, 0], np.asarray(truth.preferences)[:, -1] == np.asarray(truth.preferences)[:, 0]]
    assert abs(moved[0].mean() - moved[1].mean()) < 5 * np.sqrt(2 * 0.25 / USERS)


@pytest.mark.slow
def test_sessions_of_a_recommender_that_sees_users_are_one_longer_horizon(key):
    """Of one that plans a session of three steps by what users prefer now: four are twelve steps of the same.

    What the rest of the twelve steps is worth to each user, at the start of each session, is by backward induction in
    NumPy; so is how often each preference is met, by propagation.
    """
    env = KnownPreference(horizon=3)
    tables = jax.tree.map(lambda leaf: np.asarray(leaf, float), env.tables(PARAMS))
    degrees = np.radians(10 * np.arange(36))
    judges = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    engagement = (tables.liked[..., :2] * judges).sum(axis=-1)  # [slate, u_t]
    later, plan = np.zeros(36), np.zeros((4, 36, 6))
    for time in reversed(range(3)):
        each = (engagement + tables.shift @ later).T
        later, plan[time] = each.max(axis=1), np.eye(6)[each.argmax(axis=1)]
    assert len(set(plan[:3].argmax(axis=2).ravel())) > 2
    policy = TabularPolicy(jnp.asarray(plan.reshape(-1, 6), jnp.float32), env, 0.2)
    shares = 0.8 * plan + 0.2 / 6
    left = np.zeros((13, 36))
    for time in reversed(range(12)):
        left[time] = (shares[time % 3] * (engagement + tables.shift @ left[time + 1]).T).sum(axis=1)
    _, logs, lives = deploy(env, Population.of(USERS), Platform(policy), key, 4)
    begin = np.asarray(lives.preferences).reshape(4, USERS, 4)[..., 0]
    paid = np.asarray(logs.rewards, float).reshape(4, USERS, 3).sum(axis=2)
    for session in range(4):
        apart = paid[session:].sum(axis=0) - left[3 * session][begin[session]]
        assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(USERS)
        for high in (False, True):  # and of users on either side, whom the plan serves differently
            side = apart[(begin[session] > 13) == high]
            assert abs(side.mean()) < 4 * side.std() / np.sqrt(len(side))
    users = PRIOR
    for step in range(12):
        met = np.asarray(lives.preferences).reshape(4, USERS, 4)[step // 3, :, step % 3]
        assert within_chance(met, users)
        users = np.einsum("u,ua,auv->v", users, shares[step % 3], tables.shift)
    longer = dataclasses.replace(env, horizon=12)
    periodic = np.concatenate([np.tile(plan[:3], (4, 1, 1)), np.zeros((1, 36, 6))]).reshape(-1, 6)
    recorded, _ = record(longer, TabularPolicy(jnp.asarray(periodic, jnp.float32), longer, 0.2), key, USERS)
    returns = np.asarray(recorded.rewards, float).sum(axis=1)
    pair = np.hypot(returns.std(), paid.sum(axis=0).std()) / np.sqrt(USERS)
    assert abs(returns.mean() - paid.sum(axis=0).mean()) < 4 * pair


@pytest.mark.slow
def test_many_users_are_the_exact_law_where_u_0_is_read_anew_each_session(key):
    """A planner that is paid for initial preferences takes those at the start of a session for initial."""
    tables = ENV.tables(PARAMS)
    policy = exact.optimal(tables, 3, (1.0, 1.0))
    _, lives = rounds(ENV, Platform(Table(policy)), Population.of(USERS), key, 4)
    users, shift = PRIOR, np.asarray(tables.shift, float)
    for life in lives:
        joint = np.diag(users)
        for chosen in np.asarray(policy, float):
            joint = np.einsum("aiu,auv->iv", joint * chosen, shift)
        users = joint.sum(axis=0)
        assert within_chance(np.asarray(life.preferences)[:, -1], users)


@pytest.mark.slow
@pytest.mark.parametrize("loyalty", [0.0, 1.5])
def test_who_leaves_and_who_joins_is_the_exact_law(loyalty, key):
    """Sessions of one step, whose engagement is that of one item: users of a session, by propagation."""
    env, rate = dataclasses.replace(ENV, horizon=1), 0.4
    tables = env.tables(PARAMS)
    chosen = np.array([0.3, 0.0, 0.7, 0.0, 0.0, 0.0])
    population = Population.of(USERS, rate, loyalty)
    _, lives = rounds(env, Platform(Lottery(jnp.asarray(chosen))), population, key, 5)
    liking = np.cos(np.radians(10.0 * (np.arange(36)[:, None] - np.arange(36))))  # [item, preference]
    choice, shift = np.asarray(tables.choice, float), np.asarray(tables.shift, float)
    staying = 1 - rate ** np.exp(loyalty * liking)
    users = PRIOR
    for life in lives:
        assert within_chance(np.asarray(life.preferences)[:, 0], users)
        stay = np.einsum("a,u,aux,xu,auv->v", chosen, users, choice, staying, shift)
        users = stay + (1 - stay.sum()) * PRIOR
        left = np.asarray(life.left).mean()
        assert abs(left - (1 - stay.sum())) < 5 * np.sqrt(0.25 / USERS)


def test_what_joined_stays_until_the_user_leaves(key):
    population, before = Population.of(300, 0.3, 1.0), None
    for each in jax.random.split(key, 5):
        population, logs, life = deploy(ENV, population, Platform(RandomSlate(ENV.slates)), each)
        life = jax.tree.map(np.asarray, life)
        new = life.sessions == 0
        np.testing.assert_array_equal(life.joined[new], life.preferences[new, 0])
        np.testing.assert_array_equal(life.natural[new, 0], life.joined[new])
        if before is not None:
            stayed = ~before.left
            np.testing.assert_array_equal(new, before.left)
            for name in ("joined", "sessions"):
                np.testing.assert_array_equal(
                    getattr(life, name)[stayed], getattr(before, name)[stayed] + (name == "sessions")
                )
            np.testing.assert_array_equal(life.preferences[stayed, 0], before.preferences[stayed, -1])
            np.testing.assert_array_equal(life.natural[stayed, 0], before.natural[stayed, -1])
        angles = np.radians(10.0 * (np.asarray(logs.choices) - life.preferences[:, :-1]))
        np.testing.assert_allclose(life.engagement, np.cos(angles).mean(axis=1), atol=1e-5)
        before = life


@pytest.mark.slow
def test_users_go_where_they_were_engaged(key):
    """Of two platforms: by a logit of mean engagement so far, as a loop over each user's sessions has it."""
    slates = [Platform(Lottery(jnp.eye(6)[slate]), name=f"at {slate}") for slate in (1, 4)]
    population, logs, life = deploy(ENV, Population.of(400, platforms=2, sharpness=6.0), slates, key, 6)
    life, platform = jax.tree.map(np.asarray, life), np.asarray(logs.policy).reshape(6, 400)
    assert logs.policies == ("at 1", "at 4")
    shown = np.asarray(logs.slates).reshape(6, 400, 3, 36)
    np.testing.assert_allclose(shown[platform == 1], np.broadcast_to(ENV.slates[4], shown[platform == 1].shape))
    earned = life.engagement.reshape(6, 400)
    expected, surprise = 0.0, 0.0
    for session in range(6):
        for user in range(400):
            mean = [
                np.mean([e for e, p in zip(earned[:session, user], platform[:session, user], strict=True) if p == one]
                        or [0.0])
                for one in range(2)
            ]  # fmt: skip
            chance = 1 / (1 + np.exp(-6.0 * (mean[1] - mean[0])))
            expected += chance
            surprise += chance * (1 - chance)
    assert abs(platform.sum() - expected) < 4 * np.sqrt(surprise)
    visits = np.stack([(platform == one).sum(axis=0) for one in range(2)], axis=1)
    np.testing.assert_array_equal(population.visits, visits)
    sums = np.stack([(earned * (platform == one)).sum(axis=0) for one in range(2)], axis=1)
    np.testing.assert_allclose(population.utility, sums / np.maximum(visits, 1), atol=1e-5)


def test_the_chance_to_leave_falls_with_utility():
    utility = np.linspace(-2, 1, 7)
    chance = np.asarray(leaving(utility, 0.3, 2.0))
    assert (np.diff(chance) < 0).all()
    assert float(leaving(0.0, 0.3, 2.0)) == pytest.approx(0.3)
    np.testing.assert_allclose(leaving(utility, 0.3, 0.0), 0.3, rtol=1e-6)
    for rate in (0.0, 1.0):
        np.testing.assert_array_equal(leaving(utility, rate, 2.0), np.full(7, rate))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Population.of(0), "num_users"),
        (lambda: Population.of(3, 1.5), "rate"),
        (lambda: Population.of(3, 0.5, -1.0), "loyalty"),
        (lambda: Population.of(3, platforms=17), "platforms"),
        (lambda: deploy(ENV, Population.of(3, platforms=2), ALWAYS, jax.random.key(0)), "platforms must be 2"),
        (lambda: deploy(ENV, Population.of(3), ALWAYS, jax.random.key(0), 0), "sessions"),
        (lambda: deploy(ENV, Population.of(3), Platform(Lottery), jax.random.key(0)), "call it"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(jaxrec.InputError, match=message):
        make()
