"""What the competition between recommenders measures: whom users have adopted in the end, and who cooperates."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxrec.envs.rewiring import Competition, RewiringGame, heuristic, per_run, simulate
from jaxrec.envs.rewiring.rules import resolve
from jaxrec.experiments.rewiring.competition.settings import (
    EXPERIMENTS,
    KINDS,
    PUBLISHED,
    CompetitionConfig,
    check_every,
)
from jaxrec.experiments.rewiring.competition.walls import Walls, look_behind_walls
from jaxrec.experiments.rewiring.sweep import Ends
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter


@dataclass(frozen=True)
class Measured:
    """Where societies ended.

    Attributes:
        figure_15: [exclusive, W1, W2, runs], in the order of the settings.
        artefact: [runs] of the published cell with one user never focused; None if it was left out.
        adoption: [exclusive, experiments, runs], in the order of `EXPERIMENTS`.
        walls: why exclusive recommenders are adopted; None if it was left out.
    """

    figure_15: Ends
    artefact: Ends | None
    adoption: Ends
    walls: Walls | None

    def cooperation(self, exclusive: int, experiment: str) -> np.ndarray:
        """float[runs]: cooperators at the end of one of `EXPERIMENTS`."""
        return self.adoption.cooperation[exclusive, list(EXPERIMENTS).index(experiment)]

    def share(self, exclusive: int, experiment: str, kind: str) -> np.ndarray:
        """float[runs]: the final share of users with one recommender."""
        return self.adoption.shares[exclusive, list(EXPERIMENTS).index(experiment), :, KINDS.index(kind)]


def measure(config: CompetitionConfig, tools: Tools) -> Measured:
    """Figure 15, its artefact, the adoption experiments, and why exclusive recommenders are adopted.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Where societies ended.
    """
    key_figure, key_frozen, key_adoption, key_walls = jax.random.split(jax.random.key(config.seed), 4)
    start = _shares(EXPERIMENTS["many against a local majority"])
    walls, w1, w2, _ = _every(config.exclusive, config.timescales, config.recommender_timescales, range(config.runs))
    shares = np.tile(start, (walls.size, 1))
    ends = compete(config.env(), key_figure, walls, shares, w1, w2, config.steps, config, tools.meter)
    tools.log(part="figure 15", cells=config.grid, cooperation=ends.cooperation, shares=ends.shares)
    artefact = None
    if config.has_artefact:
        frozen = RewiringGame(config.users, config.degree, replace(resolve(config.rules), unfocused=1))
        once = np.ones(config.runs)
        artefact = compete(
            frozen, key_frozen, once > 0, shares[: config.runs], once * PUBLISHED[0], once * PUBLISHED[1],
            config.steps, config, tools.meter,
        )  # fmt: skip
        tools.log(part="artefact", cooperation=artefact.cooperation, shares=artefact.shares)
    walls, number, _ = _every(config.exclusive, range(len(EXPERIMENTS)), range(config.adoption_runs))
    shares = np.array([_shares(one) for one in EXPERIMENTS.values()])[number.astype(int)]
    once = np.ones(walls.size)
    adoption = compete(
        config.env(), key_adoption, walls, shares, once, once * config.adoption_timescale, config.adoption_steps,
        config, tools.meter,
    )  # fmt: skip
    tools.log(part="adoption", cooperation=adoption.cooperation, shares=adoption.shares)
    return Measured(
        ends.reshaped(len(config.exclusive), len(config.timescales), len(config.recommender_timescales)),
        artefact,
        adoption.reshaped(len(config.exclusive), len(EXPERIMENTS)),
        look_behind_walls(config, key_walls, tools) if config.wall_users else None,
    )


def compete(
    env: RewiringGame,
    key: Array,
    exclusive: np.ndarray,
    shares: np.ndarray,
    timescale: np.ndarray,
    recommender_timescale: np.ndarray,
    num_steps: int,
    config: CompetitionConfig,
    meter: Meter,
) -> Ends:
    """Runs the five recommenders of Figure 15.

    Args:
        env: the society.
        key: a typed key.
        exclusive: bool[runs], whether all but the local heuristic recommend only among their own users.
        shares: float[runs, 5], of users who begin with each of `KINDS`.
        timescale: float[runs], W1.
        recommender_timescale: float[runs], W2.
        num_steps: the limit in time-steps.
        config: intensity of selection, whether fixation ends a run, and what computes.
        meter: notified of the progress.

    Returns:
        Where the runs ended: arrays [runs].
    """
    kinds = {wall: [heuristic(name, exclusive=wall and name != "local") for name in KINDS] for wall in (True, False)}
    params = batched(env.default_params, len(shares)).replace(timescale=np.asarray(timescale, np.float32))
    ends = simulate(
        env,
        per_run([kinds[bool(wall)] for wall in exclusive]),
        key,
        params,
        num_steps,
        competition=Competition(shares, recommender_timescale, config.beta_recommender),
        stop_at_fixation=config.stop_at_fixation,
        check_every=check_every(num_steps),
        meter=meter,
        generator=config.generator,
        engine=config.engine,
    )
    return Ends(**vars(ends))


def _shares(initial: dict[str, float]) -> np.ndarray:
    return np.array([initial.get(name, 0.0) for name in KINDS])


def _every(*values: Any) -> list[np.ndarray]:
    """Every combination of some values, the last ones changing fastest: an array for each."""
    return [one.ravel() for one in np.meshgrid(*(np.asarray(each, float) for each in values), indexing="ij")]
