"""The screen: thousands of candidates, judged by what recommenders that see beliefs would earn, without training."""

from dataclasses import dataclass

import jax
import numpy as np
from jax import Array

from jaxrec import random
from jaxrec.experiments.preference.constants import candidates
from jaxrec.experiments.preference.constants.candidates import RANGES
from jaxrec.experiments.preference.constants.distance import NUMBERS, distances, misfit, pairs, stated
from jaxrec.experiments.preference.constants.settings import ENV, ConstantsConfig
from jaxrec.experiments.preference.constants.surrogate import outcomes
from jaxrec.experiments.runs.tools import Tools

PARENTS = 16
"""How many of the best, by the misfit over everything, others are drawn around: half have the printed lambda."""
WIDTHS = (0.1, 0.05, 0.03, 0.015)
"""How far around, in parts of each range: one round each."""
APART = 0.05
"""How far candidates of the shortlist are apart in at least one constant, in parts of its range."""
AT_ONCE = 64
"""Candidates of one call of the compiled program."""


@dataclass(frozen=True)
class Screen:
    """All candidates of the screen.

    Attributes:
        points: float[candidates, 7], of the unit cube.
        values: float[candidates, conditions, 3], what each recommender earns.
        said: float[candidates, statements], what the paper's sentences are about.
    """

    points: np.ndarray
    values: np.ndarray
    said: np.ndarray

    @property
    def distances(self) -> np.ndarray:
        """float[candidates, 12 + statements], in units of the paper's noise."""
        return distances(self.values, self.said)

    @property
    def misfits(self) -> np.ndarray:
        """float[candidates]."""
        return misfit(self.distances)

    def shortlist(self, number: int) -> np.ndarray:
        """int[at most number]: the best that lie apart; half, best first, have the printed lambda; then the others."""
        printed, chosen = candidates.as_printed(self.points), []
        for mine, size in ((printed, number - number // 2), (~printed, number // 2)):
            some: list[int] = []
            for one in np.argsort(self.misfits, kind="stable").tolist():
                if len(some) < size and mine[one] and all(self._apart(one, other) for other in some):
                    some.append(one)
            chosen += some
        return np.array(chosen)

    def _apart(self, one: int, other: int) -> bool:
        """Whether two candidates differ in kind, or in a constant by `APART`."""
        first, second = self.points[[one, other]]
        kinds = candidates.constants_of(self.points[[one, other]])[:, len(RANGES) :]
        return bool((kinds[0] != kinds[1]).any() or (np.abs(first - second)[: len(RANGES)] > APART).any())


def screen(config: ConstantsConfig, tools: Tools) -> Screen:
    """Plays all candidates: half fill the ranges, then rounds of others lie around the best so far.

    Parents of a round are the best by the misfit over everything, and for each pair of numbers of Table 1 the candidate
    that meets both best: what is called a conflict was searched for.

    Args:
        config: the settings.
        tools: its log takes a line for each round, its meter is notified of the progress.

    Returns:
        All candidates.
    """
    rng = np.random.default_rng(config.seed)
    first = config.screened // 2
    rounds = np.diff(np.linspace(first, config.screened, len(WIDTHS) + 1).astype(int)).tolist()
    found = played(config, candidates.spread(first, config.seed), tools)
    for width, number in zip(WIDTHS, rounds, strict=True):
        upper = np.triu_indices(len(NUMBERS), 1)
        of_pairs = np.unique(pairs(found.distances)[1][upper])
        halves = [
            candidates.around(found.points[parents], size, width, rng)
            for parents, size in ((found.shortlist(PARENTS), number - number // 2), (of_pairs, number // 2))
        ]
        more = played(config, np.concatenate(halves), tools)
        found = Screen(
            *(np.concatenate([getattr(each, name) for each in (found, more)]) for name in ("points", "values", "said"))
        )
    return found


def played(config: ConstantsConfig, points: np.ndarray, tools: Tools) -> Screen:
    """Plays the candidates at some points of the unit cube.

    Args:
        config: the settings; all candidates are played on the same draws.
        points: float[candidates, 7].
        tools: its log takes one line, its meter is notified of the progress.

    Returns:
        These candidates.
    """
    draws = draws_of(config)
    tools.meter.start(f"screening {len(points)} candidates", -(-len(points) // AT_ONCE))
    values, said = [], []
    for start in range(0, len(points), AT_ONCE):
        part = points[start : start + AT_ONCE]
        params = candidates.params_of(candidates.constants_of(part))
        found = jax.tree.map(np.asarray, outcomes(ENV, params, draws))
        values.append(found.values)
        said.append(stated(found.values, found.users, found.natural))
        tools.meter.advance()
    screened = Screen(points, np.concatenate(values), np.concatenate(said))
    tools.log(part="screen", candidates=len(points), least_misfit=float(screened.misfits.min()))
    return screened


def draws_of(config: ConstantsConfig) -> Array:
    """float[horizon, users]: from U[0, 1), the draws of choices that all candidates share."""
    return jax.random.uniform(random.key(config.seed, "threefry"), (ENV.horizon, config.screen_users))
