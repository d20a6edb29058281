"""Why users adopt a recommender that recommends only among its own users.

A likely reason: a tie that such a recommender moves always ends at one of its users, so that they gather ties; where
payoffs add up over ties, users with more ties are imitated, whatever they were recommended. Two tests of it. Where no
user may change its recommender (W2 = 0), do the users of a seed gather ties? And where payoffs are averages, is the
seed adopted still?
"""

from dataclasses import dataclass

import jax
import numpy as np
from jax import Array

from jaxrec.envs.rewiring import Competition, heuristic, per_run, simulate
from jaxrec.envs.rewiring.simulation.simulator import Simulation
from jaxrec.experiments.rewiring.competition.settings import MAJORITY, SEEDED, TESTS, CompetitionConfig
from jaxrec.experiments.runs.tools import Tools

SEED = 1 - MAJORITY


@dataclass(frozen=True)
class Walls:
    """Seeds of one recommender in a local majority.

    Attributes:
        steps: int[tests], time-steps.
        degree, payoff: float[tests, 3, exclusive, runs], where none changes its recommender: neighbours of the users of
            the seed, and their payoff against each, both relative to the other users'. The second axis is `SEEDED`.
        share: float[2, 3, exclusive, runs], of the seed at the end where users do; payoffs that add up, then averages.
    """

    steps: np.ndarray
    degree: np.ndarray
    payoff: np.ndarray
    share: np.ndarray


def look_behind_walls(config: CompetitionConfig, key: Array, tools: Tools) -> Walls:
    """Runs seeds of exclusive and open recommenders.

    Args:
        config: the settings.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        What was measured.
    """
    kept, *keys = jax.random.split(key, 3)
    every = config.wall_steps // TESTS
    course = _seeded(config, kept, 0.0, False, tools, every).series
    shape = (-1, len(SEEDED), len(config.exclusive), config.wall_runs)
    degree = course["kind_degree"][..., 1] / course["kind_degree"][..., 0]
    payoff = course["kind_payoff"][..., 1] - course["kind_payoff"][..., 0]
    ends = [
        _seeded(config, one, config.wall_timescale, average, tools, config.wall_steps).shares[:, 1]
        for one, average in zip(keys, (False, True), strict=True)
    ]
    share = np.reshape(ends, (2, *shape[1:]))
    tools.log(part="walls", recommenders=SEEDED, share=share)
    steps = every * (1 + np.arange(len(degree)))
    return Walls(steps, degree.reshape(shape), payoff.reshape(shape), share)


def _seeded(
    config: CompetitionConfig, key: Array, timescale: float, average: bool, tools: Tools, every: int
) -> Simulation:
    """Runs every seed, exclusive or not: runs [3 * exclusive * runs].

    Args:
        config: the settings.
        key: a typed key.
        timescale: W2.
        average: whether payoffs are averages.
        tools: its meter is notified of the progress.
        every: time-steps between two tests.

    Returns:
        The ends, with the course.
    """
    kinds = [
        ["local", heuristic(name, exclusive=wall)]
        for name in SEEDED
        for wall in config.exclusive
        for _ in range(config.wall_runs)
    ]
    return simulate(
        config.wall_env(average),
        per_run(kinds),
        key,
        None,
        every * TESTS if timescale == 0 else config.wall_steps,
        competition=Competition((MAJORITY, SEED), timescale, config.beta_recommender),
        stop_at_fixation=False,
        check_every=every,
        series=True,
        meter=tools.meter,
        generator=config.generator,
        engine=config.engine,
    )
