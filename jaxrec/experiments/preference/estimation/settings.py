"""The settings of estimating preferences."""

from dataclasses import dataclass

from jaxrec import checks
from jaxrec.experiments.preference.models import ModelConfig


@dataclass(frozen=True)
class EstimationConfig(ModelConfig):
    """Settings of estimating preferences."""

    simulated_users: int = 1000
    """Simulated users of the natural shifts (Figure 6)."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        super().check()
        checks.positive("simulated_users", self.simulated_users, checks.MOST_STEPS)
