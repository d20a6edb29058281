"""The settings of the calibration."""

from dataclasses import dataclass

from jaxrec import checks


@dataclass(frozen=True)
class CalibrationConfig:
    """Settings of the calibration."""

    seed: int = 0
    """Seed of the search."""
    population: int = 64
    """Candidates in each generation of the search (differential evolution)."""
    generations: int = 60
    """Generations."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        checks.seed("seed", self.seed)
        if self.population < 8:
            raise checks.InputError(f"population must be at least 8, got {self.population}")
        checks.positive("generations", self.generations)
