"""The optimum over beliefs, held against recursion over all histories, and against the exact references."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.polarising import PolarisingUsers, beliefs, exact, simplex
from jaxrec.statistics import estimate

FACTORS = np.array([[1.3, 1.1, 1.5, 1.2], [1.6, 1.4, 1.05, 1.3]])


def after(theta, action, factor):
    """The rules of the paper, for one user."""
    changed = list(theta)
    if action == 2 and theta[0] > max(theta[1], theta[2]):
        changed[0] = min(theta[0] * factor, 0.75)
    if action == 0 and theta[2] > max(theta[0], theta[1]):
        changed[2] = min(theta[2] * factor, 0.75)
    return tuple(changed)


def by_histories(population, horizon, factors, policy=None, initial=False):
    """The best clicks of an episode, or those of a policy, by recursion over histories: no beliefs, no counts.

    initial: what is paid is the click probability that users came with.
    """
    users = tuple(tuple(map(float, theta)) for theta in population)

    @cache
    def value(weights, thetas, used, history):
        if len(history) == horizon:
            return 0.0
        worth = []
        for action in range(3):
            n = used[action == 2]
            factor = factors[int(action == 2)][n] if action != 1 else 1.0
            now = [theta[action] for theta in thetas]
            later = tuple(after(theta, action, factor) for theta in thetas)
            counted = (used[0] + (action == 0), used[1] + (action == 2))
            hit = tuple(w * p for w, p in zip(weights, now, strict=True))
            miss = tuple(w * (1 - p) for w, p in zip(weights, now, strict=True))
            came = tuple(w * user[action] for w, user in zip(weights, users, strict=True))
            worth.append(
                sum(came if initial else hit)
                + value(hit, later, counted, (*history, (action, 1)))
                + value(miss, later, counted, (*history, (action, 0)))
            )
        return max(worth) if policy is None else float(np.dot(policy(history), worth))

    return value((1 / len(users),) * len(users), users, (0, 0), ())


def chances(policy):
    """What a policy would do after each history, which is replayed to it."""
    probabilities = jax.jit(policy.probabilities)

    @cache
    def replayed(history):
        obs = np.zeros(6, np.int32)
        for action, click in history:
            obs[action] += 1
            obs[3 + action] += click
        before = policy.init(jax.random.key(0)) if not history else replayed(history[:-1])[1]
        return probabilities(before, jnp.asarray(obs))

    return lambda history: np.asarray(replayed(history)[0], float)


@pytest.mark.parametrize("horizon", [pytest.param(1, marks=pytest.mark.slow), 4])
@pytest.mark.parametrize("initial", [False, True])
def test_the_value_bounds_the_best_of_all_histories_and_the_policy_nearly_earns_it(horizon, initial):
    env = PolarisingUsers(horizon=horizon)
    params, factors = env.default_params, FACTORS[:, :horizon]
    best = by_histories(params.population, horizon, factors, initial=initial)
    found = beliefs.belief_optimal(env, params, 4, factors, "initial preferences" if initial else "clicks")
    assert best - 1e-5 <= found.value <= 1.05 * best
    earned = by_histories(params.population, horizon, factors, chances(found.policy), initial)
    assert 0.998 * best <= earned <= best + 1e-6
    if horizon == 1:
        assert found.value == pytest.approx(best, rel=1e-6)


def test_a_finer_grid_bounds_no_worse():
    """Of grids that hold each other's points, by convexity."""
    env = PolarisingUsers(horizon=4)
    best = by_histories(env.default_params.population, 4, FACTORS)
    values = [beliefs.belief_optimal(env, env.default_params, resolution, FACTORS).value for resolution in (1, 2, 4)]
    assert values[0] > values[1] > values[2] >= best - 1e-5
    assert values[2] - best < 0.5 * (values[0] - best)


def test_a_user_who_is_known_is_served_as_by_dynamic_programming_over_theta():
    env = PolarisingUsers(horizon=12)
    params = env.default_params.replace(factor_low=1.2, factor_high=1.2 + 1e-9)
    bounds = exact.known_user_bound(env, params)
    for profile, bound in list(zip(params.population, bounds, strict=True))[1:4]:
        found = beliefs.belief_optimal(env, params.replace(population=profile[None]))
        assert found.value == pytest.approx(bound, rel=1e-4)


def test_without_influence_it_bounds_the_bayes_optimum():
    env = PolarisingUsers(horizon=5)
    params = env.default_params.replace(influence=0.0)
    optimum = exact.bayes_optimal(env, params).value
    found = beliefs.belief_optimal(env, params, 4)
    assert optimum - 1e-5 <= found.value <= 1.08 * optimum


