"""Learned users: what they prefer and choose, against a network that infers exactly; and what is refused."""

import itertools

import jax
import numpy as np
import pytest
from learned_oracle import MODEL, ORACLE, PEOPLE, PLAYED, SLATES, STEPS, TRUTH, UNIFORM, USERS, any_weights, near, play

import jaxrec
from jaxrec.envs.learned import (
    BeliefTransformer,
    LearnedParams,
    LearnedUsers,
)
from jaxrec.envs.preference import dynamics
from jaxrec.testing import api_test


def plain_choice(slate, u):
    pull = np.asarray(PEOPLE.pull, float)
    weights = np.array([slate[x] * np.exp(pull[u, x]) for x in range(36)])
    return weights / weights.sum(), weights.sum()


def test_utilities_are_expectations_over_beliefs(rough, key):
    actions = np.array([0, 2, UNIFORM, 1])
    params = rough.replace(safe_weights=np.array([0.5, 2.0], np.float32))
    bait = np.asarray(dynamics.bait(TRUTH))
    _, states, utilities, reward_components, metrics = play(MODEL, key, actions, params)
    jax.tree.map(np.testing.assert_array_equal, utilities, reward_components)
    slates = np.asarray(MODEL.slates, float)
    for time, action in enumerate(actions):
        believed = {name: getattr(states, name)[time] for name in ("initial", "current", "natural")}
        chosen = np.zeros(36)
        found = dict.fromkeys(("engagement", "engagement_initial", "engagement_natural", "click"), 0.0)
        for u in range(36):
            table, weight = plain_choice(slates[action], u)
            chosen += believed["current"][u] * table
            found["click"] += believed["current"][u] * weight / (1 + weight)
            of_items = [np.cos(np.radians(10 * (x - u))) - bait[x] for x in range(36)]
            found["engagement"] += believed["current"][u] * table @ of_items
        for u, x in itertools.product(range(36), range(36)):
            worth = chosen[x] * (np.cos(np.radians(10 * (x - u))) - bait[x])
            found["engagement_initial"] += believed["initial"][u] * worth
            found["engagement_natural"] += believed["natural"][u] * worth
        for name, value in found.items():
            assert metrics[name][time] == pytest.approx(value, abs=1e-4), name
        assert utilities.recommender[time] == metrics["engagement"][time]
        safe = 0.5 * found["engagement_initial"] + 2 * found["engagement_natural"]
        assert utilities.user[time] == pytest.approx(safe, abs=2e-4)
        apart = 0.5 * np.abs(believed["current"] - believed["natural"]).sum()
        assert utilities.society[time] == pytest.approx(-apart, abs=1e-5)
        assert metrics["steered"][time] == pytest.approx(apart, abs=1e-5)
        assert metrics["bait"][time] == pytest.approx(bait[states.choice[time + 1]], abs=1e-6)
        mean = [
            np.angle((believed[name] * np.exp(1j * np.radians(dynamics.DEGREES))).sum(), deg=True)
            for name in ("initial", "current")
        ]
        assert metrics["shift"][time] == pytest.approx(abs((mean[1] - mean[0] + 180) % 360 - 180), abs=0.05)
    of_users = jax.eval_shape(lambda: USERS.metrics(USERS.reset(key)[1], 0, USERS.reset(key)[1], TRUTH))
    assert set(of_users) <= set(metrics)


def test_choices_are_as_frequent_as_beliefs_and_choice_model_say(simulated, tables):
    actions, current, choices = simulated
    for time in range(STEPS):
        expected = np.einsum("nu,nux->nx", current[:, time], tables.choice[actions[:, time]])
        found = np.bincount(choices[:, time], minlength=36) / PLAYED
        assert near(found, expected.mean(axis=0), PLAYED)


def test_simulated_users_shift_as_the_users_do_of_whom_the_model_is_exact(simulated, tables, prior):
    _, current, _ = simulated
    later = prior
    for time in range(STEPS + 1):
        assert near(current[:, time].mean(axis=0), later, PLAYED)
        later = later @ tables.shift.mean(axis=0)


def test_it_keeps_the_contract():
    """A small one; the registered one in tests/core/test_environment.py, with its own recommenders."""

    class Unserved(LearnedUsers):
        policies = {}  # noqa: RUF012

    env = Unserved(**SLATES, network=BeliefTransformer(width=4, layers=0, mixtures=2))
    api_test(env, any_weights(env), num_envs=4, num_steps=9)


@pytest.mark.slow
def test_the_own_recommenders_serve(oracle, key):
    for name in MODEL.policies:
        for influence in (0.0, 1.0):
            result = jaxrec.rollout(ORACLE, ORACLE.policy(name), key, 4, 2, oracle.replace(influence=influence))
            assert np.isfinite(result.per_env["engagement"]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observe_as": "state"}, "observe_as"),
        ({"horizon": 0}, "horizon"),
        ({"network": BeliefTransformer(width=6, heads=4)}, "network.heads"),
        ({"network": BeliefTransformer(mixtures=0)}, "network.mixtures"),
        ({"network": BeliefTransformer(concentration=float("inf"))}, "network.concentration"),
    ],
)
def test_bad_settings_are_refused(changes, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        LearnedUsers(**changes)


def test_weights_of_another_network_are_refused(rough, key):
    other = LearnedUsers(**SLATES, network=BeliefTransformer(width=4, layers=1))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape), jax.eval_shape(other.init_network, key))
    for kind in ("future", "initial", "counterfactual"):
        for given in (zeros, None):
            params = rough.replace(weights=rough.weights.replace(**{kind: given}))
            with pytest.raises(jaxrec.InputError, match=rf"weights\.{kind}"):
                MODEL.reset(key, params)
    with pytest.raises(jaxrec.InputError, match=r"weights\.future"):
        MODEL.reset(key, LearnedParams())


def test_an_untrained_model_is_of_float32_whatever_is_in_force(key):
    """Default parameters are cached: those made under x64 must do afterwards."""
    with jax.enable_x64(True):
        kinds = {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(MODEL.init_network, key))}
    assert kinds == {np.dtype("float32")}
