"""Our wrappers, and gymnax's around our environments."""

import copy
import pickle

import gymnax.wrappers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces as gymnax_spaces
from probes import Chain

import jaxrec
from jaxrec.envs.polarising import PolarisingUsers, Random
from jaxrec.spaces import Box, Discrete, Space
from jaxrec.testing import api_test
from jaxrec.wrappers import FlattenObservation, LegacyStepAPI, TimeLimit, Wrapper

ENVIRONMENTS = jaxrec.registered_envs()
QUICK = [name if name == "PolarisingUsers-v0" else pytest.param(name, marks=pytest.mark.slow) for name in ENVIRONMENTS]
SMALL = {f"Rewiring{name}-v0": {"num_users": 4, "degree": 2} for name in ("Game", "Market")}  # episodes that end soon


@pytest.fixture
def env(request):
    """Each environment as gymnax's wrappers take it: they know observations that are arrays."""
    env = jaxrec.make(request.param, **SMALL.get(request.param, {}))[0]
    return env if hasattr(env.observation_space(), "shape") else FlattenObservation(env)


def play(env, steps):
    """Random actions through any six-value `step`; what came out of each."""
    obs, state = env.reset(jax.random.key(0))
    out = [obs]
    for key in jax.random.split(jax.random.key(1), steps):
        action = env.action_space(env.default_params).sample(key)
        out.append(env.step(key, state, action))
        state = out[-1][1]
    return out


@pytest.mark.parametrize("env", QUICK, indirect=True)
def test_gymnax_log_wrapper_counts_episodes(env):
    wrapped = gymnax.wrappers.LogWrapper(env)
    steps = play(wrapped, 60)[1:]
    rewards = np.array([float(step[2]) for step in steps])
    length = 1 + next(i for i, step in enumerate(steps) if step[3])
    assert env.fixed_horizon in (None, length)
    finished = steps[length - 1][5]
    assert bool(finished["returned_episode"])
    assert finished["returned_episode_lengths"] == length
    assert finished["returned_episode_returns"] == pytest.approx(rewards[:length].sum(), rel=1e-5)


@pytest.mark.parametrize("env", QUICK, indirect=True)
def test_gymnax_flatten_sticky_and_legacy_wrappers(env):
    flat = gymnax.wrappers.FlattenObservationWrapper(env)
    assert play(flat, 1)[0].shape == flat.observation_space(env.default_params).shape
    play(gymnax.wrappers.StickyActionWrapper(env, 0.5), 3)
    legacy = gymnax.wrappers.LegacyStepAPIWrapper(env)
    _, state = legacy.reset(jax.random.key(0))
    assert len(legacy.step(jax.random.key(1), state, 0)) == 5


@pytest.mark.parametrize("env", QUICK, indirect=True)
def test_gymnax_dm_env_wrapper(env):
    wrapped = gymnax.wrappers.GymnaxToDmEnvWrapper(env)
    step = wrapped.reset(jax.random.key(0))
    discounts = []
    for key in jax.random.split(jax.random.key(1), 60):
        step = wrapped.step(key, step, 0)
        discounts.append(float(step.discount))
    assert set(discounts) == {0.0, 1.0}


@pytest.mark.parametrize("env", QUICK, indirect=True)
def test_gymnax_gym_wrappers(env):
    single = gymnax.wrappers.GymnaxToGymWrapper(env)
    ended = []
    for seed in range(6):  # a small society may be of one mind after a step
        single.reset(seed=seed)
        obs, reward, terminated, truncated, _ = single.step(0)
        assert single.observation_space.contains(np.asarray(obs))
        assert not truncated
        ended.append(bool(terminated))
    assert single.action_space.n == env.num_actions
    assert not all(ended)
    many = gymnax.wrappers.GymnaxToVectorGymWrapper(env, num_envs=4)
    many.reset(seed=0)
    obs, reward, *_ = many.step(jnp.zeros(4, int))
    assert reward.shape == (4,)
    assert obs.shape == (4, *single.observation_space.shape)


