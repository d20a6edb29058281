"""Recommenders of the preference studies: their settings, their training, and what they do to users."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import jaxrec
from jaxrec import checks
from jaxrec.agents import LSTM, PPO, NetworkPolicy, PPOSettings
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.experiments.runs.limits import check_training
from jaxrec.experiments.runs.tools import Tools
from jaxrec.runtime import devices
from jaxrec.runtime.jit_by_class import jit


@dataclass(frozen=True)
class RecommenderConfig:
    """Settings of recommenders; a base of each study's own."""

    steps: int = 128_000
    """Environment steps (slates) of each training."""
    ppo: PPOSettings = PPOSettings(num_steps=40, learning_rate=1e-2)
    """Of the learner; myopic recommenders have a discount of 0 in place of its own."""
    hidden_size: int = 64
    """Of the LSTM."""
    eval_episodes: int = 1000
    """Episodes that each seed is evaluated on."""
    num_chunks: int = 20
    """How often progress and metrics are written."""

    def check_recommenders(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("steps", "hidden_size", "num_chunks"):
            checks.positive(name, getattr(self, name))
        checks.positive("eval_episodes", self.eval_episodes, checks.MOST_STEPS)
        with checks.prefixed("ppo"):
            self.ppo.check()
        check_training("steps", self.steps, self.steps, self.ppo.num_envs, self.ppo.num_steps)

    def agent(self, env: Any, gamma: float, steps: int | None = None) -> PPO:
        """Builds the learner, with a discount of its own.

        Args:
            env: where users are.
            gamma: discount, in [0, 1].
            steps: of the training; those of the settings if None.

        Returns:
            The agent.
        """
        network = LSTM(width=self.hidden_size)
        return self.ppo.agent(env, network, self.steps if steps is None else steps, gamma=gamma, reward_scale=0.1)


def train_recommenders(
    config: RecommenderConfig, env: Any, gamma: float, key: Array, params: Any, tools: Tools, task: str
) -> tuple[NetworkPolicy, np.ndarray]:
    """Trains one recommender for each row of `params`, all in one vmap.

    Args:
        config: the settings of the training.
        env: where users are.
        gamma: discount.
        key: a typed key.
        params: of the environment, with a leading axis of runs.
        tools: its log takes lines of metrics, its meter is notified of the progress.
        task: the name of the training.

    Returns:
        (policies with a leading axis of runs, float[chunks, runs] returns of an episode).
    """
    agent = config.agent(env, gamma)
    runs = jnp.shape(params.influence)[0]

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        return {"part": "training", "task": task, "steps": steps, "episode_return": metrics["episode_return"]}

    keys, title = jax.random.split(key, runs), f"training {runs} recommenders: {task}"
    state, course = tools.train(agent, keys, params, title, config.num_chunks, line)
    return NetworkPolicy(devices.gathered(state.network_params), agent.network), course.metrics["episode_return"]


def play(
    env: Any,
    policies: Any,
    keys: Array,
    params: Any,
    eval_episodes: int,
    preferences: Callable[[Any], Array],
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What each policy does to its users.

    Args:
        env: where they are.
        policies: with a leading axis of runs, as `keys` and `params`.
        keys: typed keys [runs].
        params: of the environment.
        eval_episodes: users of each run.
        preferences: of a trajectory, who prefers what: float[times, users, 36].

    Returns:
        (metric -> float[runs, eval_episodes], its sum over an episode; float[runs, times, 36], P(u_t)).
    """

    sums, users = _play(env, eval_episodes, preferences, policies, keys, params)
    return {name: np.asarray(values) for name, values in sums.items()}, np.asarray(users)


@jit(static_argnames=("env", "eval_episodes", "preferences"))
def _play(
    env: Any, eval_episodes: int, preferences: Callable[[Any], Array], policies: Any, keys: Array, params: Any
) -> tuple[dict[str, Array], Array]:
    def of_run(each: tuple[Any, Array, Any]) -> tuple[dict[str, Array], Array]:
        policy, key, params = each
        result = jaxrec.rollout(env, policy, key, eval_episodes, env.horizon, params, trajectory=True)
        sums = {name: value * env.horizon for name, value in result.per_env.items()}
        return sums, preferences(result.trajectory).mean(axis=1)

    return jax.lax.map(of_run, (policies, keys, params))


def as_lived(trajectory: Any) -> Array:
    """float[steps + 1, users, 36]: 1 at what each user preferred, in `PreferenceShift` or `Deployed`."""
    every = jnp.concatenate([trajectory.state.preference, trajectory.next_state.preference[-1:]])
    return jax.nn.one_hot(every, BINS)


def as_believed(trajectory: Any) -> Array:
    """float[steps, users, 36]: what the model believed of each user, in `LearnedUsers`."""
    return trajectory.state.current
