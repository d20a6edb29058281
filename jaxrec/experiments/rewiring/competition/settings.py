"""The settings of the competition between recommenders, and the experiments of Table 6."""

from dataclasses import dataclass

import numpy as np

from jaxrec import checks
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.envs.rewiring.simulation.simulator import check_limit
from jaxrec.experiments.rewiring.sweep import MethodConfig, check_society, check_timescales

KINDS: tuple[str, ...] = ("local", "good", "bad", "random", "fair")
PUBLISHED = (1.0, 0.063)
"""W1 and W2 for which independent figures exist."""
MAJORITY = 0.9

EXPERIMENTS: dict[str, dict[str, float]] = {
    "engagement alone": {"random": 1.0},
    "engagement against a local majority": {"local": MAJORITY, "random": 1 - MAJORITY},
    "local alone": {"local": 1.0},
    "many against a local majority": {"local": MAJORITY, **dict.fromkeys(KINDS[1:], (1 - MAJORITY) / 4)},
    "aligned against a local majority": {"local": MAJORITY, "good": 1 - MAJORITY},
    "aligned against an engagement majority": {"random": MAJORITY, "good": 1 - MAJORITY},
    "aligned alone": {"good": 1.0},
}
"""Table 6: the initial shares, the majority first. Engagement: random users; aligned: random cooperators."""


@dataclass(frozen=True)
class CompetitionConfig(MethodConfig):
    """Settings of the competition between recommenders."""

    seed: int = 0
    """Seed of all runs."""
    users: int = 1000
    """Users."""
    degree: int = 30
    """Mean number of neighbours."""
    rules: str = "carvalho"
    """Rules of the game."""
    beta_recommender: float = 0.05
    """Intensity of selection of recommender updates; the paper's, ten times beta."""
    timescales: tuple[float, ...] = (1.0,)
    """Values of W1, structural updates for each strategy update; the paper has 1, 1.2, 1.6 and 2."""
    recommender_timescales: tuple[float, ...] = (0.0, 0.02, 0.063, 0.1, 0.2)
    """Values of W2, recommender updates for each other update."""
    runs: int = 6
    """Runs of each (W1, W2), Figure 15."""
    steps: int = 2_000_000
    """Their limit in time-steps; the published figure has 10^7."""
    stop_at_fixation: bool = False
    """Whether a run ends when all users have one strategy; they still change recommenders then."""
    artefact: bool = True
    """Whether to run W1, W2 of the published figure also with one user never focused."""
    adoption_timescale: float = 0.063
    """W2 of the adoption experiments (Figure 16, Table 6); the paper does not state it."""
    adoption_runs: int = 12
    """Runs of each adoption experiment."""
    adoption_steps: int = 1_000_000
    """Their limit in time-steps."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("runs", "adoption_runs"):
            checks.positive(name, getattr(self, name))
        for name in ("steps", "adoption_steps"):
            check_limit(name, getattr(self, name), check_every(getattr(self, name)))
        checks.seed("seed", self.seed)
        self.check_method()
        check_society("users, degree, rules", self.env)
        for name in ("timescales", "recommender_timescales"):
            check_timescales(name, getattr(self, name), self.rules)
        checks.within("adoption_timescale", self.adoption_timescale, 0.0, np.inf)
        checks.within("beta_recommender", self.beta_recommender, 0.0, checks.LARGEST)

    def env(self) -> RewiringGame:
        """The society."""
        return RewiringGame(self.users, self.degree, self.rules)

    @property
    def grid(self) -> list[tuple[float, float]]:
        """The cells (W1, W2) of Figure 15."""
        return [(w1, w2) for w1 in self.timescales for w2 in self.recommender_timescales]

    @property
    def has_artefact(self) -> bool:
        """Whether the published cell is run also with one user never focused."""
        return self.artefact and PUBLISHED in self.grid

    def runs_of(self, cell: tuple[float, float]) -> slice:
        """Where the runs of a cell of the grid stand among all runs of Figure 15."""
        first = self.grid.index(cell) * self.runs
        return slice(first, first + self.runs)


def check_every(num_steps: int) -> int:
    """Time-steps between tests of fixation; a limit of fewer is tested at its end."""
    return max(1, min(num_steps, 20_000))
