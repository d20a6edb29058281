"""What the competition between recommenders measures: whom users have adopted in the end, and who cooperates."""

from dataclasses import dataclass, replace

import jax
import numpy as np
from jax import Array

from jaxrec.envs.rewiring import Competition, RewiringGame, heuristic, simulate
from jaxrec.envs.rewiring.rules import resolve
from jaxrec.experiments.rewiring.competition.settings import (
    EXPERIMENTS,
    KINDS,
    PUBLISHED,
    CompetitionConfig,
    check_every,
)
from jaxrec.experiments.rewiring.sweep import Ends
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter


@dataclass(frozen=True)
class Measured:
    """Where societies ended; runs of one cell or experiment stand together.

    Attributes:
        figure_15: arrays [cells * runs], in the order of `CompetitionConfig.grid`.
        artefact: arrays [runs] of the published cell with one user never focused; None if it was left out.
        adoption: arrays [experiments * runs], in the order of `EXPERIMENTS`.
    """

    figure_15: Ends
    artefact: Ends | None
    adoption: Ends

    def of_experiment(self, name: str, metric: str) -> np.ndarray:
        """[runs, ...]: one array of `adoption`, for one of `EXPERIMENTS`."""
        values = getattr(self.adoption, metric)
        return values.reshape(len(EXPERIMENTS), -1, *values.shape[1:])[list(EXPERIMENTS).index(name)]

    def share(self, experiment: str, kind: str) -> np.ndarray:
        """float[runs]: the final share of users with one recommender."""
        return self.of_experiment(experiment, "shares")[:, KINDS.index(kind)]


def measure(config: CompetitionConfig, tools: Tools) -> Measured:
    """Figure 15, its artefact, and the adoption experiments.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Where societies ended.
    """
    key_figure, key_frozen, key_adoption = jax.random.split(jax.random.key(config.seed), 3)
    grid = config.grid
    shares = _shares(EXPERIMENTS["many against a local majority"])

    def figure_15(env: RewiringGame, key: Array, cells: list[tuple[float, float]], runs: int) -> Ends:
        w1, w2 = np.repeat(np.asarray(cells, float).reshape(-1, 2), runs, axis=0).T
        return compete(env, key, np.tile(shares, (len(w1), 1)), w1, w2, config.steps, config, tools.meter)

    ends = figure_15(config.env(), key_figure, grid, config.runs)
    tools.log(part="figure 15", cells=grid, cooperation=ends.cooperation, shares=ends.shares)
    artefact = None
    if config.has_artefact:
        frozen = RewiringGame(config.users, config.degree, replace(resolve(config.rules), unfocused=1))
        artefact = figure_15(frozen, key_frozen, [PUBLISHED], config.runs)
        tools.log(part="artefact", cooperation=artefact.cooperation, shares=artefact.shares)
    start = np.repeat([_shares(one) for one in EXPERIMENTS.values()], config.adoption_runs, axis=0)
    slow, recommend = np.ones(len(start)), np.full(len(start), config.adoption_timescale)
    adoption = compete(config.env(), key_adoption, start, slow, recommend, config.adoption_steps, config, tools.meter)
    tools.log(part="adoption", cooperation=adoption.cooperation, shares=adoption.shares)
    return Measured(ends, artefact, adoption)


def compete(
    env: RewiringGame,
    key: Array,
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
        shares: float[runs, 5], of users who begin with each of `KINDS`.
        timescale: float[runs], W1.
        recommender_timescale: float[runs], W2.
        num_steps: the limit in time-steps.
        config: intensity of selection, whether fixation ends a run, and what computes.
        meter: notified of the progress.

    Returns:
        Where the runs ended: arrays [runs].
    """
    runs = len(shares)
    kinds = [heuristic(name, exclusive=name != "local") for name in KINDS]
    params = batched(env.default_params, runs).replace(timescale=np.asarray(timescale, np.float32))
    competition = Competition(shares, recommender_timescale, config.beta_recommender)
    ends = simulate(
        env,
        kinds,
        key,
        params,
        num_steps,
        competition=competition,
        stop_at_fixation=config.stop_at_fixation,
        check_every=check_every(num_steps),
        meter=meter,
        generator=config.generator,
        engine=config.engine,
    )
    return Ends(**vars(ends))


def _shares(initial: dict[str, float]) -> np.ndarray:
    return np.array([initial.get(name, 0.0) for name in KINDS])
