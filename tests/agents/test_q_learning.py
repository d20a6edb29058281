"""Q-learning, held against exact values and dynamic programming; and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain, Noisy

import jaxrec
from jaxrec.agents import GeometricStep, QLearning, TabularPolicy, VisitStep
from jaxrec.agents.q_learning import epsilon_greedy
from jaxrec.envs.polarising import exact
from jaxrec.testing import api_test
from jaxrec.training import fit
from jaxrec.wrappers import TimeLimit


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"num_steps": 4, "td_lambda": 0.5},
        {"num_steps": 1},
        {"num_steps": 4},
    ],
)
def test_converges_to_the_bayes_optimum_without_influence(small, settings, key):
    env, params = small
    params = params.replace(influence=0.0)
    optimum = exact.bayes_optimal(env, params)
    agent = QLearning(
        env, total_timesteps=4_000_000, num_envs=2048, gamma=1.0, epsilon_start=0.5, epsilon_end=0.0,
        step_size=VisitStep(2.0), **settings,
    )  # fmt: skip
    state, _ = jax.jit(agent.train)(key, params)
    value = exact.value_without_influence(env, exact.greedy_probabilities(np.asarray(state.q)), params).mean()
    assert value == pytest.approx(optimum.value, rel=0.002)


def chain_values(length, cost, gamma):
    """Values of the chain by hand: steps to the end decide."""
    steps = np.arange(length - 1, 0, -1)
    return gamma ** (steps - 1) - cost * (1 - gamma**steps) / (1 - gamma)


def test_probe_of_delayed_reward_discounting_and_unequal_episodes(key):
    env = Chain()
    api_test(env)
    agent = QLearning(
        env, total_timesteps=200_000, num_envs=16, num_steps=8, gamma=0.9, epsilon_start=1.0, epsilon_end=0.2
    )
    state, _ = jax.jit(agent.train)(key, env.default_params)
    np.testing.assert_allclose(state.q[:3, 1], chain_values(4, 0.1, 0.9), atol=0.02)
    result = jaxrec.rollout(env, agent.policy(state), key, 5, 9)
    np.testing.assert_allclose(result.episode_return, 0.7, rtol=1e-5)
    np.testing.assert_array_equal(result.episodes, 3)


def test_probe_of_noisy_reward(key):
    env = Noisy()
    agent = QLearning(env, total_timesteps=400_000, num_envs=64, epsilon_start=0.5, epsilon_end=0.5)
    state, _ = jax.jit(agent.train)(key, env.default_params)
    np.testing.assert_allclose(state.q[0], [0.4, 0.7], atol=0.01)


@pytest.mark.parametrize("td_lambda", [0.0, 0.7])
def test_bootstraps_through_truncation_and_not_through_termination(td_lambda, key):
    """Cut off after 2 steps, the walker never sees the end from 0; starts are random places by way of exploration."""
    env = TimeLimit(Chain(), 2)
    agent = QLearning(
        env, total_timesteps=400_000, num_envs=16, num_steps=6, gamma=0.9, epsilon_start=1.0, epsilon_end=0.0,
        step_size=VisitStep(4.0), td_lambda=td_lambda,
    )  # fmt: skip
    state, _ = jax.jit(agent.train)(key, env.default_params)
    # Place 2 is reached only as a truncated final observation: never acted from, its value stays 0.
    np.testing.assert_array_equal(state.visits[2], 0)
    np.testing.assert_allclose(state.q[1, 1], -0.1, atol=0.02)
    # Give place 2 a value: it flows through the cut, where an end of the game would have stopped it.
    state, _ = jax.jit(agent.replace(initial_q=0.9).train)(key, env.default_params)
    np.testing.assert_allclose(state.q[1, 1], -0.1 + 0.9 * 0.9, atol=0.02)


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("values", [(1.0, 0.0, 0.0), (1.0, 0.0, 1.0), (2.0, 2.0, 2.0), (2.0, 0.0, 1.0) * 4])
def test_epsilon_greedy_probabilities(epsilon, values, key):
    size = 60_000
    uniform = jax.random.uniform(key, (size,))
    actions = jax.vmap(epsilon_greedy, in_axes=(None, None, 0))(jnp.array(values), epsilon, uniform)
    best = np.array(values) == max(values)
    expected = epsilon / len(values) + (1 - epsilon) * best / best.sum()
    shares = np.bincount(np.asarray(actions), minlength=len(values)) / size
    assert (np.abs(shares - expected) <= 4 * np.sqrt(expected * (1 - expected) / size)).all()


@pytest.mark.parametrize("number", [3, 12])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1 - 2**-22, 1.0])
def test_epsilon_greedy_gives_an_action_whatever_the_draw(number, epsilon):
    for values in (np.zeros(number), np.eye(number)[-1], np.full(number, np.nan)):
        for uniform in (0.0, 0.3, 1 - 2**-23, 1 - 2**-24):
            action = epsilon_greedy(jnp.asarray(values), epsilon, jnp.float32(uniform))
            assert 0 <= int(action) < number


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="reads the program XLA makes for a CPU")
@pytest.mark.parametrize("num_steps", [1, 30])
def test_the_table_is_never_copied_while_learning(polarising, key, num_steps):
    """A read of the table that XLA moves behind its update costs a copy of 23 MB at every step, and no wrong result."""
    env, params = polarising
    agent = QLearning(env, total_timesteps=64 * 60, num_envs=64, num_steps=num_steps)
    program = jax.jit(agent.train).lower(key, params).compile().as_text()
    table = f"[{env.num_observations},{env.num_actions}]"
    assert table in program
    assert not [line for line in program.splitlines() if " copy(" in line and table in line.split(" copy(")[0]]


@pytest.mark.slow
def test_vmap_over_hyper_parameters_equals_single_runs(small, key):
    env, params = small
    agent = QLearning(env, total_timesteps=20_000, num_envs=100)
    gammas = jnp.array([0.5, 0.9])
    together, _ = jax.jit(jax.vmap(lambda gamma: agent.replace(gamma=gamma).train(key, params)))(gammas)
    for i, gamma in enumerate(gammas):
        alone, _ = jax.jit(agent.replace(gamma=gamma).train)(key, params)
        np.testing.assert_allclose(together.q[i], alone.q, rtol=1e-5)
    assert not np.allclose(together.q[0], together.q[1])


@pytest.mark.slow
def test_training_in_float64(small, key):
    env, params = small
    agent = QLearning(env, total_timesteps=20_000, num_envs=100, num_steps=4, td_lambda=0.5)
    single, _ = jax.jit(agent.train)(key, params)
    with jax.enable_x64(True):
        double, _ = jax.jit(agent.train)(key, params)
    assert (single.q.dtype, double.q.dtype) == (jnp.float32, jnp.float64)
    single, double = (jax.tree.map(np.asarray, (state.q, state.visits)) for state in (single, double))
    assert single[1].sum() == double[1].sum() == 20_000
    assert single[0][0].max() == pytest.approx(double[0][0].max(), abs=0.2)


def test_fit_equals_train_in_whatever_chunks_and_compiles_once(small):
    env, params = small
    agent = QLearning(env, total_timesteps=12_000, num_envs=100, num_steps=4)
    keys = jax.random.split(jax.random.key(3), 2)
    many = jaxrec.batched(params, 2)
    whole = [jax.jit(agent.train)(key, params)[0] for key in keys]
    from jaxrec.training import parallel

    seen = []
    before = parallel.advance.compiled._cache_size()
    for chunks in (1, 7, 50):
        state = fit(agent, keys, many, chunks, on_metrics=lambda done, metrics: seen.append((done, metrics)))
        for i in range(2):
            np.testing.assert_allclose(state.q[i], whole[i].q, rtol=1e-5)
    assert parallel.advance.compiled._cache_size() == before + 1
    assert seen[0][0] == seen[-1][0] == agent.num_updates == 30
    assert seen[-1][1]["reward"].shape == (2,)


@pytest.mark.slow
def test_seeds_differ_and_worlds_share_their_noise(small):
    env, params = small
    agent = QLearning(env, total_timesteps=4_000, num_envs=100)
    keys = jnp.stack([jax.random.key(0), jax.random.key(1), jax.random.key(0)])
    state = fit(agent, keys, jaxrec.batched(params, 3))
    assert not np.array_equal(state.q[0], state.q[1])
    np.testing.assert_array_equal(state.q[0], state.q[2])


def test_tabular_policy_is_greedy_and_breaks_ties_at_random(small):
    env, _ = small
    obs = jnp.array([1, 0, 0, 1, 0, 0], jnp.int32)
    q = jnp.zeros((env.num_observations, 3)).at[env.observation_index(obs)].set(jnp.array([1.0, 3.0, 3.0]))
    actions = jax.vmap(lambda key: TabularPolicy(q, env).act((), obs, key)[0])(
        jax.random.split(jax.random.key(0), 4000)
    )
    counts = np.bincount(np.asarray(actions), minlength=3)
    assert counts[0] == 0
    assert abs(counts[1] - 2000) < 4 * np.sqrt(1000)


@pytest.mark.parametrize("setting", ["total_timesteps", "num_envs", "num_steps"])
def test_bad_sizes(small, setting):
    env, _ = small
    with pytest.raises(jaxrec.InputError, match=setting):
        QLearning(env, **{"total_timesteps": 100, setting: 0})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"gamma": float("nan")}, "gamma"),
        ({"epsilon_start": 2.0}, "epsilon_start"),
        ({"td_lambda": -0.1}, "td_lambda"),
        ({"initial_q": float("inf")}, "initial_q"),
        ({"step_size": GeometricStep(0.0, 0.1)}, "start"),
        ({"step_size": VisitStep(0.5)}, "weight"),
    ],
)
def test_bad_hyper_parameters(small, key, settings, named):
    env, params = small
    agent = QLearning(env, total_timesteps=100, num_envs=10, **settings)
    with pytest.raises(jaxrec.InputError, match=named):
        fit(agent, key[None], jaxrec.batched(params, 1))
    with pytest.raises(jaxrec.InputError, match=named):
        agent.train(key, params)


def test_fit_needs_an_axis_of_runs(small, key):
    env, params = small
    agent = QLearning(env, total_timesteps=100, num_envs=10)
    with pytest.raises(jaxrec.InputError, match="influence must have shape"):
        fit(agent, jax.random.split(key, 3), params)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"step_size": 0.1}, "step_size must be a GeometricStep"),
        ({"total_timesteps": 2**32}, "total_timesteps, in whole"),
    ],
)
def test_what_cannot_be_learned_with_is_refused(settings, said, key):
    with pytest.raises(jaxrec.InputError, match=said):
        QLearning(Chain(), **{"total_timesteps": 64, "num_envs": 32} | settings).init(key, Chain().default_params)


def test_needs_an_index(key):
    class Unindexed(Chain):
        num_observations = None

    with pytest.raises(jaxrec.InputError, match="indexable"):
        QLearning(Unindexed(), total_timesteps=100)
