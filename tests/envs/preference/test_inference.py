"""Beliefs about users, held against enumeration of histories, messages, and dynamax."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from preference_loops import PARAMS, plain_slate

import jaxrec
from jaxrec.envs.preference import PreferenceShift, exact, fitted_slates, inference


def enumerated(tables, slates, choices):
    """P(u_0, u_T | choices) by summing over every path of preferences, five bins at a time."""
    start = plain_slate(130, 20)
    joint = np.zeros((36, 36))
    choice, shift = np.asarray(tables.choice, float), np.asarray(tables.shift, float)
    for path in itertools.product(range(36), repeat=len(slates)):
        weight = start[path[0]]
        for time, (slate, item) in enumerate(zip(slates, choices, strict=True)):
            weight *= choice[slate, path[time], item]
            if time + 1 < len(slates):
                weight *= shift[slate, path[time], path[time + 1]]
        joint[path[0]] += weight * shift[slates[-1], path[-1]]
    return joint / joint.sum(), np.log(joint.sum())


def test_inference_equals_enumeration_of_every_history(tables):
    slates, choices = (1, 4), (9, 25)
    joint, likelihood = enumerated(tables, slates, choices)
    joints, log = inference.infer(tables, jnp.array(slates), jnp.array(choices), PARAMS)
    np.testing.assert_allclose(joints[-1], joint, atol=1e-6)
    assert log == pytest.approx(likelihood, rel=1e-4)
    np.testing.assert_allclose(inference.smoothed(joints[-1]), joint.sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(inference.filtered(joints[-1]), joint.sum(axis=0), atol=1e-6)
    policy = np.zeros((3, 6))
    policy[:, [0, 2]] = 0.25, 0.75
    later = joint.sum(axis=1)
    mixed = 0.25 * np.asarray(tables.shift[0]) + 0.75 * np.asarray(tables.shift[2])
    for predicted in inference.counterfactual(joints[-1], tables, jnp.asarray(policy)):
        np.testing.assert_allclose(predicted, later, atol=1e-5)
        later = later @ mixed


@pytest.mark.slow
def test_beliefs_in_the_observation_are_those_of_inference(tables, key):
    env = PreferenceShift(horizon=4, slate_means=fitted_slates("optima"))
    played = jaxrec.rollout(env, env.policy("random"), key, 3, 4, PARAMS, trajectory=True).trajectory
    for user in range(3):
        joints, _ = inference.infer(tables, played.action[:, user], played.next_state.choice[:, user], PARAMS)
        naturally = exact.natural_preferences(tables, 4)
        for time in range(1, 4):
            obs = jax.tree.map(lambda leaf, at=(time, user): leaf[at], played.obs)
            np.testing.assert_allclose(obs.initial, joints[time - 1].sum(axis=1), atol=1e-5)
            np.testing.assert_allclose(obs.current, joints[time - 1].sum(axis=0), atol=1e-5)
            np.testing.assert_allclose(obs.natural, obs.initial @ naturally[time], atol=1e-5)
            np.testing.assert_allclose(obs.slate, env.slates[played.action[time - 1, user]], atol=1e-6)


@pytest.mark.parametrize("number", [1, 6, inference.AT_ONCE + 1])
def test_beliefs_are_rolled_forward_under_the_slate_that_was_shown(number):
    rng = np.random.default_rng(0)
    shifts, beliefs = (rng.dirichlet(np.ones(36), size) for size in ((number, 36), 50))
    slates = rng.integers(number, size=50)
    rolled = jax.jit(jax.vmap(inference.shifted, in_axes=(0, None, 0)))(beliefs, shifts, slates)
    expected = [belief @ shifts[slate] for belief, slate in zip(beliefs, slates, strict=True)]
    np.testing.assert_allclose(rolled, expected, atol=1e-7)


@pytest.mark.parametrize("time", [0, 1, 2, 5, 9, 10])
def test_rolling_forward_by_squares_is_as_step_by_step(tables, time):
    belief = np.random.default_rng(1).dirichlet(np.ones(36), size=3)
    later = belief
    for _ in range(time):
        later = later @ np.asarray(tables.natural, float)
    rolled = inference.after(jnp.asarray(belief), inference.powers(tables.natural, 10), jnp.int32(time))
    np.testing.assert_allclose(rolled, later, atol=1e-6)


def test_judges_after_some_steps_are_the_mean_of_those_that_users_become(tables):
    natural = np.asarray(tables.natural, float)
    cosines = np.stack([np.cos(np.arange(36) * np.pi / 18), np.sin(np.arange(36) * np.pi / 18), -np.ones(36)], axis=1)
    after = inference.judges_after(tables.natural, 10)
    assert after.shape == (10, 36, 3)
    for time in range(10):
        np.testing.assert_allclose(after[time], np.linalg.matrix_power(natural, time) @ cosines, atol=1e-6)


def test_long_histories_are_inferred_as_by_messages_forward_and_backward(tables):
    """Filtering by forward messages, smoothing of u_0 by backward ones, in plain loops and logarithms."""
    rng = np.random.default_rng(0)
    slates, choices = rng.integers(6, size=80), rng.integers(36, size=80)
    joints, likelihood = inference.infer(tables, jnp.asarray(slates), jnp.asarray(choices), PARAMS)
    chosen, shift = np.log(np.asarray(tables.choice, float)), np.log(np.asarray(tables.shift, float) + 1e-300)
    forward = np.log(plain_slate(130, 20))
    for slate, item in zip(slates, choices, strict=True):
        seen = forward + chosen[slate, :, item]
        forward = np.logaddexp.reduce(seen[:, None] + shift[slate], axis=0)
    backward = np.zeros(36)
    for slate, item in zip(slates[::-1], choices[::-1], strict=True):
        backward = chosen[slate, :, item] + np.logaddexp.reduce(shift[slate] + backward, axis=1)
    first = np.log(plain_slate(130, 20)) + backward
    assert likelihood == pytest.approx(np.logaddexp.reduce(forward), rel=1e-4)
    np.testing.assert_allclose(joints[-1].sum(axis=0), np.exp(forward - np.logaddexp.reduce(forward)), atol=1e-5)
    np.testing.assert_allclose(joints[-1].sum(axis=1), np.exp(first - np.logaddexp.reduce(first)), atol=1e-4)


@pytest.mark.slow
def test_long_histories_are_inferred_as_by_dynamax(tables):
    hmm = pytest.importorskip("dynamax.hidden_markov_model", reason="pip install dynamax, in an environment of its own")
    rng = np.random.default_rng(1)
    slates, choices = rng.integers(6, size=80), rng.integers(36, size=80)
    joints, likelihood = inference.infer(tables, jnp.asarray(slates), jnp.asarray(choices), PARAMS)
    seen = jnp.log(tables.choice[slates, :, choices])
    theirs = hmm.hmm_smoother(jnp.asarray(plain_slate(130, 20), jnp.float32), tables.shift[slates[:-1]], seen)
    assert likelihood == pytest.approx(float(theirs.marginal_loglik), rel=1e-4)
    np.testing.assert_allclose(joints[-1].sum(axis=1), theirs.smoothed_probs[0], atol=1e-4)
    following = theirs.filtered_probs[-1] @ tables.shift[slates[-1]]
    np.testing.assert_allclose(joints[-1].sum(axis=0), following, atol=1e-5)
