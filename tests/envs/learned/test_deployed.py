"""Models deployed to users as they are."""

from functools import partial

import jax
import numpy as np
import pytest
from learned_oracle import MODEL, NETWORK, ORACLE, SLATES, TRUTH, UNIFORM, USERS, Oracle, any_weights, play

import jaxrec
from jaxrec.envs.learned import (
    Deployed,
    DeployedParams,
    LearnedUsers,
)
from jaxrec.envs.preference import PreferenceShift, RandomSlate, dynamics, policies
from jaxrec.estimation import record
from jaxrec.testing import api_test

CLICKED = {"counts": "click"}
DEPLOYED = Deployed(
    PreferenceShift(**SLATES, **CLICKED, observe_as="state"), LearnedUsers(**SLATES, **CLICKED, network=Oracle())
)
ACTIONS = np.array([UNIFORM, 0, 2, 1])  # of the first step the model sees no slate: it takes it as uniform


@pytest.fixture(scope="module")
def deployed(oracle):
    """(as played by Deployed, by PreferenceShift) on the same keys."""
    params = DeployedParams(users=TRUTH, model=oracle)
    key = jax.random.key(3)
    return play(DEPLOYED, key, ACTIONS, params), play(PreferenceShift(**SLATES, **CLICKED), key, ACTIONS, TRUTH)


@pytest.mark.slow
def test_deployed_keeps_the_contract():
    model = LearnedUsers(**SLATES, **CLICKED, network=NETWORK)
    params = DeployedParams(users=TRUTH, model=any_weights(model))
    api_test(Deployed(DEPLOYED.users, model), params, num_envs=4, num_steps=9)


def test_beliefs_of_an_exact_model_are_those_of_exact_inference(deployed):
    """All three, after every step; and so are the clicks that the recommender is paid for."""
    (obs, _, _, reward_components, metrics), (true_obs, _, _, true_incentives, _) = deployed
    for name in ("slate", "choice", "current", "initial", "natural"):
        np.testing.assert_allclose(getattr(obs, name), getattr(true_obs, name), atol=2e-5, err_msg=name)
    np.testing.assert_allclose(reward_components.recommender, true_incentives.recommender, atol=1e-4)
    np.testing.assert_allclose(metrics["estimated_click"], true_incentives.recommender, atol=1e-4)


def test_users_are_those_that_they_would_be_without_a_model(deployed):
    (_, states, utilities, _, metrics), (_, true_states, true_utilities, _, true_metrics) = deployed
    for name in ("time", "initial", "preference", "natural", "slate", "choice"):
        np.testing.assert_array_equal(getattr(states.user, name), getattr(true_states, name))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), utilities, true_utilities)
    for name, value in true_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_estimates_are_those_of_the_model_after_the_same_history(deployed, tables):
    (_, states, _, reward_components, metrics), _ = deployed
    model, judges = states.model, dynamics.JUDGES
    np.testing.assert_allclose(model.memory.slates[-1], USERS.slates[ACTIONS], rtol=1e-6)
    likelihood = tables.choice[ACTIONS, :, states.user.choice[1:]]
    np.testing.assert_allclose(model.memory.likelihood[-1], likelihood, rtol=1e-5)
    for time, action in enumerate(ACTIONS):
        current, liked = model.current[time], tables.liked[action]
        expected = {
            "click": current @ tables.click[action],
            "engagement": current @ (liked * judges).sum(axis=1),
            "engagement_initial": (current @ liked) @ (model.initial[time] @ judges),
            "engagement_natural": (current @ liked) @ (model.natural[time] @ judges),
        }
        for name, value in expected.items():
            assert metrics[f"estimated_{name}"][time] == pytest.approx(value, abs=1e-5), name
        safe = expected["engagement_initial"] + expected["engagement_natural"]
        assert reward_components.user[time] == pytest.approx(safe, abs=2e-5)


def test_influence_is_that_on_the_user_alone(oracle, key):
    params = DeployedParams(users=TRUTH, model=oracle, influence=0.0)
    obs, states, *_ = play(DEPLOYED, key, ACTIONS, params)
    np.testing.assert_array_equal(states.user.preference, states.user.natural)
    np.testing.assert_allclose(states.model.memory.slates[-1], USERS.slates[ACTIONS], rtol=1e-6)
    np.testing.assert_allclose(obs.slate[1:], USERS.slates[ACTIONS], rtol=1e-6)


@pytest.mark.slow
def test_logs_of_deployed_recommenders_are_those_of_the_users(oracle, key):
    policy, params = RandomSlate(USERS.slates), DeployedParams(users=TRUTH, model=oracle)
    ours, theirs = record(DEPLOYED, policy, key, 8, params), record(USERS, policy, key, 8, TRUTH)
    jax.tree.map(np.testing.assert_array_equal, ours[1], theirs[1])
    for name in ("slates", "choices", "actions", "propensities", "valid"):
        np.testing.assert_array_equal(getattr(ours[0], name), getattr(theirs[0], name))


@pytest.mark.parametrize("changes", [{"horizon": 3}, {"slate_means": (80.0, 200.0, 320.0, 10.0)}])
def test_users_and_model_must_fit(changes):
    with pytest.raises(jaxrec.InputError, match=next(iter(changes))):
        Deployed(PreferenceShift(**SLATES | changes), MODEL)


def test_a_recommender_moves_between_users_and_model_unchanged(deployed, oracle, key):
    """It sees the same fields everywhere and, where the model is exact, does the same."""
    policy = policies.myopic(USERS, TRUTH)
    served = {USERS: TRUTH, ORACLE: oracle, DEPLOYED: DeployedParams(users=TRUTH, model=oracle)}

    def first_step(env, params):
        obs, state = env.reset_env(key, params)
        return obs, env.step_env(key, state, policy.act((), obs, key)[0], params)[0]

    shapes = [jax.eval_shape(partial(first_step, env), params) for env, params in served.items()]
    assert shapes[0] == shapes[1] == shapes[2]
    assert shapes[0][0] == shapes[0][1]
    (ours, *_), (theirs, *_) = deployed
    acted = [jax.vmap(lambda obs: policy.act((), obs, key)[0])(obs) for obs in (ours, theirs)]
    np.testing.assert_array_equal(*acted)
