"""Trains the learner, and plays it and the recommenders of the society on the same draws."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from jaxrec import random
from jaxrec.environment import Environment
from jaxrec.evaluation import Evaluation, evaluate
from jaxrec.experiments.runs.tools import Tools
from jaxrec.experiments.train.settings import TrainConfig
from jaxrec.parameters import batched
from jaxrec.policy import Policy, Random

LEARNED = "learned"
RANDOM = "random"
TASK = "training"  # its policies are in checkpoints/001-training


@dataclass(frozen=True)
class Played:
    """How a policy fares: means over the episodes of each seed, float[seeds] each.

    Attributes:
        value: the return of an episode, until it is cut off.
        user: user utility a step.
        society: social utility at the end.
        length: steps of an episode.
        cut_off: the share of episodes that did not come to their end.
    """

    value: np.ndarray
    user: np.ndarray
    society: np.ndarray
    length: np.ndarray
    cut_off: np.ndarray


@dataclass(frozen=True)
class Measured:
    """A training as arrays.

    Attributes:
        steps: int[chunks], steps of each training until the end of each chunk.
        reward: float[chunks, seeds], the mean reward of a step in each chunk, exploration included.
        played: policy -> how it fares: LEARNED, and those of `baselines`.
    """

    steps: np.ndarray
    reward: np.ndarray
    played: dict[str, Played]

    def gain(self, name: str) -> np.ndarray:
        """What the learned policy earns more than another in an episode, float[seeds]."""
        return self.played[LEARNED].value - self.played[name].value


def baselines(env: Environment) -> tuple[str, ...]:
    """Names what the learner is compared with: random actions, and every policy that the society names."""
    return (RANDOM, *(name for name in env.policies if name != RANDOM))


def measure(config: TrainConfig, tools: Tools) -> Measured:
    """Trains the learner and plays all policies.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The course of the training, and how the policies fare.
    """
    env, params = config.world()
    agent = config.learner(env)
    key_train, key_play = jax.random.split(random.key(config.seed, config.generator))
    state, course = tools.train(
        agent,
        jax.random.split(key_train, config.seeds),
        batched(params, config.seeds),
        TASK,
        config.num_chunks,
        lambda steps, metrics: {"steps": steps} | metrics,
    )
    learned, others = jax.vmap(agent.policy)(state), {name: recommender(env, name, params) for name in baselines(env)}
    played = []
    for seed, key in enumerate(jax.random.split(key_play, config.seeds)):
        policies = {LEARNED: jax.tree.map(lambda leaf, seed=seed: leaf[seed], learned)} | others
        played.append(evaluate(env, policies, key, config.evaluation_episodes, params, config.max_steps, tools.meter))
    outcomes = {name: fares([each[name] for each in played]) for name in (LEARNED, *others)}
    return Measured(course.steps, course.metrics["reward"], outcomes)


def recommender(env: Environment, name: str, params: PyTree) -> Policy[Any, Any]:
    """Makes a recommender of the society; any action, where it names no random one."""
    return env.policy(name, params) if name in env.policies else Random(env.action_space(params))


def fares(seeds: list[Evaluation]) -> Played:
    """Gathers how a policy fares in the episodes of each seed."""
    return Played(
        value=np.array([seed.sums["reward"].mean(dtype=float) for seed in seeds]),
        user=np.array([seed.means["user"].mean(dtype=float) for seed in seeds]),
        society=np.array([seed.last["society"].mean(dtype=float) for seed in seeds]),
        length=np.array([seed.length.mean(dtype=float) for seed in seeds]),
        cut_off=np.array([1.0 - seed.ended.mean(dtype=float) for seed in seeds]),
    )
