"""Q from logs of random finite worlds: dynamic programming on the empirical model, and no action that nobody took."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probes import Chain

from jaxrec.estimation import Logs
from jaxrec.offline import BatchQ
from jaxrec.spaces import Discrete

STEPS = 5
UNSEEN = 50.0  # far beyond what can be earned: whoever takes the unseen for good would take it everywhere


@dataclasses.dataclass(unsafe_hash=True)
class Cells(Chain):
    """Tells how many places and actions there are; what happens there is in the logs alone."""

    length: int = 4
    actions: int = 3

    def action_space(self, params=None):
        """The actions."""
        return Discrete(self.actions)


@jax.jit
def learned(agent):
    state = agent.init(jax.random.key(0), None)
    return agent.advance(state, None, 0, agent.num_updates)[0]


def walked(rng, users, places, actions):
    """Logs of a random world under a platform that never takes some actions: arrays [users, steps], and lengths."""
    kernel = rng.dirichlet(np.full(places, 0.5), (places, actions))
    paid = rng.normal(size=(places, actions, places))
    behaviour = rng.dirichlet(np.full(actions, 0.5), places) * (rng.random((places, actions)) < 0.6)
    behaviour[behaviour.sum(axis=1) == 0] = 1
    behaviour /= behaviour.sum(axis=1, keepdims=True)
    at, acted, earned = np.zeros((users, STEPS), int), np.zeros((users, STEPS), int), np.zeros((users, STEPS))
    for user in range(users):
        here = rng.integers(places)
        for step in range(STEPS):
            action = rng.choice(actions, p=behaviour[here])
            there = rng.choice(places, p=kernel[here, action])
            at[user, step], acted[user, step], earned[user, step] = here, action, paid[here, action, there]
            here = there
    return at, acted, earned, rng.integers(1, STEPS + 1, users)


def empirical(at, acted, earned, lengths, places, actions):
    """The world as logged: counts [o, a], mean rewards [o, a], and shares of what follows [o, a, o'], the rest ends."""
    counts, rewards = np.zeros((places, actions)), np.zeros((places, actions))
    follows = np.zeros((places, actions, places))
    for user, length in enumerate(lengths):
        for step in range(length):
            cell = at[user, step], acted[user, step]
            counts[cell] += 1
            rewards[cell] += earned[user, step]
            if step + 1 < length:
                follows[cell][at[user, step + 1]] += 1
    some = np.maximum(counts, 1)
    return counts, rewards / some, follows / some[..., None]


def planned(counts, rewards, follows, allowed, gamma, pessimism):
    """Backward induction on the empirical model: q [o, a]; cells that were never logged are worth `UNSEEN`."""
    later = np.zeros(len(rewards))
    for _ in range(STEPS):
        q = np.where(counts > 0, rewards + gamma * follows @ later - pessimism / np.sqrt(np.maximum(counts, 1)), UNSEEN)
        later = np.where(allowed, q, -np.inf).max(axis=1)
    return q


@pytest.mark.parametrize(("places", "actions"), [(4, 3), (6, 2)])
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    users=st.sampled_from([1, 7, 60]),
    gamma=st.sampled_from([0.0, 0.9, 1.0]),
    threshold=st.sampled_from([0.0, 1e-3, 0.3, 0.7]),
    pessimism=st.sampled_from([0.0, 0.5]),
)
def test_random_worlds_are_planned_in_as_they_were_logged(places, actions, seed, users, gamma, threshold, pessimism):
    at, acted, earned, lengths = walked(np.random.default_rng(seed), users, places, actions)
    counts, rewards, follows = empirical(at, acted, earned, lengths, places, actions)
    logs = Logs(
        valid=np.arange(STEPS) < lengths[:, None],
        policy=np.zeros(users, np.int32),
        policies=("b",),
        actions=acted.astype(np.int32),
        rewards=earned.astype(np.float32),
        observations=at.astype(np.int32)[..., None],
    )
    agent = BatchQ(Cells(places, actions=actions), logs, gamma, threshold, pessimism, UNSEEN)
    state = learned(agent)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    enough = shares.astype(np.float32) >= np.float32(threshold)
    allowed = np.where(enough.any(axis=1, keepdims=True), enough, shares == shares.max(axis=1, keepdims=True))
    np.testing.assert_array_equal(state.allowed, allowed)
    q = planned(counts, rewards, follows, allowed, gamma, pessimism)
    np.testing.assert_allclose(state.q, q, rtol=1e-4, atol=1e-4)

    shown = np.asarray(jax.vmap(lambda place: agent.policy(state).probabilities((), place)[0])(jnp.arange(places)))
    best = np.where(allowed, q, -np.inf).max(axis=1, keepdims=True)
    assert (q[shown > 0] >= np.broadcast_to(best, q.shape)[shown > 0] - 1e-3).all()
    logged = counts.sum(axis=1) > 0
    if threshold:
        assert (counts[logged] > 0)[shown[logged] > 0].all()  # never an action that nobody took, however good it looks
    else:
        logged_best = np.where(counts > 0, q, -np.inf).max(axis=1, keepdims=True)  # may exceed it by what leads there
        assert (shown[(counts == 0) & (logged_best < UNSEEN - 1e-3)] > 0).all()
