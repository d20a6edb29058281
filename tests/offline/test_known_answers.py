"""Known answers: users of PreferenceShift whose preference is seen, whose values dynamic programming gives."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxrec
from jaxrec.agents import TabularPolicy
from jaxrec.audit import compare
from jaxrec.envs.preference import KnownPreference, exact, fitted_params, fitted_slates
from jaxrec.estimation import record
from jaxrec.offline import BatchQ, estimate_value

pytestmark = pytest.mark.slow
ENV = KnownPreference(slate_means=fitted_slates("optima"))
PARAMS = fitted_params("optima")  # of which the numbers are
OPTIMUM, MYOPIC, EXPLORING = 7.12, 6.78, 0.05
LOGGED, LOGS = 10_000, 100  # users in a log, and logs


def table(gamma):
    """The greedy policy of the discount, as a table over (time, u_t), and its shares over (time, slate, u_0, u_t)."""
    shares = exact.optimal(ENV.tables(PARAMS), ENV.horizon, gamma=gamma)
    q = jnp.moveaxis(shares[:, :, 0], 1, -1).reshape(-1, ENV.num_actions)
    return TabularPolicy(jnp.pad(q, ((0, 36), (0, 0))), ENV), shares


def plain():
    """NumPy: (users float[36] at first, engagement float[slates, 36], shift float[slates, 36, 36])."""
    tables = jax.tree.map(lambda leaf: np.asarray(leaf, float), ENV.tables(PARAMS))
    degrees = np.radians(10 * np.arange(36))
    judges = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    away = (10 * np.arange(36) - 130 + 180) % 360 - 180
    users = np.exp(-0.5 * (away / 20) ** 2)
    return users / users.sum(), (tables.liked[..., :2] * judges).sum(axis=-1), tables.shift


def chances(policy):
    """float[11, 36, slates]: the greedy policy's probability of each slate at each time and u_t."""
    q = np.asarray(policy.q).reshape(11, 36, -1)
    best = q == q.max(axis=2, keepdims=True)
    return best / best.sum(axis=2, keepdims=True)


def worth(policy, epsilon=0.0):
    """float: engagement in an episode, by propagating the distribution of users in NumPy."""
    users, engagement, shift = plain()
    total = 0.0
    for shares in chances(policy)[:10]:
        served = users[:, None] * ((1 - epsilon) * shares + epsilon / 6)
        total += (served.T * engagement).sum()
        users = np.einsum("ua,auv->v", served, shift)
    return total


def random_logs(number, env=ENV):
    """Of users of random slates, what is needed of each alone."""
    for seed in range(number):
        logs, _ = record(env, env.policy("random"), jax.random.key(seed), LOGGED, PARAMS)
        yield logs.replace(slates=None, choices=None)


def estimates(logs, policy, method, env=ENV, **settings):
    """float[logs]."""
    given = {"num_resamples": 2} | settings
    return np.array([estimate_value(env, one, policy, jax.random.key(9), method, **given).value for one in logs])


def test_the_references_are_those_of_the_paper_s_users():
    assert worth(table(1.0)[0]) == pytest.approx(OPTIMUM, abs=0.005)
    assert worth(table(0.0)[0]) == pytest.approx(MYOPIC, abs=0.005)
    assert worth(table(0.0)[0], EXPLORING) == pytest.approx(6.62, abs=0.005)


def test_the_optimum_is_evaluated_from_random_slates():
    """Importance sampling is useless; fitted Q is nearly exact: 7.106 over 60 logs, with a deviation of .014."""
    logs, policy = list(random_logs(40)), table(1.0)[0]
    np.testing.assert_allclose(estimates(logs[:10], policy, "importance sampling"), 0, atol=0.01)
    found = estimates(logs, policy, "fitted Q")
    np.testing.assert_allclose(found, 7.11, atol=0.05)
    assert found.mean() == pytest.approx(7.11, abs=0.01)
    assert found.std() < 0.02


@pytest.mark.parametrize(("settings", "typical"), [({}, 0.08), ({"folds": 1}, 0.04)])
def test_doubly_robust_is_right_to_a_hundredth(settings, typical):
    """The mean over logs, and the median; and half of the logs are at most so far from it.

    Over 400 logs the mean is 7.06 with a standard error of .04 by default, and 7.11 (.02) with one fold. Tails are
    heavy: with the exact Q, the standard deviation of one log is 1.15, nearly all of which is due to users who followed
    the optimum for nine steps, whom one log in a thousand has. Half of the users leave more cells empty than all, whose
    Q is 0 for the other half: what is missing comes back by ratio, in the mean over logs, and not in most logs.
    """
    found = estimates(random_logs(LOGS), table(1.0)[0], "doubly robust", **settings)
    assert found.mean() == pytest.approx(7.11, abs=0.08)
    assert np.median(found) == pytest.approx(7.11, abs=0.08)
    assert np.median(abs(found - np.median(found))) < typical


def simulated(logs, rng):
    """float[logs]: per-decision estimates by following, of users of random slates, those who are shown the optimum."""
    users, engagement, shift = plain()
    whole, found = chances(table(1.0)[0]), np.zeros(logs)
    log = np.repeat(np.arange(logs), LOGGED)
    now, weight = rng.choice(36, size=len(log), p=users), np.ones(len(log))
    for time in range(10):
        shown = rng.integers(6, size=len(log))
        weight = weight * whole[time, now, shown] * 6
        log, now, shown, weight = (each[weight > 0] for each in (log, now, shown, weight))
        found += np.bincount(log, weight * engagement[shown, now], logs) / LOGGED
        reached = shift[shown, now].cumsum(axis=1)
        now = (rng.random((len(now), 1)) * reached[:, -1:] > reached).sum(axis=1)
    return found


