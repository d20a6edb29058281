"""The settings of the study of offline learning."""

from dataclasses import dataclass

from jaxrec import checks
from jaxrec.envs.preference import KnownPreference

ENV = KnownPreference()
UPWARDS = "upwards"


@dataclass(frozen=True)
class OfflineConfig:
    """Settings of the study of offline learning."""

    seeds: int = 5
    """Independent logs of each platform; intervals need at least 2."""
    seed: int = 0
    """Seed of all random draws."""
    users: tuple[int, ...] = (300, 1_000, 3_000, 10_000)
    """How many logged users learners learn from, rising."""
    explorations: tuple[float, ...] = (0.05, 0.2, 1.0)
    """Shares of random slates of the platforms that are logged, rising, above 0; the others are myopic."""
    thresholds: tuple[float, ...] = (0.01, 0.05, 0.1)
    """Of batch-constrained learners: shares of an action among the logged ones, above 0."""
    pessimisms: tuple[float, ...] = (0.2, 1.0)
    """Of pessimistic learners: what a value is lowered by where there is one step, above 0."""
    resamples: int = 50
    """Of the bootstrap of each off-policy estimate."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        checks.positive("seeds", self.seeds)
        checks.seed("seed", self.seed)
        for users in self.users:
            checks.positive("users", users, checks.MOST_STEPS)
        checks.within("explorations", self.explorations, 1e-6, 1.0)
        checks.within("thresholds", self.thresholds, 1e-6, 1.0)
        checks.within("pessimisms", self.pessimisms, 1e-6, checks.LARGEST)
        for name in ("users", "explorations", "thresholds", "pessimisms"):
            values = getattr(self, name)
            checks.distinct(name, [f"{value:g}" for value in values])
            if list(values) != sorted(values):
                raise checks.InputError(f"{name} must rise, got {values}")
        checks.positive("resamples", self.resamples)
        checks.within("resamples", self.resamples, 2, checks.MOST_STEPS)

    @property
    def learners(self) -> tuple[str, ...]:
        """The names of the learners."""
        return (UPWARDS, *map(constrained, self.thresholds), *map(pessimistic, self.pessimisms))

    @property
    def middle(self) -> str:
        """The batch-constrained learner that pictures show: that of the middle threshold."""
        return constrained(self.thresholds[len(self.thresholds) // 2])


def constrained(threshold: float) -> str:
    """How a batch-constrained learner is called."""
    return f"threshold {threshold:g}"


def pessimistic(pessimism: float) -> str:
    """How a pessimistic learner is called."""
    return f"pessimism {pessimism:g}"


def platform(exploration: float) -> str:
    """How a platform is called."""
    return "random platform" if exploration == 1 else f"platform with {100 * exploration:g} % random slates"
