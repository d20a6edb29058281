"""Users who value different things: the posterior and the best play against loops of plain Python."""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from kitchen import COST, ENV, HORIZON, NOISE, PARAMS, PRIOR, VALUES, Kitchen

import jaxrec
from jaxrec import Utilities
from jaxrec.agents import MLP, PPO
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.testing import api_test
from jaxrec.wrappers import TimeLimit, UncertainReward


def bayes(posterior, answer, noise):
    """By counting: of all users and all ways to answer, those in which this answer is heard."""
    joint = [p * ((1 - noise) * (kind == answer) + noise / len(posterior)) for kind, p in enumerate(posterior)]
    return [each / sum(joint) for each in joint]


def best(posterior, time, noise, cost, asks=True):
    """(expected value from here on, best action), by dynamic programming over answers; action 3 asks."""
    if time == HORIZON:
        return 0.0, 0
    worth = [0.0, *(np.array(posterior) @ VALUES)]
    later = best(posterior, time + 1, noise, cost, asks)[0]
    totals = [value + later for value in worth]
    if asks:
        total = -cost
        for answer in range(2):
            chance = sum(p * ((1 - noise) * (kind == answer) + noise / 2) for kind, p in enumerate(posterior))
            if chance > 0:
                total += chance * best(bayes(posterior, answer, noise), time + 1, noise, cost, asks)[0]
        totals.append(total)
    return max(totals), int(np.argmax(totals))


class Planned(struct.PyTreeNode):
    """Looks up the best action by the number of answers of each kind and the time."""

    table: Any  # int32[times, net answers + HORIZON]
    edges: Any  # float[2 HORIZON]

    def init(self, key):
        return ()

    def act(self, carry, obs, key):
        net = jnp.searchsorted(self.edges, obs.posterior[0])
        return self.table[obs.observed, net], carry


def planned(noise, cost):
    """The policy of `best`: after n answers of one kind more than of the other the posterior is the same."""
    ratio = (1 - noise / 2) / (noise / 2)
    nets = np.arange(-HORIZON, HORIZON + 1)
    odds = PRIOR[0] / PRIOR[1] * ratio**nets
    posterior = odds / (1 + odds)
    table = [[best([p, 1 - p], time, noise, cost)[1] for p in posterior] for time in range(HORIZON)]
    return Planned(jnp.asarray(table, jnp.int32), jnp.asarray((posterior[1:] + posterior[:-1]) / 2))


def returns(policy, params, episodes=20_000, env=ENV):
    return np.asarray(jaxrec.rollout(env, policy, jax.random.key(0), episodes, HORIZON, params).episode_return)


def test_the_posterior_is_that_of_a_bayes_loop(key):
    class AlwaysAsk(struct.PyTreeNode):
        def init(self, key):
            return ()

        def act(self, carry, obs, key):
            return jnp.int32(3), carry

    seven = UncertainReward(Kitchen(), ("soup",), [[float(kind)] for kind in range(7)])
    prior = np.arange(1.0, 8.0) / 28
    params = seven.default_params.replace(prior=prior.astype(np.float32), noise=0.6)
    played = jaxrec.rollout(seven, AlwaysAsk(), key, 4000, HORIZON, params, trajectory=True).trajectory
    before, after, kinds = (np.asarray(each) for each in (
        played.state.posterior, played.next_state.posterior, played.state.kind))  # fmt: skip
    heard = np.zeros((7, 7))
    for step, user in itertools.product(range(HORIZON), range(4000)):
        options = np.array([bayes(before[step, user], answer, 0.6) for answer in range(7)])
        apart = np.abs(options - after[step, user]).max(axis=1)
        assert apart.min() < 1e-5
        heard[kinds[step, user], apart.argmin()] += 1
    shares = heard / heard.sum(axis=1, keepdims=True)
    assert abs(np.diag(shares) - (0.4 + 0.6 / 7)).max() < 0.06
    assert abs(shares[~np.eye(7, dtype=bool)] - 0.6 / 7).max() < 0.06
    assert abs(np.bincount(kinds[0], minlength=7) / 4000 - prior).max() < 4 * np.sqrt(0.25 / 4000)


