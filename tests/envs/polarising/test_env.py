"""The polarising users, held against code that shares nothing with theirs."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxrec
from jaxrec.envs.polarising import TRAINING, UNSEEN, AlwaysSource, Bandit, PolarisingUsers, Random, dynamics, population

probability = st.floats(0, 1, width=32)
profile = st.tuples(probability, probability, probability)


def numpy_episode(theta, actions, clicks, factors, influence=1.0, ceiling=0.75):
    """The rules of the paper as a plain loop: theta and clicks after each step, given the draws."""
    theta = list(theta)
    thetas, clicked = [], []
    for action, uniform, factor in zip(actions, clicks, factors, strict=True):
        clicked.append(uniform < theta[action])
        left, centre, right = theta
        if action == 2 and left > centre and left > right:
            theta[0] = max(left, min(left * (1 + influence * (factor - 1)), ceiling))
        if action == 0 and right > centre and right > left:
            theta[2] = max(right, min(right * (1 + influence * (factor - 1)), ceiling))
        thetas.append(tuple(theta))
    return np.array(thetas), np.array(clicked)


@pytest.mark.parametrize("factor_per", ["step", "episode"])
@pytest.mark.parametrize("influence", [0.0, 0.4, 1.0])
def test_equals_a_numpy_loop_given_the_same_draws(factor_per, influence, key):
    env = PolarisingUsers(factor_per=factor_per)
    params = env.default_params.replace(influence=influence)
    result = jaxrec.rollout(env, Random(), key, 50, env.horizon, params, trajectory=True)
    # The environment's draws, recovered from the keys: the same split as in the rollout, nothing of the dynamics.
    _, _, key_steps = jax.random.split(key, 3)

    def draws(key):
        _, key_step, _, _ = jax.random.split(key, 4)
        return jax.vmap(lambda k: jax.random.uniform(k, (2,)))(jax.random.split(key_step, 50))

    uniforms = np.asarray(jax.vmap(draws)(jax.random.split(key_steps, env.horizon)))
    key_reset, _, _ = jax.random.split(key, 3)
    key_factors = jax.vmap(lambda k: jax.random.split(k)[1])(jax.random.split(key_reset, 50))
    episode_factors = 1.01 + (1.10 - 1.01) * np.asarray(jax.vmap(jax.random.uniform)(key_factors))
    trajectory = jax.tree.map(np.asarray, result.trajectory)
    for i in range(50):
        factors = 1.01 + (1.10 - 1.01) * uniforms[:, i, 1]
        if factor_per == "episode":
            factors = np.full(env.horizon, episode_factors[i])
        thetas, clicked = numpy_episode(
            trajectory.state.theta[0, i], trajectory.action[:, i], uniforms[:, i, 0], factors, influence
        )
        np.testing.assert_allclose(trajectory.next_state.theta[:, i], thetas, rtol=1e-5)
        np.testing.assert_array_equal(trajectory.reward[:, i], clicked)
        shown = np.eye(3, dtype=int)[trajectory.action[:, i]]
        np.testing.assert_array_equal(trajectory.next_state.recommended[:, i], shown.cumsum(axis=0))
        np.testing.assert_array_equal(trajectory.next_state.clicked[:, i], (shown * clicked[:, None]).cumsum(axis=0))


def expected_own(theta, times, points=4001):
    """E[min(theta * p_1 ... p_n, 0.75)], by convolving the density of log p on a grid."""
    grid = np.linspace(np.log(1.01), np.log(1.10), points)
    mass = np.exp(grid)
    mass /= mass.sum()
    step, density = grid[1] - grid[0], np.array([1.0])
    for _ in range(times):
        density = np.convolve(density, mass)
    log_product = times * grid[0] + step * np.arange(len(density))
    return float((density * np.minimum(theta * np.exp(log_product), 0.75)).sum() / density.sum())


@pytest.mark.parametrize("opposed_steps", [3, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (0, 1))])
def test_expected_clicks_of_fixed_policies(opposed_steps, key):
    """Opposed content n times, then own content: n * theta_R + (h - n) * E[theta_L after n] on average."""
    horizon, episodes = 6, 200_000
    env = PolarisingUsers(horizon=horizon)
    params = env.default_params.replace(population=np.array([TRAINING["strong left"]]))

    class Switch(jaxrec.policy.Stateless):
        def act(self, carry, obs, key):
            return jnp.where(obs[:3].sum() < opposed_steps, 2, 0), carry

    returns = np.asarray(jaxrec.rollout(env, Switch(), key, episodes, horizon, params).episode_return)
    expected = opposed_steps * 0.1 + (horizon - opposed_steps) * expected_own(0.4, opposed_steps, 401)
    assert abs(returns.mean() - expected) < 4 * returns.std() / np.sqrt(episodes)


def test_the_ceiling_is_reached_and_not_passed(key):
    env = PolarisingUsers()
    params = env.default_params.replace(population=np.array([TRAINING["strong right"]]))
    result = jaxrec.rollout(env, AlwaysSource(0), key, 100, 30, params, trajectory=True)
    np.testing.assert_allclose(result.trajectory.next_state.theta[-1, :, 2], 0.75)
    np.testing.assert_array_equal(result.trajectory.next_state.theta[..., :2], np.full((30, 100, 2), np.float32(0.1)))


@pytest.mark.parametrize(
    "policy",
    [
        Bandit(10),
        *(pytest.param(each, marks=pytest.mark.slow) for each in (Random(), AlwaysSource(0), AlwaysSource(2))),
    ],
)
def test_no_influence_leaves_theta_untouched(policy, key):
    env, params = jaxrec.make("PolarisingUsers-v0")
    params = params.replace(influence=0.0, population=population({**TRAINING, **UNSEEN}))
    states = jaxrec.rollout(env, policy, key, 500, 30, params, trajectory=True).trajectory.next_state
    np.testing.assert_array_equal(states.theta, states.initial_theta)


@settings(max_examples=50, deadline=None)
@given(profile=profile, influence=probability, ceiling=probability, seed=st.integers(0, 2**31))
def test_invariants(profile, influence, ceiling, seed):
    env = PolarisingUsers(horizon=12)
    params = env.default_params.replace(population=np.array([profile]), influence=influence, ceiling=ceiling)
    result = jaxrec.rollout(env, Random(), jax.random.key(seed), 16, 12, params, trajectory=True)
    before, after = result.trajectory.state, result.trajectory.next_state
    assert np.isfinite(after.theta).all()
    assert (np.asarray(after.theta) <= np.maximum(before.theta, np.float32(ceiling))).all()
    assert (np.asarray(after.theta) >= before.theta).all()
    assert (np.asarray(after.recommended).sum(axis=-1) == np.arange(1, 13)[:, None]).all()
    assert (np.asarray(after.clicked) <= after.recommended).all()
    left, centre, right = profile
    if not (left > max(centre, right) or right > max(left, centre)):
        np.testing.assert_array_equal(after.theta, before.theta)


def test_utilities_by_hand(polarising, key):
    env, params = polarising
    params = params.replace(population=np.array([[0.4, 0.1, 0.2]]))
    _, state = env.reset(key, params)
    _, next_state, reward, _, _ = env.step_env(key, state, 2, params)
    worth = env.utilities(state, 2, next_state, params)
    assert worth.recommender == reward == next_state.clicked[2]
    assert worth.user == np.float32(0.2)
    np.testing.assert_allclose(worth.society, -(next_state.theta[0] - 0.4), rtol=1e-4)
    assert worth.society < 0
    _, later, _, _, _ = env.step_env(key, next_state, 0, params)
    assert env.utilities(next_state, 0, later, params).user == np.float32(0.4), "the initial theta counts, not today's"


def test_profiles_are_drawn_uniformly(polarising):
    env, params = polarising
    states = jax.vmap(env.reset_env, in_axes=(0, None))(jax.random.split(jax.random.key(0), 50_000), params)[1]
    counts = [(np.asarray(states.theta) == np.float32(theta)).all(axis=-1).sum() for theta in TRAINING.values()]
    assert sum(counts) == 50_000
    assert max(abs(np.array(counts) - 10_000)) < 4 * np.sqrt(50_000 * 0.2 * 0.8)


@pytest.mark.parametrize(
    ("theta", "wing"),
    [
        ((0.4, 0.1, 0.1), 0),
        ((0.4, 0.4, 0.1), None),
        ((0.2, 0.4, 0.2), None),
        ((0.1, 0.3, 0.4), 2),
        ((0.4, 0.1, 0.4), None),
    ],
)
def test_wings_are_strict(theta, wing):
    theta = jnp.array(theta)
    assert bool(dynamics.is_left_wing(theta)) == (wing == 0)
    assert bool(dynamics.is_right_wing(theta)) == (wing == 2)
    for action in range(3):
        assert bool(dynamics.opposed(theta, jnp.array(action))) == (wing is not None and action == 2 - wing)


def test_bandit_explores_then_exploits():
    obs = lambda shown, clicked: jnp.array([*shown, *clicked], jnp.int32)  # noqa: E731
    keys = jax.random.split(jax.random.key(0), 3000)
    early = jax.vmap(lambda key: Bandit(10).act((), obs((3, 3, 3), (3, 0, 0)), key)[0])(keys)
    assert np.abs(np.bincount(np.asarray(early), minlength=3) - 1000).max() < 4 * np.sqrt(3000 * 2 / 9)
    for shown, clicked, best in [
        ((4, 3, 3), (1, 1, 0), 1),
        ((5, 5, 0), (2, 1, 0), 2),
        ((5, 5, 0), (3, 1, 0), 0),
        ((4, 4, 4), (1, 1, 1), 0),
    ]:
        late = jax.vmap(partial(Bandit(10).act, (), obs(shown, clicked)))(keys[:20])[0]
        assert set(np.asarray(late)) == {best}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"population": np.zeros((5, 2))}, "population"),
        ({"population": np.zeros(3)}, "population"),
        ({"population": np.zeros((0, 3))}, "population"),
        ({"population": np.zeros((2, 3, 3))}, "population"),
        ({"population": [[0.1, 0.2], [0.3]]}, "population"),
        ({"population": "left"}, "population"),
        ({"influence": np.array([0.0, 0.5, 1.0])}, "influence"),
        ({"ceiling": np.array([0.5, 0.5, 0.5])}, "ceiling"),
        ({"population": np.array([[0.1, 0.2, 1.3]])}, "population"),
        ({"population": np.array([[0.1, 0.2, -0.3]])}, "population"),
        ({"ceiling": 1.5}, "ceiling"),
        ({"factor_low": 0.5}, "factor_low"),
        ({"factor_low": 1.2}, "factor_high"),
        ({"factor_high": 1e39, "influence": 0.0}, "factor_high"),  # infinite in float32: 0 * inf
    ],
)
def test_bad_parameters(polarising, key, change, message, untyped):
    env, params = polarising
    with pytest.raises(jaxrec.InputError, match=message):
        env.reset(key, params.replace(**change))


@pytest.mark.parametrize(
    "arguments",
    [
        {"horizon": 0},
        {"horizon": 2.5},
        {"horizon": 2**31},
        {"factor_per": "day"},
        {"reward": "profit"},
        {"reward": 3},
        {"horizn": 3},
    ],
)
def test_bad_constructor_arguments(arguments, untyped):
    with pytest.raises(jaxrec.InputError, match=next(iter(arguments))):
        jaxrec.make("PolarisingUsers-v0", **arguments)


@pytest.mark.slow
def test_render_draws_the_first_episode(polarising, key):
    env, _ = polarising
    trajectory = jaxrec.rollout(env, Bandit(10), key, 2, 45, trajectory=True).trajectory
    figure = env.render(trajectory[:, 0])
    shown, user = figure.axes
    drawn = sum(len(points.get_offsets()) for points in shown.collections)
    assert drawn == 30
    theta = np.asarray(trajectory.state.theta)[:30, 0]
    for i, line in enumerate(user.lines):
        np.testing.assert_allclose(line.get_ydata()[:30], theta[:, i])
    with pytest.raises(jaxrec.InputError, match="one environment"):
        env.render(trajectory)


def test_the_bandit_explores_a_third_of_any_horizon(key):
    env, params = jaxrec.make("PolarisingUsers-v0", horizon=9)
    params = params.replace(population=np.array([[0.0, 1.0, 0.0]]))
    shown = jaxrec.rollout(env, env.policy("bandit"), key, 2000, 9, params).per_step["centre"]
    np.testing.assert_allclose(shown[:3], 1 / 3, atol=0.05)
    assert (np.asarray(shown[3:]) > 0.6).all()


def test_populations_are_those_of_the_paper():
    assert population(TRAINING).shape == (5, 3)
    assert population(UNSEEN).shape == (4, 3)
    for profiles in (TRAINING, UNSEEN):
        for name, theta in profiles.items():
            mirrored = name.replace("left", "_").replace("right", "left").replace("_", "right")
            assert profiles[mirrored] == theta[::-1], "the populations are symmetric"
    assert all(0 <= p <= 0.75 for p in itertools.chain(*TRAINING.values(), *UNSEEN.values()))
