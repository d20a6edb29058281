"""Updates of a table, held against a plain sequential learner; and visits, however many."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain

from jaxrec.agents import GeometricStep, QLearning, VisitStep
from jaxrec.agents.q_learning import Experience
from jaxrec.envs.polarising import PolarisingUsers, exact


def sequential(q, visits, experience, gamma, alpha):
    """Watkins' update, one transition after the other, in plain Python. `alpha(n)` is the step of the n-th visit."""
    q, visits = np.array(q, float), np.array(visits)
    for here, action, reward, there, terminated in zip(*experience, strict=True):
        target = reward + (0 if terminated else gamma * q[there].max())
        visits[here, action] += 1
        q[here, action] += alpha(visits[here, action]) * (target - q[here, action])
    return q, visits


def random_experience(rng, size, states=7, layered=True):
    """Transitions from states 0-3 to 4-6 (layered: targets do not change within the batch), with many duplicates."""
    here = rng.integers(0, 4, size)
    there = rng.integers(4, states, size) if layered else rng.integers(0, states, size)
    return here, rng.integers(0, 3, size), rng.random(size), there, rng.random(size) < 0.2


class Table:
    """An agent's learning step on a bare table."""

    def __init__(self, **settings):
        env = PolarisingUsers(horizon=1)
        learner = QLearning(env, total_timesteps=1, **settings)
        self.learn = jax.jit(partial(learner._learn, progress=jnp.zeros(())))  # many times called

    def __call__(self, q, visits, experience):
        here, action, reward, there, terminated = map(jnp.asarray, experience)
        batch = Experience(here, action, jnp.asarray(reward, float), there, terminated, jnp.zeros_like(terminated))
        (q, visits, _), _ = self.learn((q, visits, jnp.zeros(len(here))), batch)
        return np.asarray(q), np.asarray(visits)


@pytest.mark.parametrize("batch", [1, 5, 400])
def test_sample_averages_equal_the_sequential_learner_exactly(batch):
    rng = np.random.default_rng(batch)
    q, visits = jnp.asarray(rng.random((7, 3)), float), jnp.asarray(rng.integers(0, 5, (7, 3)), jnp.uint32)
    experience = random_experience(rng, batch)
    parallel = Table(step_size=VisitStep(1.0), gamma=0.9)(q, visits, experience)
    for order in (np.arange(batch), rng.permutation(batch)):
        shuffled = [column[order] for column in experience]
        alone = sequential(q, visits, shuffled, 0.9, lambda n: 1 / n)
        np.testing.assert_allclose(parallel[0], alone[0], rtol=2e-5)
        np.testing.assert_array_equal(parallel[1], alone[1])


@pytest.mark.parametrize(
    ("step_size", "alpha"),
    [
        (GeometricStep(0.3, 0.3), lambda n: 0.3),
        (VisitStep(3.0), lambda n: 1 - ((n - 1) / n) ** 3),
    ],
)
def test_other_step_sizes_equal_the_mean_over_orders_of_the_sequential_learner(step_size, alpha):
    """k targets weigh the same: so they do on average over the orders in which a sequential learner may meet them."""
    rng = np.random.default_rng(0)
    q, visits = jnp.asarray(rng.random((7, 3)), float), jnp.asarray(rng.integers(0, 3, (7, 3)), jnp.uint32)
    experience = random_experience(rng, 60)
    parallel, _ = Table(step_size=step_size, gamma=0.9)(q, visits, experience)
    orders = [rng.permutation(60) for _ in range(4000)]
    runs = np.array([sequential(q, visits, [c[o] for c in experience], 0.9, alpha)[0] for o in orders])
    error = runs.std(axis=0) / np.sqrt(len(runs))
    assert (np.abs(parallel - runs.mean(axis=0)) <= 4.5 * error + 1e-5).all()


@pytest.mark.parametrize("step_size", [GeometricStep(0.3, 0.3), VisitStep(2.0)])
def test_one_environment_is_the_sequential_learner(step_size):
    rng = np.random.default_rng(1)
    table = Table(step_size=step_size, gamma=0.9)
    alpha = (lambda n: 0.3) if isinstance(step_size, GeometricStep) else (lambda n: 1 - ((n - 1) / n) ** 2)
    q, visits = jnp.zeros((7, 3)), jnp.zeros((7, 3), jnp.uint32)
    experience = random_experience(rng, 200, layered=False)
    alone = sequential(q, visits, experience, 0.9, alpha)
    for i in range(200):
        q, visits = table(q, visits, [column[i : i + 1] for column in experience])
    np.testing.assert_allclose(q, alone[0], rtol=1e-4)


