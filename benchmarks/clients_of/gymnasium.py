"""Clients that take a Gymnasium environment: Gymnasium itself, Stable-Baselines3 and sb3-contrib."""

from typing import Any

import gymnasium
import numpy as np

from benchmarks.clients_of.reasons import refuse_slates
from jaxrec import Environment
from jaxrec.gymnasium import Env, VectorEnv
from jaxrec.spaces import Fields

NUM_ENVS = 4
STEPS = 64


def check(env: Environment) -> None:
    """Runs Gymnasium's own check."""
    from gymnasium.utils.env_checker import check_env

    check_env(Env(env, render_mode="rgb_array"))


def vector(env: Environment) -> None:
    """Steps a batch with random actions, whose observations must stay in their space."""
    envs = VectorEnv(env, NUM_ENVS)
    envs.reset(seed=0)
    for _ in range(STEPS):
        obs, *_ = envs.step(envs.action_space.sample())
        assert obs in envs.observation_space


def flattened(env: Environment) -> None:
    """Flattens the observations of one environment."""
    flat = gymnasium.wrappers.FlattenObservation(Env(env))
    obs, _ = flat.reset(seed=0)
    assert obs in flat.observation_space


def recorded(env: Environment) -> None:
    """Records returns and lengths of the episodes of a batch."""
    envs = gymnasium.wrappers.vector.RecordEpisodeStatistics(VectorEnv(env, NUM_ENVS))
    envs.reset(seed=0)
    infos: dict[str, Any] = {}
    while not np.any(infos.get("_episode", False)):
        *_, infos = envs.step(envs.action_space.sample())
    assert infos["episode"]["l"].max() > 0


def check_sb3(env: Environment) -> None:
    """Runs the check of Stable-Baselines3."""
    from stable_baselines3.common.env_checker import check_env  # pyright: ignore[reportMissingImports]

    check_env(Env(env), warn=False)


def sb3_ppo(env: Environment) -> None:
    """Learns a few batches."""
    from stable_baselines3 import PPO  # pyright: ignore[reportMissingImports]

    from jaxrec.gymnasium.stable_baselines3 import VecEnv

    PPO(_policy(env), VecEnv(env, NUM_ENVS), n_steps=16, batch_size=16, device="cpu").learn(STEPS)


def sb3_dqn(env: Environment) -> None:
    """Learns a few steps."""
    refuse_slates(env, "DQN of Stable-Baselines3 takes Discrete actions alone; its PPO takes slates")
    from stable_baselines3 import DQN  # pyright: ignore[reportMissingImports]

    from jaxrec.gymnasium.stable_baselines3 import VecEnv

    DQN(_policy(env), VecEnv(env, NUM_ENVS), learning_starts=8, buffer_size=100, device="cpu").learn(STEPS)


def maskable_ppo(env: Environment) -> None:
    """Learns a few batches with the environment's masks."""
    from sb3_contrib import MaskablePPO  # pyright: ignore[reportMissingImports]

    from jaxrec.gymnasium.stable_baselines3 import VecEnv

    MaskablePPO(_policy(env), VecEnv(env, NUM_ENVS), n_steps=16, batch_size=16, device="cpu").learn(STEPS)


def _policy(env: Environment) -> str:
    return "MultiInputPolicy" if isinstance(env.observation_space(), Fields) else "MlpPolicy"
