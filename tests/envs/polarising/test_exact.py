"""The exact references, held against brute force over histories and against simulation."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import PolarisingUsers, counts, exact


@pytest.mark.parametrize("horizon", [1, 3, 6])
def test_rank_is_a_bijection_with_contiguous_layers(horizon):
    ranks = [np.asarray(counts.rank(counts.layer(time))) for time in range(horizon + 1)]
    for time, layer in enumerate(ranks):
        assert (counts.layer(time).sum(axis=1) == time).all()
        start = counts.num_states(time - 1) if time else 0
        np.testing.assert_array_equal(layer, np.arange(start, counts.num_states(time)))
    every = {tuple(c) for time in range(horizon + 1) for c in counts.layer(time)}
    brute = {c for c in np.ndindex(*(horizon + 1,) * 6) if sum(c) <= horizon}
    assert every == brute


def test_rank_at_the_horizon_of_the_paper():
    assert counts.num_states(30) == 1_947_792
    last = jnp.zeros(6, jnp.int32).at[5].set(30)
    first_of_last = jnp.zeros(6, jnp.int32).at[0].set(30)
    assert sorted(int(counts.rank(c)) for c in (last, first_of_last)) == [1_623_160, 1_947_791]
    env = PolarisingUsers()
    assert env.observation_index(jnp.array([3, 0, 1, 2, 0, 1], jnp.int32)) == counts.rank(jnp.array([2, 1, 0, 0, 1, 0]))


def test_the_index_leaves_int32_at_horizon_78():
    last = jnp.zeros(6, jnp.int32).at[0].set(counts.MAX_TIME)
    assert int(counts.rank(last)) == counts.num_states(77) - 1
    env = PolarisingUsers(horizon=78)
    assert env.num_observations is None
    with pytest.raises(jaxrec.InputError, match="horizon"):
        env.observation_index(jnp.zeros(6, jnp.int32))


def bayes_by_histories(population, horizon):
    """The same optimum by recursion over click histories: no counts, no ranks, no tables."""

    @cache
    def value(weights, time):
        if time == horizon:
            return 0.0
        total = sum(weights)
        best = 0.0
        for source in range(3):
            hit = tuple(w * theta[source] for w, theta in zip(weights, population, strict=True))
            miss = tuple(w * (1 - theta[source]) for w, theta in zip(weights, population, strict=True))
            p = sum(hit) / total
            best = max(best, p * (1 + value(hit, time + 1)) + (1 - p) * value(miss, time + 1))
        return best

    return value((1.0,) * len(population), 0)


def test_bayes_optimum_equals_recursion_over_histories(small):
    env, params = small
    expected = bayes_by_histories([tuple(map(float, theta)) for theta in params.population], env.horizon)
    assert exact.bayes_optimal(env, params).value == pytest.approx(expected, rel=1e-6)


def test_value_of_a_policy_equals_simulation_and_its_own_optimum(key):
    env = PolarisingUsers(horizon=10)
    params = env.default_params.replace(influence=0.0)
    solution = exact.bayes_optimal(env, params)
    values = exact.value_without_influence(env, exact.greedy_probabilities(solution.q), params)
    assert values.mean() == pytest.approx(solution.value, rel=1e-9), "the mean over a uniform prior is the optimum"
    policy = TabularPolicy(jnp.asarray(solution.q, float), env)
    for profile, value in zip(params.population, values, strict=True):
        one = params.replace(population=profile[None])
        returns = np.asarray(jaxrec.rollout(env, policy, key, 40_000, 10, one).episode_return)
        assert abs(returns.mean() - value) < 4 * returns.std() / 200


@pytest.mark.parametrize("horizon", [4, 10])
def test_rounding_does_not_choose_between_equally_good_sources(horizon):
    """The population is its own mirror image, and so must be what the Bayes-optimal policy earns of its users."""
    env = PolarisingUsers(horizon=horizon)
    solution = exact.bayes_optimal(env, env.default_params)
    values = exact.value_without_influence(env, exact.greedy_probabilities(solution.q), env.default_params)
    np.testing.assert_allclose(values, values[::-1], rtol=1e-12)
    in_float32 = exact.greedy_probabilities(solution.q.astype(np.float32))
    np.testing.assert_allclose(exact.value_without_influence(env, in_float32, env.default_params), values, rtol=1e-12)


def test_posterior_survives_certain_and_impossible_clicks():
    env = PolarisingUsers(horizon=3)
    params = env.default_params.replace(population=np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]))
    solution = exact.bayes_optimal(env, params)
    assert np.isfinite(solution.q).all()
    assert solution.value == pytest.approx(2.5), "one look tells who it is"


def known_by_recursion(theta, horizon, factors):
    """The best return of a recommender that sees theta, by recursion over actions and a finite set of factors."""
    if horizon == 0:
        return 0.0
    best = 0.0
    for action in range(3):
        after = [list(theta) for _ in factors]
        for changed, factor in zip(after, factors, strict=True):
            if action == 2 and theta[0] > max(theta[1], theta[2]):
                changed[0] = min(theta[0] * factor, 0.75)
            if action == 0 and theta[2] > max(theta[0], theta[1]):
                changed[2] = min(theta[2] * factor, 0.75)
        if action == 1 or not any(c != list(theta) for c in after):
            future = known_by_recursion(tuple(theta), horizon - 1, factors)
        else:
            future = np.mean([known_by_recursion(tuple(c), horizon - 1, factors) for c in after])
        best = max(best, theta[action] + future)
    return best


def test_bound_equals_recursion_over_actions():
    env = PolarisingUsers(horizon=7)
    params = env.default_params.replace(factor_low=1.2, factor_high=1.2 + 1e-9)
    bounds = exact.known_user_bound(env, params)
    for theta, bound in zip(np.asarray(params.population, float), bounds, strict=True):
        assert bound == pytest.approx(known_by_recursion(tuple(theta), 7, [1.2]), rel=1e-4)


def test_bound_of_the_paper_is_reached_by_its_own_policy_in_simulation(polarising, key):
    """n opposed recommendations, then own ones: the best n comes within a hair of the bound, and none exceeds it."""
    env, params = polarising
    bound = exact.known_user_bound(env, params)[0]

    class Switch(jaxrec.policy.Stateless):
        steps: jax.Array

        def act(self, carry, obs, key):
            return jnp.where(obs[:3].sum() < self.steps, 2, 0), carry

    params = params.replace(population=params.population[:1])
    steps = Switch(jnp.arange(4, 16))
    returns = jax.vmap(lambda policy: jaxrec.rollout(env, policy, key, 20_000, 30, params).episode_return)(steps)
    error = np.asarray(returns).std() / np.sqrt(20_000)
    best = returns.mean(axis=1).max()
    assert bound - 0.25 < best < bound + 4 * error


def test_without_influence_the_bound_is_the_favourite_source(polarising):
    env, params = polarising
    bounds = exact.known_user_bound(env, params.replace(influence=0.0))
    np.testing.assert_allclose(bounds, 30 * np.asarray(params.population).max(axis=1), rtol=1e-6)


def test_a_factor_drawn_once_an_episode_has_no_such_bound():
    env = PolarisingUsers(factor_per="episode")
    with pytest.raises(jaxrec.InputError, match="factor_per"):
        exact.known_user_bound(env, env.default_params)
