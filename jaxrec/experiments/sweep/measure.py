"""Trains the learner at every point of the grid in one call, and plays what it learned."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jaxrec import random
from jaxrec.evaluation import Evaluation, evaluate
from jaxrec.experiments.runs.tools import Tools
from jaxrec.experiments.sweep.settings import SweepConfig
from jaxrec.experiments.train.measure import LEARNED, RANDOM, TASK, Played, fares, recommender


@dataclass(frozen=True)
class Measured:
    """A sweep as arrays.

    Attributes:
        steps: int[chunks], steps of each training until the end of each chunk.
        reward: float[chunks, points, seeds], the mean reward of a step in each chunk, exploration included.
        learned: how what was learned fares, at each point.
        random: how random recommendations fare in the society of each point, on the same draws.
    """

    steps: np.ndarray
    reward: np.ndarray
    learned: list[Played]
    random: list[Played]

    def gain(self, point: int) -> np.ndarray:
        """What the policy of a point earns more than random recommendations in an episode, float[seeds]."""
        return self.learned[point].value - self.random[point].value


def measure(config: SweepConfig, tools: Tools) -> Measured:
    """Trains every point with every seed, and plays the policies.

    Equal seeds draw equal random numbers at all points, in training and in evaluation.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The course of the trainings, and how the policies fare.
    """
    env, _ = config.world()
    agent, worlds, (params, swept) = config.learner(env), config.worlds(), config.runs()
    key_train, key_play = jax.random.split(random.key(config.seed, config.generator))
    keys = jnp.tile(jax.random.split(key_train, config.seeds), len(worlds))
    state, course = tools.train(
        agent, keys, params, TASK, config.num_chunks, lambda steps, metrics: {"steps": steps} | metrics, swept=swept
    )
    policies = jax.vmap(agent.policy)(state)
    known: dict[str, list[Evaluation]] = {}  # random recommendations in societies played already
    learned, others = [], []
    for point, world in enumerate(worlds):
        mine, rest = [], known.get(_name(world), [])
        for seed, key in enumerate(jax.random.split(key_play, config.seeds)):
            at = point * config.seeds + seed
            given = {LEARNED: jax.tree.map(lambda leaf, at=at: leaf[at], policies)}
            given |= {} if len(rest) > seed else {RANDOM: recommender(env, RANDOM, world)}
            played = evaluate(env, given, key, config.evaluation_episodes, world, config.max_steps, tools.meter)
            mine.append(played[LEARNED])
            rest += [played[RANDOM]] if RANDOM in played else []
        known[_name(world)] = rest
        learned.append(fares(mine))
        others.append(fares(rest))
    reward = course.metrics["reward"].reshape(len(course.steps), len(worlds), config.seeds)
    return Measured(course.steps, reward, learned, others)


def _name(world: PyTree) -> str:
    """What tells the parameters of one society from those of another."""
    return repr([np.asarray(leaf).tolist() for leaf in jax.tree.leaves(world)])
