"""What a timed measurement says, the same in every benchmark."""

import dataclasses
from typing import Any

from jaxrec.runtime.timing import Timing


class Timed:
    """Derives rates from what a dataclass measured.

    Attributes:
        steps: in each run.
        compile_s: seconds of compilation, apart.
        runs_s: seconds of each run.
    """

    steps: int
    compile_s: float
    runs_s: list[float]

    @property
    def rate(self) -> float:
        """Steps a second at the median run."""
        return Timing(self.compile_s, self.runs_s).rate(self.steps)

    @property
    def rates(self) -> tuple[float, float]:
        """Steps a second at the slowest and at the fastest run."""
        return self.steps / max(self.runs_s), self.steps / min(self.runs_s)

    def to_json(self) -> dict[str, Any]:
        """What was measured and what follows from it."""
        low, high = self.rates
        derived = {"steps_per_s": self.rate, "steps_per_s_min": low, "steps_per_s_max": high}
        return dataclasses.asdict(self) | derived  # type: ignore[call-overload]  # a subclass is a dataclass