def test_per_decision_estimates_are_as_they_are_distributed():
    """Against a simulation of the logs that shares nothing with them: it is right in the mean, and most logs too low.

    Half of 2000 simulated logs give 2.3 to 4.2 around a median of 3.0, one in twenty more than 9 and one in a hundred
    more than 33: few have anybody who followed the optimum for more than five steps. So a few logs give 4.4 +- 2.3.
    """
    found, expected = (
        estimates(random_logs(LOGS), table(1.0)[0], "per-decision"),
        simulated(400, np.random.default_rng(0)),
    )
    assert stats.ks_2samp(found, expected).pvalue > 0.01
    low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
    assert low == pytest.approx(2.4, abs=0.3)
    assert middle == pytest.approx(3.0, abs=0.4)
    assert 4.4 - 2.3 < middle < high < 4.4 + 2.3


def test_per_decision_is_right_in_the_mean_over_logs_of_four_steps():
    """Against mean and variance by backward induction: of episodes so short that a few logs have both."""
    env = dataclasses.replace(ENV, horizon=4)
    shares = exact.optimal(env.tables(PARAMS), 4)
    q = jnp.moveaxis(shares[:, :, 0], 1, -1).reshape(-1, env.num_actions)
    policy = TabularPolicy(jnp.pad(q, ((0, 36), (0, 0))), env)
    users, engagement, shift = plain()
    mean, square = np.zeros(36), np.zeros(36)
    for time in reversed(range(4)):
        target = np.asarray(shares, float)[time, :, 0]  # [slate, u_t]
        square = (6 * target**2 * (engagement**2 + 2 * engagement * (shift @ mean) + shift @ square)).sum(axis=0)
        mean = (target * (engagement + shift @ mean)).sum(axis=0)
    value = users @ mean
    deviation = np.sqrt((users @ square - value**2) / LOGGED)
    found = estimates(random_logs(LOGS, env), policy, "per-decision", env)
    assert abs(found.mean() - value) < 4 * deviation / np.sqrt(LOGS)
    assert found.std() == pytest.approx(deviation, rel=0.3)


LEFT = np.repeat(10 - np.arange(11, dtype=np.float32), 36)[:, None] * np.ones(6, np.float32)
"""The most that may still be earned: engagement is at most 1 a step."""


@pytest.mark.parametrize(
    ("settings", "believes", "earns", "tolerance"),
    [
        ({"initial_q": LEFT}, 9.55, 5.12, (0.1, 0.3)),  # what was never logged is extrapolated upwards
        ({"threshold": 0.05}, 6.84, 6.82, (0.02, 0.02)),
    ],
)
def test_learned_from_a_nearly_myopic_platform(settings, believes, earns, tolerance):
    """From 3000 users each, three times; the platform itself earns 6.62 and the optimum 7.12."""
    values, true = [], []
    for seed in range(3):
        logs, _ = record(ENV, table(0.0)[0].replace(epsilon=EXPLORING), jax.random.key(50 + seed), 3000, PARAMS)
        agent = BatchQ(ENV, logs, **settings)
        seen = []
        keys, params = jax.random.split(jax.random.key(0), 1), jaxrec.batched(PARAMS, 1)
        state = jaxrec.fit(agent, keys, params, on_metrics=lambda _, metrics, seen=seen: seen.append(metrics["value"]))
        values.append(seen[-1][0])
        true.append(worth(agent.policy(jax.tree.map(lambda leaf: leaf[0], state))))
    assert np.mean(values) == pytest.approx(believes, abs=tolerance[0])
    assert np.mean(true) == pytest.approx(earns, abs=tolerance[1])


def test_a_learner_from_logs_is_audited_by_what_it_learns_from_either_world():
    """`audit` would train it alike in both worlds: logs at influence 1 and at 0 give the two stacks for `compare`.

    Without influence users are seldom where it would lead them: what is learned there earns 5.9, less than 6.78.
    """
    stacks = []
    for influence in (1.0, 0.0):
        logs = [
            record(ENV, ENV.policy("random"), jax.random.key(seed), LOGGED, PARAMS.replace(influence=influence))[0]
            for seed in range(3)
        ]
        logs = jax.tree.map(lambda *each: jnp.stack(each), *(one.replace(slates=None, choices=None) for one in logs))
        agent, params = BatchQ(ENV, jax.tree.map(lambda leaf: leaf[0], logs)), jaxrec.batched(PARAMS, 3)
        state = jaxrec.fit(agent, jax.random.split(jax.random.key(0), 3), params, swept={"logs": logs})
        stacks.append(jax.vmap(agent.policy)(state))
    found = compare(ENV, *stacks, jax.random.key(0), PARAMS, episodes=20_000)
    for stack, served in zip(stacks, (found.factual, found.decoupled), strict=True):
        each = [worth(jax.tree.map(lambda leaf, seed=seed: leaf[seed], stack)) for seed in range(3)]
        np.testing.assert_allclose(served.value, each, atol=0.03)
    assert found.factual.value.mean() == pytest.approx(OPTIMUM, abs=0.05)
    assert (found.decoupled.value < MYOPIC + 0.02).all()
