"""Trains the learner, and plays what it learned beside policies of the environment."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxrec import random
from jaxrec.evaluation import Evaluation, evaluate
from jaxrec.experiments.runs.tools import Tools
from jaxrec.experiments.train.settings import TrainConfig
from jaxrec.parameters import batched

LEARNED = "learned"


@dataclass(frozen=True)
class Played:
    """What policies do: float[seeds] each, means over episodes.

    Attributes:
        value: the return of an episode, undiscounted.
        user: the utility of users, the mean over steps.
        society: the utility of society at the end of an episode.
        length: steps of an episode.
        cut_off: the share of episodes that were cut off.
    """

    value: np.ndarray
    user: np.ndarray
    society: np.ndarray
    length: np.ndarray
    cut_off: np.ndarray


@dataclass(frozen=True)
class Measured:
    """A training and what it came to.

    Attributes:
        played: by policy: `LEARNED`, and those that it is compared with, seed i of each on the same draws.
        steps: int[chunks], steps of each training until the end of each chunk.
        reward: float[chunks, seeds], the mean reward of a step in each chunk.
    """

    played: dict[str, Played]
    steps: np.ndarray
    reward: np.ndarray


def measure(config: TrainConfig, tools: Tools) -> Measured:
    """Trains the learner and plays all policies.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The course of the training, and what the policies do.
    """
    env, params = config.world()
    learner = config.learner(env)
    key_train, key_play = jax.random.split(random.key(config.seed, config.generator))

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        return {"steps": steps} | metrics

    keys, worlds = jax.random.split(key_train, config.seeds), batched(params, config.seeds)
    task = f"training {config.seeds} seeds of {config.agent}"
    state, course = tools.train(learner, keys, worlds, task, config.num_chunks, line)
    policies = jax.vmap(learner.policy)(state)
    rows: dict[str, list[Played]] = {name: [] for name in (LEARNED, *config.compare)}
    for seed, key in enumerate(jax.random.split(key_play, config.seeds)):
        named: dict[str, Any] = {LEARNED: jax.tree.map(lambda leaf, seed=seed: leaf[seed], policies)}
        named |= {name: env.policy(name, params) for name in config.compare}
        played = evaluate(env, named, key, config.evaluation_episodes, params, config.max_steps, tools.meter)
        for name, found in played.items():
            rows[name].append(summed(found))
    stacked = {name: jax.tree.map(lambda *each: np.array(each), *map(vars, of_name)) for name, of_name in rows.items()}
    return Measured(
        {name: Played(**fields) for name, fields in stacked.items()}, course.steps, course.metrics["reward"]
    )


def summed(found: Evaluation) -> Played:
    """Reduces the episodes of one policy to their means; what no episode has is NaN."""

    def mean(values: np.ndarray) -> np.ndarray:
        known = np.asarray(values, float)[np.isfinite(values)]
        return np.asarray(known.mean() if known.size else np.nan)

    return Played(
        value=mean(found.sums["reward"]),
        user=mean(found.means["user"]),
        society=mean(found.last["society"]),
        length=mean(found.length),
        cut_off=mean(~found.ended),
    )