@pytest.mark.parametrize(("noise", "cost"), [(NOISE, COST), (0.1, 0.05), (0.0, 0.0), (0.3, 10.0)])
def test_the_best_play_of_three_steps_is_worth_what_dynamic_programming_says(noise, cost):
    value, _ = best(list(PRIOR), 0, noise, cost)
    found = returns(planned(max(noise, 1e-9), cost), PARAMS.replace(noise=noise, cost=cost))
    assert abs(found.mean() - value) < 4 * found.std() / np.sqrt(len(found)) + 1e-6


def test_free_and_certain_answers_give_the_optimum_of_known_values_and_dear_ones_that_of_the_mean():
    known = sum(p * max(0.0, *row) for p, row in zip(PRIOR, VALUES, strict=True))
    assert best(list(PRIOR), 0, 0.0, 0.0)[0] == pytest.approx((HORIZON - 1) * known)  # one step goes to the question
    assert best(list(PRIOR), 0, 0.0, 1e6) == best(list(PRIOR), 0, 0.0, 0.0, asks=False)
    assert best(list(PRIOR), 0, 0.0, 1e6)[0] == pytest.approx(HORIZON * max(0.0, *(PRIOR @ VALUES)))


@pytest.mark.slow
def test_a_learner_finds_the_best_play():
    value, action = best(list(PRIOR), 0, NOISE, COST)
    assert action == 3
    learner = PPO(ENV, MLP(4, (32, 32)), 200_000, num_envs=128, num_steps=30, learning_rate=5e-3)
    state, _ = jax.jit(learner.train)(jax.random.key(1), PARAMS)
    found = returns(learner.policy(state), PARAMS)
    assert found.mean() > value - 4 * found.std() / np.sqrt(len(found)) - 0.02
    silent = UncertainReward(Kitchen(), ("soup", "cake"), VALUES.tolist(), asks=False)
    learner = PPO(silent, MLP(3, (32, 32)), 200_000, num_envs=128, num_steps=30, learning_rate=5e-3)
    state, _ = jax.jit(learner.train)(jax.random.key(1), PARAMS)
    found = returns(learner.policy(state), PARAMS, env=silent)
    assert abs(found.mean() - best(list(PRIOR), 0, NOISE, 1e6)[0]) < 0.05


FEATURES = ("click", "engagement", "engagement_initial", "bait")
KINDS = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, -1.0))


@pytest.mark.slow
@pytest.mark.parametrize("observe_as", ["state", "choices"])
def test_it_keeps_the_contract(observe_as):
    api_test(UncertainReward(PreferenceShift(reward="penalised", observe_as=observe_as), FEATURES, KINDS))


def test_it_keeps_the_contract_around_a_small_environment():
    api_test(ENV, PARAMS)


