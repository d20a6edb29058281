"""Anticipated preferences, held against exact prediction and exact counterfactuals."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learned_oracle import ORACLE, PLAYED, STEPS, UNIFORM, USERS, near

import jaxrec
from jaxrec.envs.preference import RandomSlate
from jaxrec.estimation import Logs, counterfactual_preferences, future_preferences
from jaxrec.estimation.dataset import Lottery

SAMPLES = 1000


def log_of(lengths, first=UNIFORM, seed=0, steps=None):
    """Of users who stayed for so long, at random slates of USERS after the first."""
    rng = np.random.default_rng(seed)
    shape = len(lengths), steps or max(lengths)
    shown = rng.integers(4, size=shape)
    shown[:, 0] = first
    valid = np.arange(shape[1]) < np.asarray(lengths)[:, None]
    return shown, Logs(
        slates=jnp.where(valid[..., None], USERS.slates[shown], 1 / 36),
        choices=jnp.where(valid, rng.integers(36, size=shape), 0),
        valid=jnp.asarray(valid),
        policy=jnp.zeros(len(lengths), jnp.int32),
        policies=("any",),
    )


def known(tables, prior, shown, past, user):
    """P(u_0, u_t) after each of a user's steps."""
    joints = [np.diag(prior).astype(float)]
    for time in range(int(past.valid[user].sum())):
        seen = joints[-1] * tables.choice[shown[user, time], :, past.choices[user, time]]
        joints.append(seen / seen.sum() @ tables.shift[shown[user, time]])
    return np.array(joints)


@pytest.mark.slow
def test_users_go_on_from_their_past_as_exact_prediction_has_it(oracle, tables, prior, simulated):
    """What is past is known for certain, what comes is a mean over samples; one of the users has no past."""
    lengths = [3, 1, 0]
    shown, past = log_of(lengths)
    policy = RandomSlate(ORACLE.slates)
    one, two = (future_preferences(ORACLE, policy, jax.random.key(seed), oracle, past, SAMPLES) for seed in range(2))
    for user, length in enumerate(lengths):
        joints = known(tables, prior, shown, past, user)
        for time in range(length):
            chosen = joints[time].sum(axis=0) @ tables.choice[shown[user, time]]
            np.testing.assert_allclose(one.choices[user, time], chosen, atol=2e-5)
        for found in (one, two):
            np.testing.assert_allclose(found.preferences[user, : length + 1], joints.sum(axis=1), atol=2e-5)
        later = joints[-1].sum(axis=0)
        for time in range(length, STEPS):
            assert near(one.preferences[user, time], later, SAMPLES)
            assert near(one.choices[user, time], later @ tables.choice.mean(axis=0), SAMPLES)
            assert near(two.preferences[user, time], one.preferences[user, time], SAMPLES / 2)
            later = later @ tables.shift.mean(axis=0)
    _, current, choices = simulated
    for time in range(STEPS):  # nothing is known of the last one: it is anybody in the environment
        count = SAMPLES * PLAYED / (SAMPLES + PLAYED)
        assert near(current[:, time].mean(axis=0), one.preferences[-1, time], count)
        assert near(np.bincount(choices[:, time], minlength=36) / PLAYED, one.choices[-1, time], count)
    nobody = jax.eval_shape(partial(future_preferences, ORACLE, policy), jax.random.key(0), oracle)
    assert nobody.preferences.shape == nobody.choices.shape == (1, STEPS, 36)


@pytest.mark.slow
def test_served_otherwise_from_the_start_as_exact_counterfactuals_have_it(oracle, tables, prior):
    """What is known of u_0 from all of the past, then another recommender: random, or the uniform slate alone.

    Whatever stands in the log after a user's last step.
    """
    shown, past = log_of([3, 2], seed=1)
    past = past.replace(slates=past.slates.at[1, 2].set(USERS.slates[0]), choices=past.choices.at[1, 2].set(7))
    for chances in ([0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 1.0]):
        policy, shift = Lottery(jnp.array(chances)), np.einsum("a,auv->uv", chances, tables.shift)
        found = counterfactual_preferences(ORACLE, policy, jax.random.key(0), oracle, past, SAMPLES)
        for user in range(2):
            later = known(tables, prior, shown, past, user)[-1].sum(axis=1)
            np.testing.assert_allclose(found.preferences[user, 0], later, atol=2e-5)
            for time in range(STEPS):
                assert near(found.preferences[user, time], later, SAMPLES)
                assert near(found.choices[user, time], later @ np.tensordot(chances, tables.choice, 1), SAMPLES)
                later = later @ shift


def test_what_cannot_be_anticipated_is_refused(oracle, key):
    policy = RandomSlate(ORACLE.slates)
    _, long = log_of([STEPS + 1])
    for anticipate in (future_preferences, counterfactual_preferences):
        with pytest.raises(jaxrec.InputError, match=f"{STEPS + 1} steps, the model a horizon of {STEPS}"):
            anticipate(ORACLE, policy, key, oracle, long)
        with pytest.raises(jaxrec.InputError, match="samples"):
            anticipate(ORACLE, policy, key, oracle, log_of([1])[1], samples=0)
        with pytest.raises(jaxrec.InputError, match="choice_base"):
            anticipate(ORACLE, policy, key, oracle.replace(choice_base=-1.0), log_of([1])[1])
