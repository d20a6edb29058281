"""Values by least squares: the regression against NumPy, probes with known values, moments by a plain loop."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import networkx
import numpy as np
import pytest
from probes import Chain, Clock, Cue

import jaxrec
from jaxrec.agents import LSTM, MLP, PPO, LeastSquares, NodeMLP, Ranking
from jaxrec.agents.critic import solved
from jaxrec.environment import EnvParams
from jaxrec.envs.rewiring import RewiringGame, moments
from jaxrec.parameters import batched
from jaxrec.wrappers import TimeLimit

FAST = {"num_envs": 32, "num_steps": 8, "num_minibatches": 4, "ent_coef": 0.0}


def observed(obs, state):
    return jnp.atleast_1d(obs).astype(float)


def place(obs, state):
    return jax.nn.one_hot(obs, 4)


def blind(obs, state):
    return jnp.zeros(2)


def trained(env, features, steps=20_000, **changes):
    changes = FAST | {"critic": LeastSquares(features)} | changes
    agent = PPO(env, MLP(env.num_actions, (16,)), steps, **changes)
    return agent, jax.jit(agent.train)(jax.random.key(0), env.default_params)


def test_a_linear_system_is_solved():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 40, 20))
    matrices = np.swapaxes(root, 1, 2) @ root / 40 + 1e-3 * np.eye(20)
    right = rng.normal(size=(3, 20))
    np.testing.assert_allclose(
        jax.vmap(solved)(jnp.asarray(matrices), jnp.asarray(right)),
        np.linalg.solve(matrices, right[..., None])[..., 0],
        rtol=2e-3,
    )


@pytest.mark.parametrize("ridge", [1e-5, 0.3])
def test_the_fit_is_ridge_regression_on_standardised_features(ridge):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(50, 4, 3)) * [1, 100, 0.01] + [0, 30, 5]
    returns = features @ [1.0, 0.02, -30.0] + 7 + rng.normal(size=(50, 4))
    fitted = jax.jit(lambda features, returns: LeastSquares(observed, ridge).fit(features, returns)(features))
    flat = features.reshape(-1, 3)
    standard = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    targets = np.append(returns.ravel() - returns.mean(), np.zeros(3))
    rows = np.concatenate([standard, np.sqrt(ridge * 200) * np.eye(3)])
    weights = np.linalg.lstsq(rows, targets, rcond=None)[0]
    expected = returns.mean() + (standard @ weights).reshape(50, 4)
    np.testing.assert_allclose(fitted(*map(jnp.float32, (features, returns))), expected, rtol=1e-4)


def test_what_is_constant_in_a_batch_says_nothing_elsewhere():
    features = jnp.full((4096, 2), 0.1).at[:, 0].set(jnp.linspace(0, 1, 4096))

    @jax.jit
    def fitted(elsewhere):
        return LeastSquares(observed, ridge=1e-6).fit(features, 3 * features[:, 0] + 2)(elsewhere)

    np.testing.assert_allclose(fitted(jnp.array([[0.5, 0.1], [0.5, 1e4]])), 3.5, atol=1e-4)


def test_the_least_ridge_is_enough_for_features_that_are_equal():
    feature = jax.random.normal(jax.random.key(0), (1000, 1))
    features = jnp.tile(feature, 4)
    fitted = jax.jit(lambda features: LeastSquares(observed, ridge=1e-6).fit(features, feature[:, 0])(features))
    np.testing.assert_allclose(fitted(features), feature[:, 0], atol=1e-4)


@pytest.mark.parametrize("td_lambda", [1.0, pytest.param(0.0, marks=pytest.mark.slow)])
def test_probe_of_discounting(td_lambda):
    env = Clock(3)
    agent = PPO(env, MLP(2, (4,)), 8_000, gamma=0.5, critic=LeastSquares(observed, td_lambda=td_lambda), **FAST)
    state, _ = jax.jit(agent.train)(jax.random.key(0), env.default_params)
    np.testing.assert_allclose(jax.vmap(state.critic)(jnp.eye(3)), [1.75, 1.5, 1.0], atol=1e-3)


@pytest.mark.slow
def test_probe_of_truncation():
    """A clock that pays 1 as long as it is looked at is worth 1 / (1 - gamma), cut off or not."""
    _, (state, _) = trained(TimeLimit(Clock(64), 4), blind, gamma=0.75)
    assert state.critic(jnp.zeros(2)) == pytest.approx(4, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("td_lambda", [1.0, pytest.param(0.0, marks=pytest.mark.slow)])
def test_an_episode_that_is_cut_off_goes_on_where_it_was_cut(td_lambda):
    """Values of a walk that never learns are those of the walk that nobody cuts off, by its Bellman equations."""
    agent, (state, _) = trained(
        TimeLimit(Chain(cost=1.0), 3), place, 400_000, gamma=0.9, learning_rate=0.0, num_envs=1024,
        critic=LeastSquares(place, td_lambda=td_lambda),
    )  # fmt: skip
    logits = [agent.network.apply(state.network_params, (), jnp.asarray(at, jnp.int32))[1] for at in range(3)]
    left, right = np.asarray(jax.nn.softmax(jnp.stack(logits))).T
    walk = np.diag(right[:2], 1) + np.diag(left[1:], -1)
    walk[0, 0] = left[0]
    worth = np.linalg.solve(np.eye(3) - 0.9 * walk, -1 + right * [0, 0, 1])
    assert np.ptp(worth) > 0.5  # so that it matters where one goes on
    np.testing.assert_allclose(jax.vmap(state.critic)(jnp.eye(4)[:3]), worth, atol=0.1)


@pytest.mark.slow
def test_probe_of_delayed_reward_and_unequal_episodes():
    agent, (state, _) = trained(Chain(), place, 40_000, gamma=0.9, learning_rate=5e-3)
    for at in range(3):
        assert agent.policy(state).act((), jnp.asarray(at, jnp.int32), jax.random.key(0))[0] == 1
    worth = (0.9**2 - 0.1 * (1 + 0.9 + 0.9**2), 0.9 - 0.1 * 1.9, 0.9)
    np.testing.assert_allclose(jax.vmap(state.critic)(jnp.eye(4)[:3]), worth, atol=0.05)


@pytest.mark.slow
def test_a_critic_may_see_what_the_network_does_not():
    """In the steps after the first nobody sees the cue, and the value of the last is whether it will be guessed."""

    def hidden(obs, state):
        return jnp.stack([state.cue, state.time]).astype(float)

    _, (state, metrics) = trained(Cue(1), hidden, 8_000)
    assert metrics["episode_return"][-1] > 0.95
    assert state.critic(jnp.zeros(2)) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_the_value_of_the_network_stays_as_it_was():
    agent, (state, _) = trained(Cue(1), observed, 2_000)
    before = agent.init(jax.random.key(0), agent.env.default_params).network_params["params"]
    after = state.network_params["params"]
    for layer in ("Dense_2", "Dense_3"):
        np.testing.assert_array_equal(before[layer]["kernel"], after[layer]["kernel"])
    assert not np.array_equal(before["Dense_1"]["kernel"], after["Dense_1"]["kernel"])


def test_settings_out_of_range_are_refused():
    for changes in ({"ridge": 0.0}, {"td_lambda": 1.5}):
        agent = PPO(Clock(3), MLP(2, (4,)), 1_000, critic=LeastSquares(observed, **changes))
        with pytest.raises(jaxrec.InputError, match=f"critic.{next(iter(changes))}"):
            agent.check()


@pytest.mark.parametrize(
    ("critic", "said"),
    [
        (observed, "critic must be a LeastSquares or None, got <function observed"),
        (LeastSquares(lambda obs, state: state.time), r"critic.features must give one axis .* got shape \(\)"),
        (LeastSquares(lambda obs, state: jnp.eye(2)), r"critic.features must give one axis .* got shape \(2, 2\)"),
        (LeastSquares(lambda obs, state: state.unheard), "critic.features does not take an observation and state of "),
    ],
)
def test_what_is_no_critic_is_refused(critic, said, untyped):
    with pytest.raises(jaxrec.InputError, match=said):
        PPO(Clock(3), MLP(2, (4,)), 1_000, critic=critic).check()


@pytest.mark.slow
@pytest.mark.parametrize(("double", "ridge", "rtol", "atol"), [(True, 1e-5, 1e-6, 1e-9), (False, 0.1, 1e-3, 1e-5)])
def test_settings_are_swept_and_each_gives_what_it_gives_alone(double, ridge, rtol, atol):
    with jax.enable_x64(double):  # a ridge of 1e-5 makes of the rounding of float32 what is seen
        agent = PPO(Chain(), MLP(2, (4,)), 1_024, critic=LeastSquares(place), **FAST)
        swept = {"ridge": [ridge, 1.0, 1.0], "td_lambda": [1.0, 1.0, 0.3]}
        agents = batched(agent, 3).replace(critic=LeastSquares(place, **{k: jnp.array(v) for k, v in swept.items()}))
        train = jax.jit(lambda agent: agent.train(jax.random.key(0), EnvParams())[0].critic.weights)
        weights = jax.jit(jax.vmap(train))(agents)
        assert len(np.unique(np.round(weights, 3), axis=0)) == 3
        for number in range(3):
            alone = agent.replace(critic=LeastSquares(place, swept["ridge"][number], swept["td_lambda"][number]))
            np.testing.assert_allclose(weights[number], train(alone), rtol=rtol, atol=atol)


@pytest.mark.slow
def test_a_network_with_memory_may_have_one():
    env = Cue(2)

    def hidden(obs, state):
        return jnp.stack([state.cue, state.time]).astype(float)

    agent = PPO(env, LSTM(2, 16), 60_000, learning_rate=1e-2, critic=LeastSquares(hidden), **FAST)
    _, metrics = jax.jit(agent.train)(jax.random.key(0), env.default_params)
    assert metrics["episode_return"][-1] > 0.95


def by_hand(obs, state):
    """The features of `moments`, from a networkx graph and loops."""
    graph = networkx.from_numpy_array(np.asarray(obs.graph))
    cooperates = np.asarray(obs.nodes[:, 0]) == 1
    users, mean = len(cooperates), 2 * graph.number_of_edges() / len(cooperates)
    sums = np.zeros((2, 6))
    for user in graph:
        near = sum(cooperates[other] for other in graph[user]) / mean
        far = graph.degree[user] / mean - near
        inverse = 1 / (near + far) if graph.degree[user] else 0
        sums[int(not cooperates[user])] += [near, far, near**2, near * far, far**2, inverse]
    share = cooperates.sum() / users - 0.5
    neighbourhoods = (sums / users).ravel()
    focused, partner = int(obs.focused), int(obs.partner)
    met = np.array(
        [cooperates[focused], graph.degree[focused] / mean, graph.degree[partner] / mean, bool(obs.requested)]
    )
    time = int(state.clock) / 1000
    return np.concatenate([
        [share**power for power in range(1, 6)], neighbourhoods, share * neighbourhoods, met, share * met,
        [time, time**2, share * time, share * time**2],
    ])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "mean_degree"),
    [
        pytest.param({}, 4, marks=pytest.mark.slow),
        pytest.param({"observe_as": "graphs_tuple"}, 4, marks=pytest.mark.slow),
        ({"graph": "uniform"}, 2),
    ],
)
def test_moments_by_hand(settings, mean_degree):
    env = RewiringGame(12, mean_degree, "learning", **settings)
    obs, state = env.reset(jax.random.key(3))
    for key in jax.random.split(jax.random.key(4), 20):
        action = int(np.flatnonzero(np.r_[np.asarray(obs.action_mask), True])[0])
        obs, state, *_ = env.step(key, state, action)
    dense = dataclasses.replace(env, observe_as="dense").observe(state, env.default_params)
    np.testing.assert_allclose(moments(obs, state), by_hand(dense, state), rtol=2e-5, atol=1e-6)


@pytest.mark.slow
def test_a_critic_is_trained_in_float64():
    with jax.enable_x64(True):
        agent = PPO(RewiringGame(10, 4, "learning"), Ranking(NodeMLP((4,)), 4, value_embed=None), 256, **FAST)
        agent = agent.replace(critic=LeastSquares(moments))
        state, metrics = jax.jit(agent.train)(jax.random.key(0), agent.env.default_params)
        assert state.critic.weights.dtype == jnp.float64
        chex.assert_tree_all_finite((state.network_params, metrics))