def test_beliefs_are_posteriors():
    """By Bayes' rule in a plain loop, along histories that need not be likely."""
    env = PolarisingUsers(horizon=4)
    params = env.default_params
    policy = beliefs.belief_optimal(env, params, 1, FACTORS).policy
    replay = jax.jit(policy.probabilities)
    rng = np.random.default_rng(0)
    for _ in range(10):
        users, used = [tuple(map(float, theta)) for theta in params.population], [0, 0]
        posterior, obs, carry = np.full(5, 0.2), np.zeros(6, np.int32), policy.init(jax.random.key(0))
        for _ in range(3):
            _, carry = replay(carry, jnp.asarray(obs))
            np.testing.assert_allclose(carry.belief, posterior, rtol=1e-5)
            action, click = int(rng.integers(3)), int(rng.integers(2))
            posterior = posterior * [theta[action] if click else 1 - theta[action] for theta in users]
            posterior = posterior / posterior.sum()
            obs = obs + np.eye(6, dtype=np.int32)[action] + click * np.eye(6, dtype=np.int32)[3 + action]
            if action != 1:
                wing = int(action == 2)
                users = [after(theta, action, FACTORS[wing][used[wing]]) for theta in users]
                used[wing] += 1


@pytest.mark.slow
def test_who_is_told_the_factors_bounds_who_is_not(key):
    """At a factor that is certain there is nothing to be told."""
    env = PolarisingUsers(horizon=4)
    params = env.default_params.replace(factor_low=1.0, factor_high=2.0)
    bounds = estimate(beliefs.clairvoyant_bound(env, params, key, draws=30))
    policy = beliefs.belief_optimal(env, params).policy
    returns = np.asarray(jaxrec.rollout(env, policy, key, 20_000, 4, params).episode_return)
    assert bounds.high > returns.mean() - 4 * returns.std() / np.sqrt(20_000)
    certain = params.replace(factor_low=1.5, factor_high=1.5)
    once = PolarisingUsers(horizon=4, factor_per="episode")
    for of in (env, once):
        bounds = beliefs.clairvoyant_bound(of, certain, key, draws=2)
        np.testing.assert_allclose(bounds, beliefs.belief_optimal(env, certain).value, rtol=1e-6)


# The grid.


@pytest.mark.parametrize(("kinds", "resolution"), [(1, 3), (5, 3)])
def test_corners_make_the_belief_of_points_within_one_step(kinds, resolution, key):
    grid = simplex.grid(kinds, resolution)
    np.testing.assert_allclose(grid.points.sum(axis=1), 1, rtol=1e-6)
    assert len({tuple(point) for point in grid.points.tolist()}) == len(grid.points)
    drawn = np.random.default_rng(0).dirichlet(np.full(kinds, 0.5), 200).astype(np.float32)
    drawn = np.concatenate([drawn, grid.points])
    corners = jax.jit(jax.vmap(lambda belief: simplex.corners(jnp.asarray(grid.ranks), belief)))
    places, weights = corners(jnp.asarray(drawn))
    assert np.asarray(places).min() >= 0
    assert np.asarray(weights).min() >= -1e-6
    corners = grid.points[np.asarray(places)]
    np.testing.assert_allclose((corners * np.asarray(weights)[..., None]).sum(axis=1), drawn, atol=1e-5)
    used = np.where(np.asarray(weights)[..., None] > 1e-5, np.abs(corners - drawn[:, None]), 0)
    assert used.max() <= 1 / resolution + 1e-5


def test_a_linear_function_is_interpolated_exactly_and_a_convex_one_from_above():
    grid = simplex.grid(4, 5)
    slopes, interpolate = np.array([1.0, -2.0, 0.5, 3.0], np.float32), jax.jit(simplex.interpolate)
    for belief in jnp.asarray(np.random.default_rng(1).dirichlet(np.ones(4), 20).astype(np.float32)):
        linear = interpolate(jnp.asarray(grid.ranks), jnp.asarray(grid.points @ slopes), 2 * belief)
        assert float(linear) == pytest.approx(float(2 * belief @ slopes), abs=1e-5)
        convex = interpolate(jnp.asarray(grid.ranks), jnp.asarray((grid.points**2).sum(axis=1)), belief)
        assert convex >= (belief**2).sum() - 1e-6


def test_bad_input_is_refused(key, untyped):
    env = PolarisingUsers(horizon=3)
    for call, message in (
        (lambda: beliefs.belief_optimal(env, env.default_params, 0), "resolution must be an integer of at least 1"),
        (lambda: beliefs.belief_optimal(env, env.default_params, paid_for="users"), "unknown paid_for 'users'"),
        (lambda: beliefs.belief_optimal(env, env.default_params, 64), "resolution must be at most 63 for 5 kinds"),
        (lambda: beliefs.belief_optimal(PolarisingUsers(horizon=78), env.default_params), "horizon must"),
        (lambda: beliefs.clairvoyant_bound(env, env.default_params, key, 0), "draws must be"),
        (lambda: simplex.grid(0, 2), "kinds must be"),
    ):
        with pytest.raises(jaxrec.InputError, match=message):
            call()
