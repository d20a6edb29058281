"""Our environments as Gymnasium's: what its own checks say, and whether the last observation reaches the learner."""

import warnings

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces as theirs
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from probes import Chain, MaskedArms

import jaxrec
from jaxrec.gymnasium import Env, VectorEnv, register, to_gymnasium
from jaxrec.slates import Slate
from jaxrec.spaces import Box, Discrete, Fields
from jaxrec.wrappers import TimeLimit

SMALL = {f"Rewiring{name}-v0": {"num_users": 6, "degree": 2} for name in ("Game", "Market")}
ENVIRONMENTS = [
    name if name == "PolarisingUsers-v0" else pytest.param(name, marks=pytest.mark.slow)
    for name in jaxrec.registered_envs()
]


@pytest.fixture(scope="module")
def single():
    return Env("PolarisingUsers-v0", horizon=4)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_gymnasium_checks_pass(name):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        env = gymnasium.make(f"jaxrec/{name}", render_mode="rgb_array", **SMALL.get(name, {}))
        check_env(env.unwrapped)
    assert [str(each.message) for each in said if "maximum value is infinity" not in str(each.message)] == []
    assert env.unwrapped.action_masks().shape == (env.action_space.n,)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_many_environments_stay_in_their_spaces(name):
    envs = gymnasium.make_vec(f"jaxrec/{name}", num_envs=3, **SMALL.get(name, {}))
    obs, _ = envs.reset(seed=1)
    envs.action_space.seed(0)
    for _ in range(8):
        assert obs in envs.observation_space
        obs, reward, *_ = envs.step(envs.action_space.sample())
        assert (reward.dtype, reward.shape) == (np.float32, (3,))


def test_ids_of_new_environments_are_registered_once():
    before = len(gymnasium.registry)
    assert "jaxrec/PolarisingUsers-v0" in register()
    assert len(gymnasium.registry) == before


def test_spaces_by_table():
    pairs = [
        (Discrete(3), theirs.Discrete(3)),
        (Box(0, 1, (), bool), theirs.Discrete(2)),
        (Box(0, 4, (), jnp.int32), theirs.Discrete(5)),
        (Box(0, 1, (2, 3), bool), theirs.MultiBinary((2, 3))),
        (Box(0, 1, (), jnp.float32), theirs.Box(0, 1, (1,), np.float32)),
        (Box(-1, np.inf, (2,)), theirs.Box(-1, np.inf, (2,), np.float32)),
        (Box(2, 5, (2,), jnp.int32), theirs.Box(2, 5, (2,), np.int32)),
        (Slate(7, 3), theirs.MultiDiscrete([7, 7, 7])),
        (Fields(a=Discrete(2), b=Box(0, 1, (3,), bool)), theirs.Dict(a=theirs.Discrete(2), b=theirs.MultiBinary((3,)))),
    ]
    for ours, expected in pairs:
        assert to_gymnasium(ours) == expected


def test_an_episode_counts_what_was_shown(single):
    obs, info = single.reset(seed=0)
    assert info == {}
    shown, clicks = np.zeros(3), 0
    for time, action in enumerate((2, 0, 2, 1)):
        obs, reward, terminated, truncated, info = single.step(np.int64(action))
        shown[action] += 1
        clicks += info["recommender"]
        np.testing.assert_array_equal(obs[:3], shown)
        assert obs[3:].sum() == clicks
        assert (type(reward), reward) == (float, info["recommender"])
        assert (terminated, truncated) == (time == 3, False)
    with pytest.raises(jaxrec.InputError, match="after reset"):
        single.step(0)


def test_observations_are_copies_of_their_own(single):
    obs, _ = single.reset(seed=0)
    obs += 5
    after, *_ = single.step(1)
    np.testing.assert_array_equal(after[:3], [0, 1, 0])


