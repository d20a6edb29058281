"""Estimators against the exact value of a small world, over all of its trajectories, and against plain loops."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.offline import estimators
from jaxrec.offline.estimators import Judged

STEPS, GAMMA = 3, 0.8
rng = np.random.default_rng(0)
START, MOVE, PAID = np.array([0.3, 0.7]), rng.dirichlet([1, 1], (2, 2)), rng.normal(size=(STEPS, 2, 2))
BEHAVIOUR, TARGET = np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([[0.2, 0.8], [1.0, 0.0]])
WRONG_Q = rng.normal(size=(STEPS, 2, 2))


def exact_q():
    """float[steps, states, actions] of the target, by backward induction; and its value."""
    q, value = np.zeros((STEPS, 2, 2)), np.zeros(2)
    for time in reversed(range(STEPS)):
        q[time] = PAID[time] + GAMMA * MOVE @ value
        value = (TARGET * q[time]).sum(axis=1)
    return q, START @ value


def every_trajectory(q):
    """(probability under the behaviour, what the target sees) of all that can happen."""
    for states in itertools.product(range(2), repeat=STEPS):
        for actions in itertools.product(range(2), repeat=STEPS):
            chance = START[states[0]] * np.prod([BEHAVIOUR[s, a] for s, a in zip(states, actions, strict=True)])
            chance *= np.prod([MOVE[states[t], actions[t], states[t + 1]] for t in range(STEPS - 1)])
            at = np.arange(STEPS), np.array(states), np.array(actions)
            ratio = TARGET[at[1:]] / BEHAVIOUR[at[1:]]
            v = (TARGET[at[1]] * q[at[:2]]).sum(axis=1)
            yield chance, Judged(*map(jnp.asarray, (ratio, PAID[at], q[at], v)))


def expected(estimator, q):
    """The mean of numerators and denominators under the behaviour."""
    chances, judged = zip(*every_trajectory(q), strict=True)
    terms = jax.vmap(lambda one: estimator(one, GAMMA))(jax.tree.map(lambda *each: jnp.stack(each), *judged))
    return [np.array(chances) @ np.asarray(part) for part in terms]


@pytest.mark.parametrize(
    ("estimator", "q"),
    [
        (estimators.importance_sampling, np.zeros((STEPS, 2, 2))),
        (estimators.per_decision, np.zeros((STEPS, 2, 2))),
        (estimators.doubly_robust, WRONG_Q),
        (estimators.doubly_robust, exact_q()[0]),
        (estimators.direct, exact_q()[0]),
    ],
)
def test_means_over_all_that_can_happen_are_the_value(estimator, q):
    """Unbiased; doubly robust whatever its model says."""
    numerator, denominator = expected(estimator, q)
    np.testing.assert_allclose(denominator, 1, rtol=1e-5)
    assert numerator.sum() == pytest.approx(exact_q()[1], abs=1e-5)


def test_weighted_is_consistent():
    """With all trajectories as often as they happen, mean ratios are 1."""
    numerator, denominator = expected(estimators.weighted, np.zeros((STEPS, 2, 2)))
    np.testing.assert_allclose(denominator, 1, rtol=1e-5)
    assert (numerator / denominator).sum() == pytest.approx(exact_q()[1], abs=1e-5)


def test_terms_are_those_of_plain_loops():
    ratio, reward, q, v = rng.uniform(0.1, 3, (4, 5))
    judged = Judged(*map(jnp.asarray, (ratio, reward, q, v)))
    weight, per_step, robust, before = 1.0, [], [], 1.0
    for t in range(5):
        weight *= ratio[t]
        per_step.append(GAMMA**t * weight * reward[t])
        robust.append(GAMMA**t * (weight * (reward[t] - q[t]) + before * v[t]))
        before = weight
    discounted = sum(GAMMA**t * reward[t] for t in range(5))
    np.testing.assert_allclose(estimators.per_decision(judged, GAMMA)[0], per_step, rtol=1e-5)
    np.testing.assert_allclose(estimators.doubly_robust(judged, GAMMA)[0], robust, rtol=1e-5)
    np.testing.assert_allclose(estimators.importance_sampling(judged, GAMMA)[0], [weight * discounted], rtol=1e-5)
    np.testing.assert_allclose(estimators.weighted(judged, GAMMA)[1], np.cumprod(ratio), rtol=1e-5)
    np.testing.assert_allclose(estimators.direct(judged, GAMMA)[0], [v[0]])
