"""The settings of the competition between recommenders, and the experiments of Table 6."""

from dataclasses import dataclass, replace

import numpy as np

from jaxrec import checks
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.envs.rewiring.rules import resolve
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


SEEDED: tuple[str, ...] = ("good", "random", "bad")
"""Recommenders that the test of the mechanism seeds among local ones."""
TESTS = 24
"""Of the course of a run there."""
WALLS = {True: "exclusive", False: "open"}
"""The names of the two ways to recommend in competition: only among one's own users, or among all."""

AUTHOR = (1.0, 0.01)
"""W1 and W2 for which the author's own data at N = 500 exist."""

TABLE_6: dict[str, tuple[float, int, float | None]] = {
    "engagement alone": (0.06372, 71487, None),
    "engagement against a local majority": (0.0, 39301, 0.925),
    "local alone": (0.0, 33934, None),
    "many against a local majority": (0.432, 277428, 0.227),
    "aligned against a local majority": (0.362, 225245, 0.427),
    "aligned against an engagement majority": (0.469, 417636, 0.443),
    "aligned alone": (0.52152, 34542, None),
}
"""The paper's Table 6: cooperation, rewires, and the final share of whoever began with the majority."""


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
    exclusive: tuple[bool, ...] = (True, False)
    """Whether recommenders recommend only among their own users, as the paper says: each value is run."""
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
    wall_users: int = 200
    """Users where the reason for adoption is looked for; 0 leaves it out."""
    wall_degree: int = 20
    """Their mean number of neighbours."""
    wall_timescale: float = 0.1
    """W2 there."""
    wall_runs: int = 24
    """Runs of each recommender there."""
    wall_steps: int = 120_000
    """Their limit in time-steps."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("runs", "adoption_runs", "wall_runs"):
            checks.positive(name, getattr(self, name))
        checks.distinct("exclusive", self.exclusive)
        check_limit("wall_steps", self.wall_steps, TESTS)
        for name in ("steps", "adoption_steps"):
            check_limit(name, getattr(self, name), check_every(getattr(self, name)))
        checks.seed("seed", self.seed)
        self.check_method()
        check_society("users, degree, rules", self.env)
        for name in ("timescales", "recommender_timescales"):
            check_timescales(name, getattr(self, name), self.rules)
        if self.wall_users:
            check_society("wall_users, wall_degree", self.wall_env)
        for name in ("adoption_timescale", "wall_timescale"):
            checks.within(name, getattr(self, name), 0.0, np.inf)
        checks.within("beta_recommender", self.beta_recommender, 0.0, checks.LARGEST)

    def env(self) -> RewiringGame:
        """The society."""
        return RewiringGame(self.users, self.degree, self.rules)

    def wall_env(self, average: bool = False) -> RewiringGame:
        """The society in which the reason for adoption is looked for, with payoffs that add up or average."""
        rules = resolve(self.rules)
        return RewiringGame(self.wall_users, self.wall_degree, replace(rules, fitness="average") if average else rules)

    @property
    def grid(self) -> list[tuple[float, float]]:
        """The cells (W1, W2) of Figure 15."""
        return [(w1, w2) for w1 in self.timescales for w2 in self.recommender_timescales]

    def place_of(self, w1: float, w2: float) -> tuple[int, int]:
        """Where a cell of the grid stands in arrays [W1, W2]."""
        return self.timescales.index(w1), self.recommender_timescales.index(w2)

    @property
    def has_artefact(self) -> bool:
        """Whether the published cell is run also with one user never focused."""
        return self.artefact and True in self.exclusive and PUBLISHED in self.grid


def check_every(num_steps: int) -> int:
    """Time-steps between tests of fixation; a limit of fewer is tested at its end."""
    return max(1, min(num_steps, 20_000))
