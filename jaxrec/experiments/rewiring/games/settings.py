"""The settings of the study of games."""

from dataclasses import dataclass

import numpy as np

from jaxrec import checks
from jaxrec.envs.rewiring import Game, Pairwise, PublicGoods, RewiringGame
from jaxrec.envs.rewiring.games import COSTS
from jaxrec.envs.rewiring.simulation.simulator import check_limit
from jaxrec.experiments.rewiring.sweep import MethodConfig, check_society, check_timescales

RECOMMENDERS: tuple[str, ...] = ("null", "local", "good", "random", "fair", "bad")
QUADRANTS = {
    "harmony": lambda t, s: (t <= 1) & (s >= 0),
    "stag hunt": lambda t, s: (t <= 1) & (s < 0),
    "snowdrift": lambda t, s: (t > 1) & (s >= 0),
    "prisoner's dilemma": lambda t, s: (t > 1) & (s < 0),
}
"""Of two-player games: which T and S each has (Carvalho, section 3.3 and Figure 5)."""


@dataclass(frozen=True)
class GamesConfig(MethodConfig):
    """Settings of the study of games."""

    seed: int = 0
    """Seed of all runs."""
    users: int = 200
    """Users."""
    degree: int = 10
    """Mean number of neighbours."""
    rules: str = "carvalho"
    """Rules of the game but for its payoffs: carvalho, printed or santos."""
    beta: float = 0.05
    """Intensity of selection."""
    timescales: tuple[float, ...] = (0.5, 1.0, 3.0)
    """Values of W, structural updates for each strategy update."""
    points: int = 6
    """Values of T in [0, 2], and of S in [-1, 1]."""
    runs: int = 6
    """Runs of each recommender in each two-player game."""
    factors: tuple[float, ...] = (0.3, 0.5, 0.7, 0.9, 1.1, 1.4)
    """Of public goods, what a contribution is multiplied by, relative to the mean size of a group: degree + 1."""
    goods_runs: int = 20
    """Runs of each recommender at each factor."""
    steps: int = 100_000
    """The limit of each run in time-steps."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("runs", "goods_runs", "points"):
            checks.positive(name, getattr(self, name), checks.MOST_STEPS)
        check_limit("steps", self.steps)
        checks.seed("seed", self.seed)
        checks.within("beta", self.beta, 0.0, checks.LARGEST)
        self.check_method()
        check_society("users, degree, rules", self.env)
        check_timescales("timescales", self.timescales, self.rules)
        checks.distinct("factors", self.factors)
        for factor in self.factors:
            check_society("factors", self.env, self.goods(factor, COSTS[0]))

    def env(self, game: Game | None = None) -> RewiringGame:
        """The society that plays a game, in pairs if None."""
        return RewiringGame(self.users, self.degree, self.rules, game=Pairwise() if game is None else game)

    def goods(self, factor: float, cost: str) -> PublicGoods:
        """Public goods with a factor relative to the mean size of a group."""
        return PublicGoods(factor * (self.degree + 1), cost)  # type: ignore[arg-type]

    @property
    def temptations(self) -> tuple[float, ...]:
        """Values of T."""
        return tuple(np.linspace(0, 2, self.points).tolist())

    @property
    def suckers(self) -> tuple[float, ...]:
        """Values of S."""
        return tuple(np.linspace(-1, 1, self.points).tolist())

    def cells_of(self, quadrant: str) -> np.ndarray:
        """bool[T, S]: the two-player games of one kind."""
        t, s = np.meshgrid(self.temptations, self.suckers, indexing="ij")
        return QUADRANTS[quadrant](t, s)