def test_spaces_pass_for_those_of_gymnax_and_stay_ours():
    assert isinstance(Discrete(3), gymnax_spaces.Discrete)
    assert isinstance(Box(0, 1, (2,)), gymnax_spaces.Box)
    assert not isinstance(Discrete(3), gymnax_spaces.Box)
    assert isinstance(Discrete(3), Discrete)
    assert isinstance(Discrete(3), Space)
    assert not isinstance(Discrete(3), Box)


@pytest.mark.parametrize("space", [Discrete(4), Box(0, 3, (5,), jnp.int32), Box(-1.0, 2.0, (2, 2))])
def test_samples_fill_their_space(space):
    samples = jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 500))
    assert samples.shape == (500, *space.shape)
    assert samples.dtype == space.dtype
    assert jax.vmap(space.contains)(samples).all()
    if jnp.issubdtype(space.dtype, jnp.integer):
        assert set(np.unique(samples)) == set(range(4))
    assert not space.contains(jnp.full(space.shape, 7, space.dtype))
    assert not space.contains(jnp.full(space.shape, -7, space.dtype))
    assert vars(pickle.loads(pickle.dumps(space))) == vars(space)
    assert type(copy.deepcopy(space)) is type(space)


@pytest.mark.parametrize("env", QUICK, indirect=True)
def test_five_values(env):
    old = LegacyStepAPI(env)
    obs, state = old.reset(jax.random.key(0))
    _, same = env.reset(jax.random.key(0))
    for key in jax.random.split(jax.random.key(1), 60):
        obs, state, reward, done, info = old.step(key, state, 1)
        expected, same, worth, terminated, truncated, _ = env.step(key, same, 1)
        np.testing.assert_array_equal(obs, expected)
        assert reward == worth
        assert done == (terminated | truncated)
        assert info["discount"] == 1 - terminated


@pytest.mark.parametrize("env", QUICK, indirect=True)
def test_flat_observations_hold_every_field(env):
    flat = FlattenObservation(env.env if isinstance(env, FlattenObservation) else env)
    obs, state = flat.reset(jax.random.key(0))
    space = flat.observation_space()
    assert space.contains(obs)
    assert obs.dtype == space.dtype
    inside, _ = flat.env.reset(jax.random.key(0))
    np.testing.assert_array_equal(obs, np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(inside)]))
    np.testing.assert_array_equal(obs, flat.observe(state, flat.default_params))
    with pytest.raises(jaxrec.InputError, match="no observation index"):
        flat.observation_index(obs)


def test_a_wrapper_passes_everything_on():
    own = {"name", "num_actions", "resolve", "check_type", "step_env", "reset", "step"}  # made of the others
    public = {name for name in vars(jaxrec.Environment) if not name.startswith("_")}
    assert public - own - set(vars(Wrapper)) == set()


def test_time_limit_truncates_and_keeps_the_final_observation():
    api_test(TimeLimit(Chain(), 3))
    env = TimeLimit(PolarisingUsers(), 4)
    steps = play(env, 8)[1:]
    assert [bool(step[4]) for step in steps] == [False, False, False, True] * 2
    assert not any(bool(step[3]) for step in steps)
    assert steps[3][5]["final_observation"][:3].sum() == 4
    assert steps[3][0].sum() == 0
    result = jaxrec.rollout(env, Random(), jax.random.key(0), 3, 9)
    np.testing.assert_array_equal(result.episodes, 2)


def test_time_limit_beyond_the_game_changes_nothing():
    env, limited = Chain(), TimeLimit(Chain(), 10_000)
    for (_, a, *one), (_, b, *two) in zip(play(env, 20)[1:], play(limited, 20)[1:], strict=True):
        assert a.place == b.place
        assert [bool(x) for x in one[1:3]] == [bool(x) for x in two[1:3]]


def test_time_limit_is_at_least_one():
    with pytest.raises(jaxrec.InputError, match="max_steps"):
        TimeLimit(Chain(), 0)


def test_wrapped_environments_hash_equal():
    assert TimeLimit(Chain(), 3) == TimeLimit(Chain(), 3) != TimeLimit(Chain(), 4)
    assert hash(TimeLimit(Chain(), 3)) == hash(TimeLimit(Chain(), 3))
