"""What platforms log of users who stay: against `record`, exact values, and what is learned from it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from logged_users import NETWORK

import jaxrec
from jaxrec.agents import TabularPolicy
from jaxrec.envs.learned import Deployed, LearnedUsers
from jaxrec.envs.preference import KnownPreference, PreferenceShift, RandomSlate
from jaxrec.estimation import Platform, Population, deploy, read_logs, record, write_logs
from jaxrec.offline import BatchQ, estimate_value

ENV = KnownPreference(horizon=3)
STEPS = ("valid", "slates", "choices", "actions", "propensities", "rewards", "observations")
GREEDY = np.random.default_rng(0).normal(size=(4 * 36, 6)).astype(np.float32)
TABLES, DEGREES = ENV.tables(ENV.default_params), np.radians(10 * np.arange(36))
SHIFT = np.asarray(TABLES.shift, float)
ENGAGEMENT = np.einsum("auk,uk->au", TABLES.liked[..., :2], np.stack([np.cos(DEGREES), np.sin(DEGREES)], axis=1))
EXPLORING = TabularPolicy(jnp.asarray(GREEDY), ENV, 0.3)


class Turning(struct.PyTreeNode):
    """Begins anywhere, and mostly shows the next slate: its probabilities are those of its carry."""

    weights: Any

    def init(self, key):
        return jax.random.randint(key, (), 0, 6)

    def act(self, carry, obs, key):
        chances, after = self.probabilities(carry, obs)
        return jax.random.categorical(key, jnp.log(chances)).astype(jnp.int32), after

    def probabilities(self, carry, obs):
        return jnp.roll(self.weights, carry), (carry + 1) % 6


class Silent(struct.PyTreeNode):
    """Says nothing of how likely its slates are."""

    def init(self, key):
        return ()

    def act(self, carry, obs, key):
        return jnp.int32(2), carry


TURNING = Turning(jnp.array([0.5, 0.3, 0.1, 0.05, 0.05, 0.0]))
SLOW = pytest.mark.slow
RECORDED = {
    "random": lambda: (ENV, RandomSlate(ENV.slates)),
    "exploring": lambda: (ENV, EXPLORING),
    "with a carry": lambda: (ENV, TURNING),
    "silent": lambda: (ENV, Silent()),
    "beliefs": lambda: (env := PreferenceShift(horizon=3, observe_as="beliefs"), env.policy("myopic")),
    "through a model": lambda: (
        env := Deployed(PreferenceShift(horizon=3, observe_as="state"), LearnedUsers(horizon=3, network=NETWORK)),
        env.policy("myopic"),
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[SLOW] * (name in ("beliefs", "through a model"))) for name in RECORDED]
)
def test_where_all_leave_each_session_is_what_is_recorded(name, key):
    """Every part of the logs, bit for bit."""
    env, policy = RECORDED[name]()
    population = Population.of(50, rate=1.0)
    for each in jax.random.split(key, 3):
        population, logs, lives = deploy(env, population, Platform(policy), each)
        expected, truth = record(env, policy, each, 50)
        assert logs.parts.keys() == expected.parts.keys()
        assert (logs.propensities is None) == (name == "silent")
        for part in (*STEPS, "policy"):
            found, wanted = getattr(logs, part), getattr(expected, part)
            if wanted is not None:
                assert found.dtype == wanted.dtype
                np.testing.assert_array_equal(found, wanted, part)
        for part in ("preferences", "natural"):
            np.testing.assert_array_equal(getattr(lives, part), getattr(truth, part))
        assert logs.policies == expected.policies
        assert np.asarray(lives.left).all()
        assert not np.asarray(lives.sessions).any()


def test_what_was_observed_may_be_left_out(key):
    _, logs, _ = deploy(ENV, Population.of(5), Platform(EXPLORING), key, observations=False)
    assert logs.observations is None
    assert logs.propensities is not None
    assert logs.actions.shape == (5, 3)


def test_propensities_may_be_left_out_and_nothing_else_changes(key):
    platforms = [Platform(EXPLORING), Platform(Silent())]
    kept, without = (
        deploy(ENV, Population.of(20, platforms=2), platforms, key, 2, propensities=propensities)[1]
        for propensities in (True, False)
    )
    assert without.propensities is None
    np.testing.assert_array_equal(kept.actions, without.actions)
    np.testing.assert_array_equal(kept.observations, without.observations)


def test_logs_say_what_each_platform_did_to_those_who_came(key):
    """Of three platforms, one of which is silent: its propensities alone are unknown."""
    platforms = [Platform(EXPLORING, name="a"), Platform(Silent(), name="b"), Platform(TURNING, name="c")]
    _, logs, lives = deploy(ENV, Population.of(200, platforms=3, sharpness=0.0), platforms, key, 3)
    logs, preferences = jax.tree.map(np.asarray, (logs, lives.preferences[:, :-1]))
    seen = np.stack(np.broadcast_arrays(np.arange(3), preferences), axis=-1)
    np.testing.assert_array_equal(logs.observations, seen)
    np.testing.assert_array_equal(logs.slates, np.asarray(ENV.slates)[logs.actions])
    np.testing.assert_allclose(logs.rewards, ENGAGEMENT[logs.actions, preferences], atol=1e-5)
    assert set(logs.policy) == {0, 1, 2}
    assert np.isnan(logs.propensities[logs.policy == 1]).all()
    assert (logs.actions[logs.policy == 1] == 2).all()
    cell = 36 * seen[..., 0] + seen[..., 1]
    best = logs.actions == GREEDY[cell].argmax(axis=-1)
    here = logs.policy == 0
    np.testing.assert_allclose(logs.propensities[here], np.where(best, 0.75, 0.05)[here], rtol=1e-5)
    turns = np.stack([np.roll(TURNING.weights, first) for first in range(6)])  # [first slate, slate]
    shown, said = logs.actions[logs.policy == 2], logs.propensities[logs.policy == 2]
    possible = np.stack([turns[(first + np.arange(3)) % 6, shown] for first in range(6)])
    assert (np.abs(possible - said).max(axis=-1) < 1e-6).any(axis=0).all()
    with pytest.raises(jaxrec.InputError, match="propensities for weighing, got none of user"):
        deploy(ENV, Population.of(50, platforms=3, sharpness=0.0), platforms, key)[1].require(
            "propensities", reader="weighing"
        )


def worth(target=None):
    """float[36]: a session of a user of each preference, by induction in NumPy; the best there is without a target."""
    value = np.zeros(36)
    for time in reversed(range(3)):
        each = (ENGAGEMENT + SHIFT @ value).T  # [u_t, slate]
        value = each.max(axis=1) if target is None else (target[time] * each).sum(axis=1)
    return value


@pytest.mark.slow
def test_a_policy_is_judged_and_learned_from_logs_of_users_who_stay(key):
    """The value of users as they begin their sessions, which those who stayed begin where they were led."""
    random = Platform(RandomSlate(ENV.slates))
    _, logs, lives = deploy(ENV, Population.of(5_000, 0.3, 1.0), random, key, 4)
    begin = np.asarray(lives.preferences)[:, 0]
    target = np.full((4, 36, 6), 0.1)
    np.put_along_axis(target, GREEDY.reshape(4, 36, 6).argmax(axis=-1)[..., None], 0.5, axis=-1)
    true = worth(target)[begin].mean()
    policy = TabularPolicy(jnp.asarray(GREEDY), ENV, 0.6)
    for method, tolerance in (("per-decision", 0.1), ("doubly robust", 0.05), ("fitted Q", 0.03)):
        found = estimate_value(ENV, logs, policy, key, method, num_resamples=20)
        assert found.value == pytest.approx(true, abs=tolerance), method
        assert abs(found.value - true) < 2 * (found.high - found.low), method
    agent, params = BatchQ(ENV, logs), jaxrec.batched(ENV.default_params, 1)
    state = jaxrec.fit(agent, jax.random.split(key, 1), params)
    learned = np.eye(6)[np.asarray(state.q[0]).reshape(4, 36, 6).argmax(axis=-1)]
    assert worth(learned)[begin].mean() == pytest.approx(worth()[begin].mean(), abs=0.03)
    assert worth()[begin].mean() > true + 0.3


def test_a_user_has_the_same_identity_in_all_its_sessions_and_nobody_else_has_it(key, tmp_path):
    population, logs, lives = deploy(ENV, Population.of(200, 0.4), Platform(EXPLORING), key, 6)
    who, left, since, joined = (
        np.asarray(each).reshape(6, 200) for each in (logs.identity, lives.left, lives.sessions, lives.joined)
    )
    np.testing.assert_array_equal(who[0], np.arange(200))
    np.testing.assert_array_equal(who[1:] == who[:-1], ~left[:-1])
    np.testing.assert_array_equal(np.unique(who), np.arange(200 + left[:-1].sum()))
    for one in np.unique(who):
        there = who == one
        assert len(set(np.nonzero(there)[1])) == 1
        np.testing.assert_array_equal(since[there], np.arange(there.sum()))
        assert len(set(joined[there])) == 1
    assert (np.asarray(population.identity)[left[-1]] > who.max()).all()
    np.testing.assert_array_equal(np.asarray(population.identity)[~left[-1]], who[-1][~left[-1]])
    write_logs(tmp_path / "logs.parquet", logs)
    read = read_logs(tmp_path / "logs.parquet")
    for part in (*STEPS, "identity"):
        np.testing.assert_array_equal(getattr(read, part), getattr(logs, part), part)
    some = logs.select(logs.identity == 3)
    assert set(np.asarray(some.identity)) == {3}
    assert some.num_users == (who == 3).sum()


def test_identities_are_no_matter_to_models_of_users(key):
    """A dropped identity leaves what is compiled once for all logs of slates and choices."""
    _, logs, _ = deploy(ENV, Population.of(5), Platform(EXPLORING), key)
    recorded, _ = record(ENV, EXPLORING, key, 5)
    kinds = [jax.tree.structure(each.only("slates", "choices", reader="a test")) for each in (logs, recorded)]
    assert kinds[0] == kinds[1]
