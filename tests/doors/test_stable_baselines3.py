"""Stable-Baselines3 on our environments, where it is installed."""

import numpy as np
import pytest
from probes import Chain, MaskedArms

import jaxrec
from jaxrec.envs.preference import PreferenceShift, fitted_params, fitted_slates
from jaxrec.wrappers import TimeLimit

sb3 = pytest.importorskip("stable_baselines3")

from stable_baselines3.common.env_checker import check_env  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402
from stable_baselines3.common.vec_env import VecMonitor  # noqa: E402

from jaxrec.gymnasium import Env  # noqa: E402
from jaxrec.gymnasium.stable_baselines3 import VecEnv  # noqa: E402

pytestmark = pytest.mark.slow

USERS = PreferenceShift(slate_means=fitted_slates("optima"))


@pytest.mark.filterwarnings("ignore:Your observation nodes has an unconventional shape:UserWarning")  # users x features
@pytest.mark.parametrize("name", jaxrec.registered_envs())
def test_its_checks_pass(name):
    check_env(Env(name))


def test_the_last_observation_reaches_the_learner():
    envs = VecEnv(TimeLimit(Chain(length=3), 2), 2)
    envs.seed(0)
    envs.reset()
    envs.step(np.array([1, 1]))
    obs, _, done, infos = envs.step(np.array([1, 0]))
    assert obs.tolist() == [0, 0]
    assert done.tolist() == [True, True]
    assert [info["terminal_observation"] for info in infos] == [2, 0]
    assert [info["TimeLimit.truncated"] for info in infos] == [False, True]


def test_masks_reach_maskable_agents():
    maskable = pytest.importorskip("sb3_contrib.common.maskable.utils")
    envs = VecEnv(MaskedArms(), 8)
    obs = envs.reset()
    np.testing.assert_array_equal(maskable.get_action_masks(envs), obs["action_mask"].astype(bool))


@pytest.mark.parametrize(
    ("env", "policy", "params", "num_steps", "before", "after"),
    [
        ("PolarisingUsers-v0", "MlpPolicy", None, 400_000, 7.9, 10.0),
        (USERS, "MultiInputPolicy", fitted_params("optima"), 200_000, 6.5, 6.6),
    ],
)
def test_ppo_learns(env, policy, params, num_steps, before, after):
    envs = VecMonitor(VecEnv(env, 16, params))
    agent = sb3.PPO(policy, envs, n_steps=256, batch_size=256, n_epochs=4, learning_rate=1e-3, gamma=1.0, seed=0)
    scores = []
    for steps in (0, num_steps):
        agent.learn(steps) if steps else None
        scores.append(evaluate_policy(agent, VecMonitor(VecEnv(env, 64, params)), 512, deterministic=bool(steps))[0])
    assert scores[0] < before
    assert scores[1] > after
