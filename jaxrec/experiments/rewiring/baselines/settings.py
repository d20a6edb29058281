"""The settings of the rewiring baselines."""

from dataclasses import dataclass

from jaxrec import checks
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.envs.rewiring.simulation.simulator import CHECK_EVERY, check_limit
from jaxrec.experiments.rewiring.sweep import MethodConfig, check_society, check_timescales

PAYOFFS_T = tuple(i / 3 for i in range(7))
PAYOFFS_S = tuple(i / 3 - 1 for i in range(7))

CORNERS_T, CORNERS_S = (0.0, 2.0), (-1.0, 1.0)
CORNERS = {"stag hunt": (0, 0), "harmony": (0, 1), "prisoner's dilemma": (1, 0), "snowdrift": (1, 1)}
"""The corners of the T x S plane, one in each quadrant: the places of T and S among `CORNERS_T`, `CORNERS_S`."""
COURSE = 2.087
"""W at which segregation is followed: cooperation takes over with some of the five heuristics there."""


@dataclass(frozen=True)
class BaselinesConfig(MethodConfig):
    """Settings of the rewiring baselines."""

    seed: int = 0
    """Seed of all runs."""
    users: int = 500
    """Users of Figures 5 and 6."""
    degree: int = 30
    """Mean number of neighbours everywhere."""
    rules: str = "carvalho"
    """Rules of Figures 5 and 6: carvalho (the author's program), printed (the paper's formula) or santos."""
    plane_runs: int = 2
    """Runs of each (T, S) without rewiring, Figure 5; 0 leaves it out."""
    plane_steps: int = 1_000_000
    """Their limit in time-steps."""
    timescales: tuple[float, ...] = (0.2, 0.454, 1.066, 2.087, 3.107, 5.0, 10.25)
    """Values of W in Figure 6."""
    runs: int = 8
    """Runs of each heuristic at each W, Figure 6."""
    steps: int = 500_000
    """Their limit in time-steps."""
    corner_runs: int = 8
    """Runs of each heuristic in each of the four games of `CORNERS` at W = 1; 0 leaves them out."""
    course_runs: int = 8
    """Runs of each heuristic at W = `COURSE`, of which segregation is followed; 0 leaves them out."""
    scatter_users: tuple[int, ...] = (500, 1000)
    """Sizes in the scatter of the eleven recommenders, Figures 13 and 14 (rules: learning)."""
    scatter_runs: int = 8
    """Runs of each recommender."""
    scatter_steps: tuple[int, ...] = (30_000, 100_000)
    """Limit in time-steps at each size; the paper's."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("runs", "scatter_runs"):
            checks.positive(name, getattr(self, name))
        check_limit("steps", self.steps)
        check_limit("plane_steps", self.plane_steps)
        for name in ("plane_runs", "corner_runs", "course_runs"):
            checks.within(name, getattr(self, name), 0, checks.MOST_STEPS)
        checks.seed("seed", self.seed)
        self.check_method()
        check_society("users, degree, rules", self.env)
        check_timescales("timescales", self.timescales, self.rules)
        if not len(set(self.scatter_users)) == len(self.scatter_users) == len(self.scatter_steps):
            given = f"{self.scatter_steps} for scatter_users={self.scatter_users}"
            raise checks.InputError(f"scatter_steps must be one a size, each size once, got {given}")
        for users, steps in zip(self.scatter_users, self.scatter_steps, strict=True):
            check_society("scatter_users, degree", self.scatter_env, users)
            checks.positive("scatter_steps", steps, checks.MOST_STEPS - CHECK_EVERY)

    def env(self) -> RewiringGame:
        """The society of Figures 5 and 6."""
        return RewiringGame(self.users, self.degree, self.rules)

    def scatter_env(self, users: int) -> RewiringGame:
        """The society of Figures 13 and 14."""
        return RewiringGame(users, self.degree, "learning")