@pytest.mark.slow
def test_users_do_what_they_do_without_it(key):
    """On the same draws; and what is paid is the weighted sum of their metrics."""
    inside = PreferenceShift(reward="penalised", observe_as="state")
    env = UncertainReward(inside, FEATURES, KINDS)
    ours = jaxrec.rollout(env, env.policy("random"), key, 64, 10, trajectory=True)
    bare = jaxrec.rollout(inside, inside.policy("random"), key, 64, 10, trajectory=True)
    for one, other in zip(*map(jax.tree.leaves, (ours.trajectory.state.env, bare.trajectory.state)), strict=True):
        np.testing.assert_array_equal(one, other)
    weights = np.asarray(KINDS)[np.asarray(ours.trajectory.state.kind[0])]
    sums = np.stack([np.asarray(bare.per_env[name]) for name in FEATURES], axis=1)
    np.testing.assert_allclose(ours.per_env["value"], (weights * sums).sum(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.per_env["reward"], ours.per_env["value"], rtol=1e-6)
    assert not np.asarray(ours.per_env["question"]).any()
    figure = env.render(ours.trajectory[:, 0])
    assert len(figure.axes) == 2


def test_users_who_were_asked_before_begin_with_their_answer(key):
    keys = jax.random.split(key, 4000)
    obs, state = jax.vmap(ENV.reset_env, in_axes=(0, None))(keys, PARAMS.replace(told=0.25))
    posterior, kind = np.asarray(obs.posterior), np.asarray(state.kind)
    heard = [abs(posterior - np.array(bayes(list(PRIOR), answer, NOISE))).max(axis=1) < 1e-5 for answer in range(2)]
    unasked = abs(posterior - PRIOR).max(axis=1) < 1e-5
    assert (heard[0] | heard[1] | unasked).all()
    assert abs(unasked.mean() - 0.75) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    right = np.where(kind == 0, heard[0], heard[1]).sum() / (~unasked).sum()
    assert abs(right - (1 - NOISE / 2)) < 4 * np.sqrt(0.25 / (~unasked).sum())
    np.testing.assert_array_equal(state.told, ~unasked)
    played = jaxrec.rollout(ENV, planned(NOISE, COST), key, 4000, HORIZON, PARAMS.replace(told=0.25), trajectory=True)
    told = np.asarray(played.trajectory.state.told[0])
    value, untold = (np.asarray(played.per_env[name]) for name in ("value", "value_untold"))
    np.testing.assert_allclose(untold[~told], value[~told], atol=1e-6)
    assert np.isnan(untold[told]).all()


@pytest.mark.slow
def test_what_is_expected_of_a_user_can_be_paid_instead_of_what_it_gets(key):
    """On the same steps: the posterior's mean of all kinds, and over many users the same."""
    expected = dataclasses.replace(ENV, paid_for="posterior")
    truth, mean = (
        jaxrec.rollout(env, planned(NOISE, COST), key, 20_000, HORIZON, PARAMS, trajectory=True)
        for env in (ENV, expected)
    )
    belief, action = (np.asarray(each) for each in (mean.trajectory.state.posterior, mean.trajectory.action))
    worth = np.where(action == 1, belief @ VALUES[:, 0], np.where(action == 2, belief @ VALUES[:, 1], 0.0))
    np.testing.assert_allclose(mean.trajectory.reward, worth - COST * (action == 3), atol=1e-5)
    np.testing.assert_array_equal(truth.trajectory.action, action)
    np.testing.assert_array_equal(truth.per_env["value"], mean.per_env["value"])
    apart = np.asarray(truth.episode_return - mean.episode_return)
    assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(apart.size)
    assert np.asarray(mean.episode_return).std() < np.asarray(truth.episode_return).std()


def test_the_platforms_proxy_can_be_paid_instead(key):
    params = PARAMS.replace(reward_weights=Utilities(recommender=1.0, user=0.0, society=0.0))
    played = jaxrec.rollout(ENV, planned(NOISE, COST), key, 50, HORIZON, params)
    np.testing.assert_allclose(played.per_env["reward"], played.per_env["recommender"])
    np.testing.assert_allclose(played.per_env["user"], played.per_env["value"])


@pytest.mark.slow
def test_a_time_limit_goes_around_it(key):
    env = TimeLimit(ENV, 2)
    played = jaxrec.rollout(env, planned(NOISE, COST), key, 2, 4, PARAMS, trajectory=True).trajectory
    assert played.done.reshape(2, 2, 2)[:, 1].all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((Kitchen(), ("soop",), [[1.0]]), "Did you mean 'soup'"),
        ((Kitchen(), (), []), "features must have at least one"),
        ((Kitchen(), ("soup",), []), "1 to 16 rows"),
        ((Kitchen(), ("soup",), [[1.0]] * 17), "1 to 16 rows"),
        ((Kitchen(), ("soup",), [[1.0, 2.0]]), "a number a feature"),
        ((Kitchen(), ("soup",), [[1.0]], True, 3), "meanwhile"),
        ((RewiringGame(num_users=6, degree=2), ("cooperation",), [[1.0]]), "outermost|metric of|present|may lack"),
        ((ENV, ("soup",), [[1.0]]), "must not be called 'certainty'"),
    ],
)
def test_bad_settings_are_refused(given, message):
    with pytest.raises(jaxrec.InputError, match=message):
        UncertainReward(*given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise": 1.5}, "noise"),
        ({"cost": -1.0}, "cost"),
        ({"told": 2.0}, "told"),
        ({"prior": np.array([0.5, 0.4])}, "prior must sum to 1"),
        ({"prior": np.array([1.0])}, "prior must have shape"),
        ({"values": np.ones((2, 3))}, "values must have shape"),
    ],
)
def test_bad_run_time_values_are_refused(changes, message):
    with pytest.raises(jaxrec.InputError, match=message):
        ENV.reset(jax.random.key(0), PARAMS.replace(**changes))
