"""What the rewiring baselines measure: where societies with fixed recommenders end."""

from dataclasses import dataclass

import jax
import numpy as np
from jax import Array

from jaxrec.envs.rewiring import ELEVEN
from jaxrec.envs.rewiring.simulation.simulator import CHECK_EVERY
from jaxrec.experiments.rewiring.baselines.settings import (
    CORNERS_S,
    CORNERS_T,
    COURSE,
    PAYOFFS_S,
    PAYOFFS_T,
    BaselinesConfig,
)
from jaxrec.experiments.rewiring.reference import FIVE
from jaxrec.experiments.rewiring.sweep import Ends, sweep
from jaxrec.experiments.runs.tools import Tools


@dataclass(frozen=True)
class Measured:
    """Where societies ended.

    Attributes:
        heuristics: arrays [FIVE, timescales, runs], Figure 6.
        plane: arrays [1, T, S, 1, runs], Figure 5; None if it was left out.
        scatter: users -> arrays [ELEVEN, runs], Figures 13 and 14.
        limits: users -> time-steps at most, rounded up to what the simulation can stop at.
        corners: arrays [FIVE, T, S, 1, runs] of the four games of `CORNERS`, at W = 1; None if they were left out.
        course: float[FIVE, tests, runs], assortativity of strategies at W = `COURSE`, NaN after fixation;
            None if it was left out.
    """

    heuristics: Ends
    plane: Ends | None
    scatter: dict[int, Ends]
    limits: dict[int, int]
    corners: Ends | None
    course: np.ndarray | None


def measure(config: BaselinesConfig, tools: Tools) -> Measured:
    """Runs the sweeps.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Where societies ended.
    """
    key_heuristics, key_plane, key_corners, key_course, *keys = jax.random.split(
        jax.random.key(config.seed), 4 + len(config.scatter_users)
    )
    values = {"timescale": config.timescales}
    heuristics = sweep(
        config.env(), key_heuristics, FIVE, values, config.runs, config.steps, tools.meter, **config.method
    )
    tools.log(part="heuristics", cooperation=heuristics.cooperation.mean(axis=-1))
    plane = None
    if config.plane_runs:
        values = {"temptation": PAYOFFS_T, "sucker": PAYOFFS_S, "timescale": (0.0,)}
        plane = sweep(
            config.env(),
            key_plane,
            ["null"],
            values,
            config.plane_runs,
            config.plane_steps,
            tools.meter,
            **config.method,
        )
        tools.log(part="plane", cooperation=plane.cooperation.mean(axis=-1))
    scatter, limits = {}, {}
    for key, users, steps in zip(keys, config.scatter_users, config.scatter_steps, strict=True):
        limits[users] = -(-steps // CHECK_EVERY) * CHECK_EVERY
        ends = sweep(
            config.scatter_env(users), key, ELEVEN, {}, config.scatter_runs, limits[users], tools.meter, **config.method
        )
        tools.log(part="scatter", users=users, cooperation=ends.cooperation.mean(axis=-1))
        scatter[users] = ends
    corners = None
    if config.corner_runs:
        values = {"temptation": CORNERS_T, "sucker": CORNERS_S, "timescale": (1.0,)}
        runs = config.corner_runs
        corners = sweep(config.env(), key_corners, FIVE, values, runs, config.steps, tools.meter, **config.method)
        tools.log(part="corners", cooperation=corners.cooperation.mean(axis=-1))
    course = _course(config, key_course, tools) if config.course_runs else None
    return Measured(heuristics, plane, scatter, limits, corners, course)


def _course(config: BaselinesConfig, key: Array, tools: Tools) -> np.ndarray:
    """float[FIVE, tests, runs]: how segregated strategies are in the course of runs."""
    runs = config.course_runs
    ends = sweep(
        config.env(), key, FIVE, {"timescale": (COURSE,)}, runs, config.steps, tools.meter, series=True, **config.method
    )
    course = ends.series["assortativity"].reshape(-1, len(FIVE), runs).swapaxes(0, 1)
    alive = np.arange(course.shape[1])[None, :, None] < (ends.steps[:, 0] // CHECK_EVERY - ends.fixated[:, 0])[:, None]
    return np.where(alive, course, np.nan)