@pytest.mark.parametrize("num_envs", [pytest.param(1, marks=pytest.mark.slow), 64, 4096])
def test_parallel_training_reaches_the_result_of_the_sequential_algorithm(num_envs):
    """The same number of episodes, shared among more environments, ends at the same exact values."""
    env = PolarisingUsers(horizon=2)
    params = env.default_params.replace(influence=0.0)
    optimum = exact.bayes_optimal(env, params)
    agent = QLearning(env, total_timesteps=2 * 40_960, num_envs=num_envs, gamma=1.0, epsilon_start=0.5, epsilon_end=0.5)
    state, _ = jax.jit(agent.train)(jax.random.key(0), params)
    assert int(state.visits.sum()) == 2 * 40_960
    assert float(state.q[0].max()) == pytest.approx(optimum.value, abs=0.02)
    visited = np.asarray(state.visits) > 500
    np.testing.assert_allclose(np.asarray(state.q)[visited], optimum.q[visited], atol=0.08)


def test_terminated_targets_ignore_what_comes_after():
    learn = QLearning(PolarisingUsers(horizon=1), total_timesteps=1, td_lambda=0.8, gamma=0.5)._learn
    q = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    ended = Experience(*map(jnp.array, ([0, 0, 0], [0, 0, 0], [1.0, 1.0, 1.0], [1, 1, 1], *np.eye(3, dtype=bool)[:2])))
    (_, _, target), _ = learn((q, jnp.zeros((2, 2), jnp.int32), jnp.full(3, 10.0)), ended, progress=jnp.zeros(()))
    np.testing.assert_allclose(target, [1.0, 1 + 0.5 * 4, 1 + 0.5 * (4 + 0.8 * 6)])


@pytest.mark.parametrize("visits", [0, 7, 10**7, 2**30, 2**32 - 6000])
@pytest.mark.parametrize("k", [1, 5000])
def test_visit_steps_stay_accurate_at_many_visits(visits, k):
    exactly = 1 - (visits / (visits + k)) ** 3.0
    step = VisitStep(3.0)(jnp.uint32(visits), jnp.uint32(k), jnp.zeros(()))
    assert float(step) == pytest.approx(exactly, rel=1e-4)


@pytest.mark.parametrize("step_size", [GeometricStep(0.1, 0.1), VisitStep(1.0)])
def test_visits_are_counted_as_far_as_a_training_reaches(step_size):
    """Past what int32 counts, k visits at once still move a cell as k, not as one k times over."""
    rng = np.random.default_rng(0)
    experience, before = random_experience(rng, 400), 3 * 2**30
    q, visits = jnp.zeros((7, 3)), jnp.full((7, 3), before, jnp.uint32)
    after, counted = Table(step_size=step_size, gamma=0.9)(q, visits, experience)
    assert counted.sum() - visits.sum(dtype=np.uint32) == 400
    for cell in np.ndindex(4, 3):
        here = (experience[0] == cell[0]) & (experience[1] == cell[1])
        moved = float(step_size(jnp.uint32(before), jnp.uint32(here.sum()), jnp.zeros(())))
        assert after[cell] == pytest.approx(moved * experience[2][here].mean(), rel=1e-4)


@pytest.mark.parametrize("step_size", [GeometricStep(1e-6, 1e-6), GeometricStep(0.5, 0.5), VisitStep(1.0)])
def test_counts_stop_where_they_would_begin_anew(step_size, key):
    """Reached only by trainings that go on from one another."""
    params = Chain().default_params
    agent = QLearning(Chain(), 6400, num_envs=32, num_steps=20, step_size=step_size)
    state = agent.init(key, params)
    full = state.replace(visits=jnp.full_like(state.visits, 2**32 - 80), q=jnp.ones_like(state.q))
    after, _ = jax.jit(agent.advance)(full, params, 0, 10)
    counted = np.asarray(after.visits, np.int64) - (2**32 - 80)
    assert (counted >= 0).all()
    assert counted.max() > 0
    assert (abs(after.q) < 2).all()  # of targets within 0 and 1
    if step_size != GeometricStep(0.5, 0.5):
        np.testing.assert_allclose(after.q, full.q, atol=1e-3)
