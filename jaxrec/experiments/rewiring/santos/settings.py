"""The settings of the base model's study."""

from dataclasses import dataclass

import numpy as np

from jaxrec import checks
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.envs.rewiring.simulation.simulator import check_limit
from jaxrec.experiments.rewiring.sweep import MethodConfig, check_society, check_timescales


@dataclass(frozen=True)
class SantosConfig(MethodConfig):
    """Settings of the base model's study."""

    seed: int = 0
    """Seed of all runs."""
    users: int = 1000
    """Users of the scan over W."""
    degree: int = 30
    """Mean number of neighbours."""
    timescales: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0)
    """Values of W in the scan."""
    runs: int = 16
    """Runs at each W."""
    steps: int = 5_000_000
    """Their limit in time-steps."""
    plane_users: int = 200
    """Users of the T x S contours."""
    plane_degree: int = 30
    """Their mean number of neighbours."""
    plane_timescales: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
    """Values of W for which the plane is drawn."""
    plane_points: int = 7
    """Values of T in [0, 2] and of S in [-1, 1]."""
    plane_runs: int = 1
    """Runs of each (T, S, W); 0 leaves the contours out."""
    plane_steps: int = 500_000
    """Their limit in time-steps."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("runs", "plane_points"):
            checks.positive(name, getattr(self, name))
        for name in ("steps", "plane_steps"):
            check_limit(name, getattr(self, name))
        if self.plane_runs:
            checks.positive("plane_runs", self.plane_runs)
        checks.seed("seed", self.seed)
        self.check_method()
        check_society("users, degree", self.env)
        check_society("plane_users, plane_degree", self.plane_env)
        for name in ("timescales", "plane_timescales"):
            check_timescales(name, getattr(self, name), "santos")
        if list(self.timescales) != sorted(self.timescales):
            raise checks.InputError(f"timescales must rise, W_c lies between two of them, got {self.timescales}")

    def env(self) -> RewiringGame:
        """The society of the scan."""
        return RewiringGame(self.users, self.degree, "santos")

    def plane_env(self) -> RewiringGame:
        """The society of the contours."""
        return RewiringGame(self.plane_users, self.plane_degree, "santos")

    @property
    def payoffs(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The values of T and of S in the contours."""
        steps = np.linspace(0, 2, self.plane_points)
        return tuple(steps.tolist()), tuple((steps - 1).tolist())
