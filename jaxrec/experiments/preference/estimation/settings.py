"""The settings of estimating preferences."""

from dataclasses import dataclass

import numpy as np

from jaxrec import checks
from jaxrec.envs.preference.slates import MAX_DOSE
from jaxrec.experiments.preference.models import ModelConfig


@dataclass(frozen=True)
class EstimationConfig(ModelConfig):
    """Settings of estimating preferences."""

    simulated_users: int = 1000
    """Simulated users of the natural shifts (Figure 6)."""
    doses: tuple[float, ...] = (-1.0, 2.0)
    """Further wrong choice models, by how far they are from the correct one (0); 1 is the mis-specified one."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        super().check()
        checks.positive("simulated_users", self.simulated_users, checks.MOST_STEPS)
        checks.within("doses", np.array(self.doses), -MAX_DOSE, MAX_DOSE)
        if len({0.0, 1.0, *self.doses}) != len(self.doses) + 2:
            raise checks.InputError(f"doses must be different ones, and neither 0 nor 1, got {self.doses}")

    @property
    def all_doses(self) -> tuple[float, ...]:
        """The doses of all choice models, in order: those of `doses`, the correct one and the mis-specified one."""
        return tuple(sorted((0.0, 1.0, *self.doses)))
