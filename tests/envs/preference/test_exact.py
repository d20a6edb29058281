"""Exact values of recommenders, held against published numbers and an independent program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from preference_loops import ENV, PARAMS, plain_distance, plain_slate

import jaxrec
from jaxrec.agents import QLearning, VisitStep
from jaxrec.envs.preference import PreferenceShift, Table, exact

PUBLISHED = {  # an independent dynamic program on the same constants: r(u_t), r(u_0), r(u_t^rnd)
    "rl": ((0.0, 0.0), 0.99, (7.12, -0.31, -1.23)),
    "undiscounted": ((0.0, 0.0), 1.0, (7.12, -2.52, -3.82)),
    "penalised myopic": ((1.0, 1.0), 0.0, (6.48, 3.38, 2.48)),
    "penalised rl": ((1.0, 1.0), 0.99, (5.62, 5.58, 5.49)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_optima_are_those_of_an_independent_program(tables, name):
    safe, gamma, published = PUBLISHED[name]
    worth = exact.worth(tables, exact.optimal(tables, 10, safe, gamma), PARAMS)
    np.testing.assert_allclose(worth, published, atol=0.025)


def test_natural_preferences_of_who_joined_earlier_are_the_kernel_to_the_power_of_the_age(tables):
    kernel = np.asarray(tables.natural, float)
    for age in (0, 1, 7, 30):
        found = exact.natural_preferences(tables, 3, age)
        expected = [np.linalg.matrix_power(kernel, age + step) for step in range(3)]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    late, whole = exact.rewards(tables, 3, 7), exact.rewards(tables, 10)
    np.testing.assert_allclose(late.natural, whole.natural[7:], atol=1e-5)
    np.testing.assert_array_equal(late.initial, whole.initial[7:])


def test_the_myopic_optimum_is_one_of_many_and_the_published_one_among_them(tables):
    """Users midway between two slates like both equally; which they see decides 0.06 of engagement, 0.3 of r(u_0)."""
    engagement = np.asarray(exact.rewards(tables, 1).engagement[0, :, 0, :])
    best = engagement >= engagement.max(axis=0) - 1e-4
    assert [10 * u for u in np.flatnonzero(best.sum(axis=0) == 2)] == [50, 110, 170, 230, 290, 350]
    shown = best.argmax(axis=0)
    for degrees, slate in ((50, 1), (110, 1), (170, 3), (230, 3), (290, 4), (350, 5)):
        assert best[slate, degrees // 10]
        shown[degrees // 10] = slate
    policy = jnp.broadcast_to(jax.nn.one_hot(shown, 6).T[None, :, None, :], (10, 6, 36, 36))
    np.testing.assert_allclose(exact.worth(tables, policy, PARAMS), (6.75, 2.77, 2.97), atol=0.01)
    shared = exact.worth(tables, exact.optimal(tables, 10, (0.0, 0.0), 0.0), PARAMS)
    np.testing.assert_allclose(shared, (6.78, 2.66, 2.80), atol=0.01)


def test_uniform_slates_are_worth_what_an_independent_program_says():
    env = PreferenceShift(slate_means=(0.0,), slate_deviations=float("inf"), observe_as="state")
    worth = exact.worth(jax.jit(env.tables)(PARAMS), jnp.ones((10, 1, 36, 36)), PARAMS)
    np.testing.assert_allclose(worth, (4.09, 2.48, 3.78), atol=0.01)


@pytest.mark.slow
def test_episodes_are_worth_what_is_computed(tables, key):
    """Sampled by the environment against the exact sums; and paid in expectation, against sampled."""
    policy = exact.optimal(tables, 10, (1.0, 1.0), 0.99)
    result = jaxrec.rollout(ENV, Table(policy), key, 4096, 10, PARAMS)
    for name, value in zip(("", "_initial", "_natural"), exact.worth(tables, policy, PARAMS), strict=True):
        sums = np.asarray(result.per_env[f"engagement{name}"]) * 10
        assert abs(sums.mean() - value) < 4 * sums.std() / 64
    sampled = np.asarray(result.per_env["engagement"]) * 10
    assert abs(np.asarray(result.episode_return).mean() - sampled.mean()) < 4 * sampled.std() / 64


def test_where_users_end_up_is_what_the_paper_draws(tables):
    """Figure 1: by themselves nearly all users come to prefer 80 degrees; a recommender that looks ahead takes most
    to 270."""
    uniform = PreferenceShift(slate_means=(0.0,), slate_deviations=float("inf"), observe_as="state")
    alone = exact.preferences(jax.jit(uniform.tables)(PARAMS), jnp.ones((10, 1, 36, 36)), PARAMS)
    led = exact.preferences(tables, exact.optimal(tables, 10, (0.0, 0.0), 0.99), PARAMS)
    for users in (alone, led):
        np.testing.assert_allclose(users.sum(axis=1), 1, rtol=1e-4)
        np.testing.assert_allclose(users[0], plain_slate(130, 20), atol=1e-6)
    near = {centre: [plain_distance(10 * u, centre) <= 40 for u in range(36)] for centre in (80, 270)}
    assert alone[-1, np.flatnonzero(near[80])].sum() == pytest.approx(0.95, abs=0.02)
    assert led[-1, np.flatnonzero(near[270])].sum() == pytest.approx(0.70, abs=0.05)


@pytest.mark.slow
def test_q_learning_finds_the_optimum_of_the_full_state(tables):
    """Within 1 % of dynamic programming; what it learned is valued exactly, not sampled."""
    learner = QLearning(
        ENV,
        12_000_000,
        num_envs=4096,
        num_steps=10,
        step_size=VisitStep(4.0),
        td_lambda=0.0,
        gamma=1.0,
        epsilon_end=0.0,
    )
    state, _ = jax.jit(learner.train)(jax.random.key(0), PARAMS)
    q = np.asarray(state.q).reshape(11, 36, 36, 6)[:10]
    best = (q == q.max(axis=-1, keepdims=True)).astype(np.float32)
    policy = jnp.asarray(np.moveaxis(best / best.sum(axis=-1, keepdims=True), -1, 1))
    optimum = exact.worth(tables, exact.optimal(tables, 10, (0.0, 0.0), 1.0), PARAMS).engagement
    assert optimum == pytest.approx(7.12, abs=0.01)
    assert exact.worth(tables, policy, PARAMS).engagement > 0.99 * optimum
