"""Slates as actions, against enumeration."""

import itertools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shelf import PULL, Shelf, optimum

import jaxrec
import jaxrec.gymnasium
from jaxrec.agents import MLP, PPO, QLearning
from jaxrec.agents.distributions import PlackettLuce
from jaxrec.slate_policies import RandomSlates, Ranked
from jaxrec.slates import Slate

SCORES = np.array([0.3, -1.0, 1.2, 0.0, 0.5])
VALID = np.array([True, True, False, True, True])
SLATES = {k: list(itertools.permutations(range(5), k)) for k in (1, 2, 3)}


def probability(slate, scores, valid):
    """The product of softmaxes over the items left: valid ones while there are some."""
    left, result = list(range(len(scores))), 1.0
    for item in slate:
        pool = [i for i in left if valid[i]] or left
        result *= np.exp(scores[item]) / sum(np.exp(scores[i]) for i in pool) if item in pool else 0.0
        left.remove(item)
    return result


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("valid", [np.ones(5, bool), VALID, np.arange(5) < 1])
def test_probabilities_are_products_of_softmaxes(k, valid):
    chosen = PlackettLuce(jnp.asarray(SCORES), jnp.asarray(valid), k)
    slates = SLATES[k]
    expected = np.array([probability(slate, SCORES, valid) for slate in slates])
    found = np.exp(jax.vmap(chosen.log_prob)(jnp.array(slates)))
    assert expected.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    mean = expected @ np.asarray(jax.vmap(chosen.entropy)(jnp.array(slates)))
    known = expected[expected > 0]
    assert mean == pytest.approx(-(known * np.log(known)).sum(), rel=1e-5)
    assert slates[int(np.argmax(expected))] == tuple(chosen.mode().tolist())


@pytest.mark.parametrize("valid", [np.ones(5, bool), VALID, np.arange(5) < 1])
def test_samples_have_these_probabilities(valid):
    draws = 20_000
    chosen = PlackettLuce(jnp.broadcast_to(SCORES, (draws, 5)), jnp.broadcast_to(valid, (draws, 5)), 2)
    drawn, logs = chosen.sample_and_log_prob(seed=jax.random.key(0))
    counts = dict.fromkeys(SLATES[2], 0)
    for slate in map(tuple, drawn.tolist()):
        counts[slate] += 1
    for slate, count in counts.items():
        expected = probability(slate, SCORES, valid)
        assert count / draws == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / draws))
    first = probability(tuple(drawn[0].tolist()), SCORES, valid)
    assert float(logs[0]) == pytest.approx(np.log(first), abs=1e-5)


def test_gradients_are_those_of_finite_differences():
    slate, step = jnp.array([3, 1]), 1e-2

    def of(method):
        return lambda scores: getattr(PlackettLuce(scores, jnp.asarray(VALID), 2), method)(slate)

    for function in map(of, ("log_prob", "entropy")):
        found = jax.grad(function)(jnp.asarray(SCORES, jnp.float32))
        up, down = (jax.vmap(function)(jnp.asarray(SCORES + sign * step * np.eye(5), jnp.float32)) for sign in (1, -1))
        np.testing.assert_allclose(found, (up - down) / (2 * step), atol=2e-3)


def test_the_space_holds_slates_and_nothing_else():
    space = Slate(4, 2)
    every = list(itertools.product(range(-1, 5), repeat=2))
    inside = [x for x, found in zip(every, jax.vmap(space.contains)(jnp.array(every)), strict=True) if found]
    assert inside == list(itertools.permutations(range(4), 2))
    assert not space.contains(jnp.array([1.0, 2.0]))
    assert not space.contains(jnp.array([1, 2, 3]))
    drawn = {tuple(each.tolist()) for each in jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 200))}
    assert drawn == set(inside)
    with pytest.raises(jaxrec.InputError, match="none of them twice"):
        space.check("action", np.array([1, 1]))
    with pytest.raises(jaxrec.InputError, match="k must be"):
        Slate(2, 3)


def test_the_nearest_slate_keeps_what_it_can():
    space = Slate(4, 3)
    given = list(itertools.product(range(-1, 5), repeat=3))
    for x, found in zip(given, jax.vmap(space.nearest)(jnp.array(given)).tolist(), strict=True):
        clipped, expected = [min(max(i, 0), 3) for i in x], []
        fillers = [i for i in range(4) if i not in clipped]
        for item in clipped:
            expected.append(item if item not in expected else fillers.pop(0))
        assert found == expected


def test_heuristics_over_slates():
    env = Shelf()
    played = jaxrec.rollout(env, RandomSlates(env.action_space()), jax.random.key(0), 4000, 3)
    assert 3 * float(played.per_env["reward"].mean()) == pytest.approx(optimum(3)[1], abs=0.03)
    ranked = Ranked(env.action_space(), lambda obs: jnp.asarray(PULL))
    assert ranked.act((), None, jax.random.key(0))[0].tolist() == [0, 2]
    ties = Ranked(Slate(3, 1), lambda obs: jnp.zeros(3))
    first = jax.vmap(lambda key: ties.act((), None, key)[0][0])(jax.random.split(jax.random.key(0), 20))
    assert set(first.tolist()) == {0, 1, 2}


@pytest.mark.slow
def test_a_society_with_slates_passes_the_api_test():
    jaxrec.api_test(Shelf(), num_steps=8)


def test_gymnasium_learners_may_repeat_an_item():
    env = jaxrec.gymnasium.Env(Shelf())
    assert env.action_space == gymnasium.spaces.MultiDiscrete([4, 4])
    env.reset(seed=0)
    *_, info = env.step(np.array([2, 2]))
    assert info["taken"] in (0, 2)
    assert not info["invalid_action"]
    assert env.action_masks().tolist() == [True] * 8


def test_agents_for_single_actions_refuse_slates():
    with pytest.raises(jaxrec.InputError, match="discrete actions"):
        QLearning(Shelf(horizon=2), 100)


@pytest.mark.slow
def test_ppo_finds_the_best_slates():
    env, (best, uniform) = Shelf(), optimum(3)
    agent = PPO(env, MLP(env.num_actions, (32,)), 60_000, num_envs=64, num_steps=24, learning_rate=1e-2)
    state, _ = jax.jit(agent.train)(jax.random.key(0), env.default_params)
    played = jaxrec.rollout(env, agent.policy(state), jax.random.key(1), 2000, 3)
    value = 3 * float(played.per_env["reward"].mean())
    assert value > best - 0.05 * (best - uniform)
    assert value < best + 0.03


@pytest.mark.parametrize("greedy", [True, False])
def test_a_policy_gives_the_probability_of_each_slate(greedy, key):
    agent = PPO(Shelf(), MLP(hidden=(8,)), 64, num_envs=4, num_steps=4)
    policy = agent.policy(agent.init(key, Shelf().default_params)).replace(greedy=greedy)
    obs, _ = Shelf().reset(key)
    found, _ = policy.probabilities((), obs)
    scores = np.asarray(policy.network.apply(policy.network_params, (), obs)[1])
    expected = np.array([probability(slate, scores, np.ones(4, bool)) for slate in itertools.permutations(range(4), 2)])
    np.testing.assert_allclose(found, np.arange(12) == expected.argmax() if greedy else expected, atol=1e-6)


def test_slates_beyond_a_thousand_are_not_listed():
    assert len(Slate(32, 2).listed()) == 992
    with pytest.raises(jaxrec.InputError, match=r"Slate\(33, 2\) must have at most 1000 slates to list them, got 1056"):
        Slate(33, 2).listed()
