"""Trains the learner at every point of the grid, one call a compiled program, and plays what it learned."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jaxrec import random
from jaxrec.evaluation import Evaluation, evaluate
from jaxrec.experiments.runs.tools import Tools
from jaxrec.experiments.sweep.settings import Program, SweepConfig
from jaxrec.experiments.train.measure import LEARNED, RANDOM, TASK, Played, fares, recommender


@dataclass(frozen=True)
class Measured:
    """A sweep as arrays; every list has an entry for each point of the grid.

    Attributes:
        steps: int[chunks], steps of each training until the end of each chunk.
        reward: float[chunks, seeds], the mean reward of a step in each chunk, exploration included.
        learned: how what was learned fares.
        random: how random recommendations fare in the same society, on the same draws.
    """

    steps: list[np.ndarray]
    reward: list[np.ndarray]
    learned: list[Played]
    random: list[Played]

    def gain(self, point: int) -> np.ndarray:
        """What the policy of a point earns more than random recommendations in an episode, float[seeds]."""
        return self.learned[point].value - self.random[point].value


class _One(NamedTuple):
    """One point, as `Measured` has it."""

    steps: np.ndarray
    reward: np.ndarray
    learned: Played
    random: Played


def measure(config: SweepConfig, tools: Tools) -> Measured:
    """Trains every point with every seed, and plays the policies.

    Equal seeds draw equal random numbers at all points, in training and in evaluation.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The course of the trainings, and how the policies fare.
    """
    found: dict[int, _One] = {}
    known: dict[Any, list[Evaluation]] = {}  # random recommendations in societies played already
    for program in config.programs():
        found |= zip(program.places, _train(program, tools, known), strict=True)
    return Measured(*map(list, zip(*(found[place] for place in sorted(found)), strict=True)))


def _train(program: Program, tools: Tools, known: dict[Any, list[Evaluation]]) -> list[_One]:
    """Trains the points of one program in one call, and plays them."""
    config = program.config
    env, _ = config.world()
    agent, worlds, (params, swept) = config.learner(env), program.worlds(), program.runs()
    key_train, key_play = jax.random.split(random.key(config.seed, config.generator))
    keys = jnp.tile(jax.random.split(key_train, config.seeds), len(worlds))
    named = {"program": program.name} if program.name else {}
    state, course = tools.train(
        agent, keys, params, TASK, config.num_chunks, lambda steps, metrics: named | {"steps": steps} | metrics,
        swept=swept,
    )  # fmt: skip
    policies = jax.vmap(agent.policy)(state)
    reward = course.metrics["reward"].reshape(len(course.steps), len(worlds), config.seeds)
    points = []
    for point, world in enumerate(worlds):
        mine, rest = [], known.get((env, _name(world)), [])
        for seed, key in enumerate(jax.random.split(key_play, config.seeds)):
            at = point * config.seeds + seed
            given = {LEARNED: jax.tree.map(lambda leaf, at=at: leaf[at], policies)}
            given |= {} if len(rest) > seed else {RANDOM: recommender(env, RANDOM, world)}
            played = evaluate(env, given, key, config.evaluation_episodes, world, config.max_steps, tools.meter)
            mine.append(played[LEARNED])
            rest += [played[RANDOM]] if RANDOM in played else []
        known[env, _name(world)] = rest
        points.append(_One(course.steps, reward[:, point], fares(mine), fares(rest)))
    return points


def _name(world: PyTree) -> str:
    """What tells the parameters of one society from those of another."""
    return repr([np.asarray(leaf).tolist() for leaf in jax.tree.leaves(world)])
