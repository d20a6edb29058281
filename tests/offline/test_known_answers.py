"""Known answers: users of PreferenceShift whose preference is seen, whose values dynamic programming gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import TabularPolicy
from jaxrec.envs.preference import KnownPreference, exact, fitted_params
from jaxrec.estimation import record
from jaxrec.offline import METHODS, BatchQ, estimate_value

pytestmark = pytest.mark.slow
ENV = KnownPreference()
PARAMS = fitted_params("optima")  # of which the numbers are
OPTIMUM, MYOPIC, EXPLORING = 7.12, 6.78, 0.05


def table(gamma):
    """The greedy policy of the discount, as a table over (time, u_t), and its shares over (time, slate, u_0, u_t)."""
    shares = exact.optimal(ENV.tables(PARAMS), ENV.horizon, gamma=gamma)
    q = jnp.moveaxis(shares[:, :, 0], 1, -1).reshape(-1, ENV.num_actions)
    return TabularPolicy(jnp.pad(q, ((0, 36), (0, 0))), ENV), shares


def worth(policy, epsilon=0.0):
    """float: engagement in an episode, by propagating the distribution of users in NumPy."""
    tables = jax.tree.map(np.asarray, ENV.tables(PARAMS))
    degrees = np.radians(10 * np.arange(36))
    judges = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    away = (10 * np.arange(36) - 130 + 180) % 360 - 180
    users, total = np.exp(-0.5 * (away / 20) ** 2), 0.0
    users /= users.sum()
    q = np.asarray(policy.q).reshape(11, 36, -1)
    for time in range(10):
        best = q[time] == q[time].max(axis=1, keepdims=True)
        shares = (1 - epsilon) * best / best.sum(axis=1, keepdims=True) + epsilon / 6
        served = users[:, None] * shares
        total += (served.T * (tables.liked[..., :2] * judges).sum(axis=-1)).sum()
        users = np.einsum("ua,auv->v", served, tables.shift)
    return total


@pytest.fixture(scope="module")
def random_logs():
    """Of 10 000 users of random slates, four times."""
    return [record(ENV, ENV.policy("random"), jax.random.key(seed), 10_000, PARAMS)[0] for seed in range(4)]


def test_the_references_are_those_of_the_paper_s_users():
    assert worth(table(1.0)[0]) == pytest.approx(OPTIMUM, abs=0.005)
    assert worth(table(0.0)[0]) == pytest.approx(MYOPIC, abs=0.005)
    assert worth(table(0.0)[0], EXPLORING) == pytest.approx(6.62, abs=0.005)


def test_the_optimum_is_evaluated_from_random_slates(random_logs):
    """Importance sampling is useless, per-decision of heavy tails; fitted Q is nearly exact, doubly robust close."""
    found = {
        name: np.array(
            [estimate_value(ENV, logs, table(1.0)[0], jax.random.key(9), name, num_resamples=30, folds=1).value
             for logs in random_logs]
        )
        for name in METHODS
    }  # fmt: skip
    np.testing.assert_allclose(found["importance sampling"], 0, atol=0.01)
    assert np.median(found["per-decision"]) < 5
    assert np.ptp(found["per-decision"]) > 1
    np.testing.assert_allclose(found["fitted Q"], 7.11, atol=0.05)
    assert found["fitted Q"].mean() == pytest.approx(7.11, abs=0.03)
    np.testing.assert_allclose(found["doubly robust"], 7.11, atol=0.3)
    assert found["doubly robust"].mean() == pytest.approx(7.11, abs=0.12)


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
