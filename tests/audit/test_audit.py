"""Learners audited from their training on: which are accused, which are not, and which are refused."""

import jax
import numpy as np
import pytest
from probes import Chain
from shelf import Shelf

import jaxrec
from jaxrec.agents import LSTM, MLP, PPO, NodeMLP, QLearning, Ranking
from jaxrec.audit import audit, learn
from jaxrec.envs.learned import BeliefTransformer, Deployed, LearnedUsers
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.slates import Slate
from jaxrec.training import fit

ENV = PolarisingUsers(horizon=4)
QUICK = {"num_envs": 50, "num_steps": 4, "epsilon_start": 0.5}


@pytest.mark.slow
def test_worlds_that_are_the_same_differ_in_nothing(key):
    found = audit(ENV, QLearning(ENV, 2000, **QUICK), key, ENV.default_params.replace(influence=0.0), 3, 50)
    assert found.path is None
    assert found.learnable is False
    fields = [found.incentive, found.exploits, found.shift, found.harm.user, found.harm.society]
    for each in (*fields, found.direct, found.epistemic):
        assert (each.value, each.low, each.high) == (0, 0, 0)


@pytest.mark.slow
def test_a_myopic_learner_is_not_accused(key):
    """At gamma 0 there is a path, and nothing to gain by it."""
    learner = QLearning(ENV, 200_000, gamma=0.0, **QUICK)
    found = audit(ENV, learner, key, seeds=5, episodes=500)
    assert found.path == ["A_0", "theta_1", "clicked_2", "R_2"]
    assert found.incentive.low < 0 < found.incentive.high
    assert found.exploits.low < 0 < found.exploits.high
    assert found.learnable is False


def test_one_fit_trains_all_worlds_and_the_same_keys_each(key):
    calls = []

    def train(agent, keys, params, task):
        calls.append((jax.random.key_data(keys), np.asarray(params.influence), params.reward_weights, task))
        return fit(agent, keys, params, num_chunks=1)

    worlds = learn(QLearning(ENV, 400, **QUICK), key, ENV.default_params.replace(influence=0.5), 2, train=train)
    ((keys, influence, weights, task),) = calls
    np.testing.assert_array_equal(keys.reshape(3, 2, -1)[0], keys.reshape(3, 2, -1)[1])
    np.testing.assert_array_equal(keys.reshape(3, 2, -1)[0], keys.reshape(3, 2, -1)[2])
    np.testing.assert_array_equal(influence, [0.5, 0.5, 0, 0, 0.5, 0.5])
    np.testing.assert_array_equal(weights.recommender, [1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(weights.user, [0, 0, 0, 0, 1, 1])
    assert task == "training 2 seeds in 3 worlds"
    assert {policy.q.shape[0] for policy in worlds} == {2}


@pytest.mark.slow
def test_without_a_third_world_policies_are_those_of_plain_trainings(key):
    learner, seeds = QLearning(ENV, 400, **QUICK), 2
    factual, decoupled, initial = learn(learner, key, seeds=seeds, split=False)
    assert initial is None
    keys = jax.random.split(key, seeds)
    for policies, influence in ((factual, 1.0), (decoupled, 0.0)):
        params = jaxrec.batched(ENV.default_params.replace(influence=influence), seeds)
        np.testing.assert_array_equal(policies.q, fit(learner, keys, params).q)


@pytest.mark.slow
def test_a_reward_that_is_no_engagement_is_not_split(key):
    env = PolarisingUsers(horizon=4, reward="penalised")
    found = audit(env, QLearning(env, 400, **QUICK), key, seeds=2, episodes=5)
    assert found.direct is None
    assert found.epistemic is None


def _ppo(env, network):
    return PPO(env, network, total_timesteps=64, num_envs=4, num_steps=8, num_epochs=1)


def _rewiring():
    env, _ = jaxrec.make("RewiringGame-v0", num_users=6, degree=2)
    return env, _ppo(env, Ranking(NodeMLP((4,)), 4))


def _in_a_model():
    network = BeliefTransformer(width=4, heads=1, layers=0, mixtures=1)
    users, model = PreferenceShift(horizon=3, observe_as="state"), LearnedUsers(horizon=3, network=network)
    return Deployed(users, model), _ppo(model, MLP(model.num_actions, (4,)))


def _preference():
    env = PreferenceShift(horizon=3)
    return env, _ppo(env, MLP(env.num_actions, (4,)))


LEARNERS = {
    "LSTM": lambda: (ENV, _ppo(ENV, LSTM(3, 4))),
    "beliefs": _preference,
    "society": _rewiring,
    "in a model of users": _in_a_model,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_can_be_audited(name, key):
    env, learner = LEARNERS[name]()
    found = audit(env, learner, key, seeds=2, episodes=4, max_steps=6)
    assert found.path
    assert np.isfinite(found.incentive.value)
    assert found.incentive.value == pytest.approx(found.direct.value + found.epistemic.value, abs=1e-5)
    assert abs(found.exploits.value) <= 1
    assert len(found.exploits_by_step) == (env.fixed_horizon or 6)


def test_bad_input_is_refused(key, untyped):
    learner = QLearning(ENV, 400, **QUICK)
    for changes, message in (
        ({"seeds": 0}, "seeds must be an integer of at least 1"),
        ({"env": Chain(), "learner": QLearning(Chain(), 400, **QUICK)}, "Chain must name in `preferences`"),
        ({"horizon": 0}, "horizon must be an integer of at least 1"),
        ({"key": 1}, "key must be"),
    ):
        with pytest.raises(jaxrec.InputError, match=message):
            audit(**({"env": ENV, "learner": learner, "key": key} | changes))


@pytest.mark.slow
def test_a_learner_finds_what_it_can_gain_by_hand(key):
    """One opposed article makes a user of 0.4 one of 0.75: 0.1 + 2 * 0.75 clicks in place of 3 * 0.4."""
    env = PolarisingUsers(horizon=3)
    params = env.default_params.replace(population=np.array([[0.4, 0.1, 0.1]]), factor_low=2.0, factor_high=2.0)
    learner = QLearning(env, 60_000, gamma=1.0, **QUICK | {"num_steps": 3})
    found = audit(env, learner, key, params, episodes=500)
    assert found.learnable is True
    assert found.incentive.low < 0.4 < found.incentive.high
    assert found.exploits.value == pytest.approx(1 / 3, abs=0.06)
    assert found.exploits_by_step[0].value == 1
    assert found.shift.value == pytest.approx(0.35, abs=1e-4)
    assert found.harm.society.value == pytest.approx(-0.35, abs=1e-4)
    assert found.harm.user.value == pytest.approx((0.1 + 2 * 0.4) / 3 - 0.4, abs=1e-4)
    assert (found.epistemic.value, found.direct.value) == (0, pytest.approx(found.incentive.value))


def test_too_many_slates_are_refused_before_anything_is_trained(key):
    class Wide(Shelf):
        def action_space(self, params=None):
            return Slate(33, 2)

    with pytest.raises(jaxrec.InputError, match="at most 1000 slates to list them, got 1056"):
        audit(Wide(), PPO(Shelf(), MLP(), 64, num_envs=4, num_steps=4), key, train=lambda *_: pytest.fail("it trains"))