def test_equal_seeds_give_equal_episodes(single):
    def play(seed):
        first, _ = single.reset(seed=seed)
        return [first.tolist(), *[single.step(0)[0].tolist() for _ in range(4)]]

    played = [play(seed) for seed in (3, 3, *range(8))]
    assert played[0] == played[1]
    assert len({str(each) for each in played}) > 1


def test_run_time_values_are_options_of_a_reset(single):
    params = single.env.default_params
    single.reset(seed=0, options={"params": params.replace(influence=0.0)})
    assert single.params.influence == 0
    single.reset(options={"params": params})
    with pytest.raises(jaxrec.InputError, match="option of reset"):
        single.reset(options={"parameters": params})


def test_bad_input_is_refused(single):
    single.reset(seed=0)
    for action in (3, 0.5, [1, 2]):
        with pytest.raises(jaxrec.InputError, match="action"):
            single.step(action)
    with pytest.raises(jaxrec.InputError, match="render_mode"):
        Env("PolarisingUsers-v0", render_mode="human")
    with pytest.raises(jaxrec.InputError, match="horizon"):
        Env(single.env, horizon=3)


def test_pictures_have_one_size():
    env = Env("PolarisingUsers-v0", render_mode="rgb_array", horizon=4)
    env.reset(seed=0)
    frames = [env.render()]
    for _ in range(2):
        env.step(1)
        frames.append(env.render())
    assert {(frame.dtype, frame.shape) for frame in frames} == {(np.dtype(np.uint8), (450, 900, 3))}
    assert (frames[0] == 255).all()
    assert (frames[1] != frames[2]).any()


def test_masks_say_what_is_valid():
    envs = VectorEnv(MaskedArms(), 20)
    obs, _ = envs.reset(seed=0)
    np.testing.assert_array_equal(envs.action_masks(), obs["action_mask"].astype(bool))
    assert set(envs.action_masks()[:, 2]) == {True, False}
    assert VectorEnv(Chain(), 2).single_action_space == theirs.Discrete(2)


def test_the_last_observation_reaches_the_learner():
    envs = VectorEnv(TimeLimit(Chain(length=3), 3), 2)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    envs.reset(seed=0)
    envs.step([1, 0])
    obs, _, terminated, truncated, infos = envs.step([1, 0])  # the first arrives at place 2
    assert (terminated.tolist(), truncated.tolist()) == ([True, False], [False, False])
    assert obs.tolist() == [0, 0]
    assert infos["final_obs"].tolist() == [2, None]
    assert infos["_final_obs"].tolist() == infos["_final_info"].tolist() == [True, False]
    assert infos["final_info"]["place"][0] == 2
    assert infos["place"].tolist() == [2, 0]
    obs, _, terminated, truncated, infos = envs.step([1, 1])  # the second is cut off at place 1
    assert (terminated.tolist(), truncated.tolist()) == ([False, False], [False, True])
    assert obs.tolist() == [1, 0]
    assert infos["final_obs"].tolist() == [None, 1]


def test_the_infos_have_the_form_of_those_of_gymnasium():
    """Gymnasium's own loop over single environments gives the same keys, shapes and masks."""
    limited = TimeLimit(Chain(length=3), 3)
    ours = VectorEnv(limited, 2)
    loop = SyncVectorEnv([lambda: Env(limited)] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    for envs in (ours, loop):
        envs.reset(seed=0)
    for actions in ([1, 0], [1, 0], [1, 1]):
        (obs, *mine, infos), (expected, *others, theirs_infos) = ours.step(actions), loop.step(np.array(actions))
        np.testing.assert_array_equal(obs, expected)
        for a, b in zip(mine, others, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
        assert ("final_obs" in infos) == ("final_obs" in theirs_infos)
        if "final_obs" in infos:
            assert infos["final_obs"].tolist() == theirs_infos["final_obs"].tolist()
            np.testing.assert_array_equal(infos["_final_obs"], theirs_infos["_final_obs"])
            done = infos["_final_obs"]
            for name, values in theirs_infos["final_info"].items():
                np.testing.assert_allclose(infos["final_info"][name][done], values[done], rtol=1e-6)
