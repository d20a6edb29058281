"""Values estimated from logs: by hand on a few users, near the truth on many, and refused where they cannot be."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain

import jaxrec
from jaxrec.agents import TabularPolicy
from jaxrec.envs.preference import PreferenceShift, RandomSlate
from jaxrec.estimation import Logs, record
from jaxrec.offline import METHODS, estimate_value
from jaxrec.policy import Stateless

CHAIN = Chain()
ACTIONS = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [1, 0, 1, 1, 1]]
PLACES = [[0, 1, 2, 0, 0], [0, 0, 1, 2, 0], [0, 1, 0, 1, 2]]
LENGTHS = [3, 4, 5]
PROPENSITIES = [[0.8, 0.5, 0.4, 1, 1], [0.2, 0.8, 0.5, 0.4, 1], [0.8, 0.5, 0.8, 0.5, 0.4]]
RIGHT = [0.9, 0.6, 0.7, 0.5]  # the target goes right at each place with this probability


def logs_of(**changes):
    valid = np.arange(5) < np.array(LENGTHS)[:, None]
    arrived = np.arange(5) == np.array(LENGTHS)[:, None] - 1
    logs = Logs(
        valid=valid,
        policy=np.zeros(3, np.int32),
        policies=("b",),
        actions=np.array(ACTIONS, np.int32),
        propensities=np.array(PROPENSITIES, np.float32),
        rewards=np.where(valid, arrived - 0.1, 0).astype(np.float32),
        observations=np.array(PLACES, np.int32)[..., None],
    )
    return logs.replace(**changes)


class Target(Stateless):
    """Goes right by `RIGHT`."""

    right: object

    def act(self, carry, obs, key):
        return jax.random.bernoulli(key, self.right[obs]).astype(jnp.int32), carry

    def probabilities(self, carry, obs):
        return jnp.stack([1 - self.right[obs], self.right[obs]]), carry


TARGET = Target(jnp.array(RIGHT))


def plain_ratios():
    """[users][steps]: pi / b of the logged action, by loops."""
    for user, length in enumerate(LENGTHS):
        ratio = []
        for t in range(length):
            right = RIGHT[PLACES[user][t]]
            ratio.append((right if ACTIONS[user][t] else 1 - right) / PROPENSITIES[user][t])
        yield ratio


def plain_q(gamma, users=range(3)):
    """Fitted Q evaluation with dictionaries, five passes."""
    q = {}
    for _ in range(5):
        targets = {}
        for user in users:
            for t in range(LENGTHS[user]):
                target = (t == LENGTHS[user] - 1) - 0.1
                if t < LENGTHS[user] - 1:
                    there = PLACES[user][t + 1]
                    target += gamma * sum(
                        p * q.get((there, a), 0.0) for a, p in enumerate((1 - RIGHT[there], RIGHT[there]))
                    )
                targets.setdefault((PLACES[user][t], ACTIONS[user][t]), []).append(target)
        q = {cell: np.mean(found) for cell, found in targets.items()}
    return q


def plain_value(method, gamma):
    ratios = list(plain_ratios())
    rewards = [[(t == length - 1) - 0.1 for t in range(length)] for length in LENGTHS]
    if method == "importance sampling":
        return np.mean(
            [np.prod(w) * sum(gamma**t * x for t, x in enumerate(r)) for w, r in zip(ratios, rewards, strict=True)]
        )
    if method == "fitted Q":
        q = plain_q(gamma)
        return (1 - RIGHT[0]) * q[0, 0] + RIGHT[0] * q[0, 1]
    value = 0.0
    for t in range(5):
        # After its last step a user has the ratio of the whole trajectory.
        weights = np.array([np.prod(w[: t + 1]) for w in ratios])
        paid = np.array([r[t] if t < len(r) else 0.0 for r in rewards])
        total = (weights * paid).sum()
        value += gamma**t * total / (3 if method == "per-decision" else weights.sum())
    return value


@pytest.mark.parametrize("gamma", [1.0, 0.7])
@pytest.mark.parametrize("method", ["importance sampling", "per-decision", "weighted", "fitted Q"])
def test_three_users_by_hand(method, gamma, key):
    found = estimate_value(CHAIN, logs_of(), TARGET, key, method, gamma, num_resamples=20)
    assert found.value == pytest.approx(plain_value(method, gamma), rel=1e-5)
    assert found.low <= found.high


@pytest.mark.parametrize("folds", [1, 2])
def test_doubly_robust_takes_the_model_of_the_other_users(folds, key):
    """With two folds user 1 is judged by what users 0 and 2 did, and they by what it did."""
    gamma, value = 0.9, 0.0
    for user, ratio in enumerate(plain_ratios()):
        q = plain_q(gamma, range(3) if folds == 1 else [1] if user != 1 else [0, 2])
        before = 1.0
        for t in range(LENGTHS[user]):
            here, weight = PLACES[user][t], before * ratio[t]
            v = (1 - RIGHT[here]) * q.get((here, 0), 0.0) + RIGHT[here] * q.get((here, 1), 0.0)
            paid = (t == LENGTHS[user] - 1) - 0.1
            value += gamma**t * (weight * (paid - q.get((here, ACTIONS[user][t]), 0.0)) + before * v) / 3
            before = weight
    found = estimate_value(CHAIN, logs_of(), TARGET, key, "doubly robust", gamma, num_resamples=20, folds=folds)
    assert found.value == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(
    "method", [pytest.param(method, marks=[pytest.mark.slow] * (method == "fitted Q")) for method in METHODS]
)
def test_many_users_give_the_true_value(method, key):
    """A walker that goes right with 0.8 is logged; one with 0.9 is judged, which `evaluate` plays."""
    logged, judged = (TabularPolicy(jnp.tile(jnp.array([0.0, 1.0]), (4, 1)), CHAIN, share) for share in (0.4, 0.2))
    logs, _ = record(CHAIN, logged, key, 4000, max_steps=30)
    true = jaxrec.evaluate(CHAIN, judged, jax.random.key(5), 4000).estimate("reward")
    found = estimate_value(CHAIN, logs, judged, key, method, num_resamples=50)
    apart = np.hypot(found.high - found.low, true.high - true.low) / 2
    assert abs(found.value - true.value) < 1.7 * apart
    assert found.high - found.low < 0.2
    own = estimate_value(CHAIN, logs, logged, key, method, num_resamples=50)
    assert own.value == pytest.approx(np.asarray(logs.rewards).sum(axis=1).mean(), abs=0.02)


def repeated(logs, times, **changes):
    """The rows of each user so many times, one after the other."""
    return logs.select(np.repeat(np.arange(logs.num_users), times)).replace(**changes)


@pytest.mark.parametrize("method", ["per-decision", "weighted"])
def test_a_user_is_drawn_with_all_its_sessions(method, key):
    """Four sessions that are all alike say no more than one, where they are known to be of the same user."""
    logs, _ = record(CHAIN, TabularPolicy(jnp.tile(jnp.array([0.0, 1.0]), (4, 1)), CHAIN, 0.4), key, 100, max_steps=20)
    once = estimate_value(CHAIN, logs, TARGET, key, method, num_resamples=40)
    known = repeated(logs, 4, identity=np.repeat(np.arange(100) * 3, 4))
    unknown = repeated(logs, 4)
    same, narrow = (estimate_value(CHAIN, each, TARGET, key, method, num_resamples=40) for each in (known, unknown))
    assert (same.value, same.low, same.high) == pytest.approx((once.value, once.low, once.high), rel=1e-5)
    assert narrow.value == pytest.approx(once.value, rel=1e-5)
    assert narrow.high - narrow.low < 0.8 * (once.high - once.low)


def test_the_other_users_of_doubly_robust_are_other_people(key):
    """User 1 and its second session are judged with the Q of users 0 and 2."""
    given = logs_of()
    once = estimate_value(CHAIN, given, TARGET, key, "doubly robust", 0.9, num_resamples=20)
    twice = repeated(given, 2, identity=np.repeat(np.arange(3), 2))
    found = estimate_value(CHAIN, twice, TARGET, key, "doubly robust", 0.9, num_resamples=20)
    assert found.value == pytest.approx(once.value, rel=1e-5)
    apart = estimate_value(CHAIN, repeated(given, 2), TARGET, key, "doubly robust", 0.9, num_resamples=20)
    assert apart.value != pytest.approx(once.value, rel=1e-3)
    with pytest.raises(jaxrec.InputError, match="folds must be at most 3, got 4"):
        estimate_value(CHAIN, twice, TARGET, key, "doubly robust", folds=4)


class Silent(Stateless):
    """Gives no probabilities."""

    def act(self, carry, obs, key):
        return jnp.zeros((), jnp.int32), carry


BAD = {
    "no propensities": ({"propensities": None}, {}, "logs must have propensities for per-decision, got actions"),
    "one unknown": (
        {"propensities": np.where(np.array(PROPENSITIES) == 0.4, np.nan, 0.5).astype(np.float32)},
        {},
        "logs must have propensities for per-decision, got none of user 0 in step 2",
    ),
    "no rewards": ({"rewards": None}, {}, "logs must have rewards"),
    "action": ({"actions": np.full((3, 5), 2, np.int32)}, {}, r"logs.actions must be within \[0, 1\], got 2"),
    "length": ({"observations": np.zeros((3, 5, 2), np.int32)}, {}, "logs.observations must have 1 entries for Chain"),
    "outside": (
        {"observations": np.full((3, 5, 1), 4, np.int32)},
        {"method": "fitted Q"},
        r"logs.observations must be of Chain, got \[4\] of user 0 in step 0",
    ),
    "method": ({}, {"method": "per decision"}, "unknown method 'per decision'. Did you mean 'per-decision'"),
    "gamma": ({}, {"gamma": 1.1}, "gamma must be within"),
    "policy": ({}, {"policy": Silent()}, r"policy must have probabilities\(carry, obs\), got a Silent"),
    "folds": ({}, {"method": "doubly robust", "folds": 4}, "folds must be at most 3, got 4"),
    "resamples": ({}, {"num_resamples": 1}, "num_resamples must be within"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_estimated_is_refused_in_a_line(name, key, untyped):
    logs, arguments, message = BAD[name]
    given = {"policy": TARGET, "method": "per-decision"} | arguments
    with pytest.raises(jaxrec.InputError, match=message) as error:
        estimate_value(CHAIN, logs_of(**logs), key=key, **given)
    assert "\n" not in str(error.value)


def test_a_table_needs_observations_that_can_be_indexed(key):
    env = PreferenceShift(horizon=2)
    logs, _ = record(env, RandomSlate(env.slates), key, 10)
    policy = RandomSlate(env.slates)
    with pytest.raises(jaxrec.InputError, match="indexable observations for fitted Q; PreferenceShift has not"):
        estimate_value(env, logs, policy, key, "fitted Q")
    found = estimate_value(env, logs, policy, key, "per-decision", num_resamples=20)
    assert found.value == pytest.approx(np.asarray(logs.rewards).sum(axis=1).mean(), rel=1e-4)
    seen = dataclasses.replace(env, observe_as="state")
    with pytest.raises(jaxrec.InputError, match=r"logs.observations must have 3 entries"):
        estimate_value(seen, logs, policy, key, "per-decision")
