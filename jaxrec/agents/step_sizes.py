"""How far a visit moves the value of a cell, by the visits before it and the progress of the training."""

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec import checks
from jaxrec.utilities import Leaf

SMALLEST_STEP = 1e-9


class GeometricStep(checks.KnownKeywords, struct.PyTreeNode):
    """A step size that falls geometrically from `start` to `end` over the training, whatever the visits.

    Attributes:
        start, end: float[] in (0, 1]. Equal for a fixed step size.
    """

    start: Leaf | float
    end: Leaf | float

    def check(self) -> None:
        """Raises InputError for a concrete value out of range."""
        for name in ("start", "end"):
            checks.within(f"step_size.{name}", getattr(self, name), SMALLEST_STEP, 1.0)

    def __call__(self, visits: Array, k: Array, progress: Array) -> Array:
        """Gives how far `k` visits of a cell with `visits` before them move it.

        Args:
            visits: of each cell before, uint32 of any shape.
            k: visits of each cell now, at least 1, of the same shape.
            progress: float[] in [0, 1], the share of the training done.

        Returns:
            Floats of the same shape.
        """
        alpha = self.start * (self.end / self.start) ** progress
        return -jnp.expm1(k * jnp.log1p(-alpha))  # 1 - (1 - alpha)^k; a power takes longer for each cell


class VisitStep(checks.KnownKeywords, struct.PyTreeNode):
    """A step size that falls with the visits of the cell: the n-th visit has 1 - ((n - 1) / n)^weight.

    At weight 1 this is 1 / n: the value is the average of all targets so far. A larger weight is about weight / n, and
    forgets early targets, which came from a table not yet learned.

    Attributes:
        weight: float[], at least 1.
    """

    weight: Leaf | float

    def check(self) -> None:
        """Raises InputError for a concrete value out of range."""
        checks.within("step_size.weight", self.weight, 1.0, jnp.inf)

    def __call__(self, visits: Array, k: Array, progress: Array) -> Array:
        """Gives how far `k` visits of a cell with `visits` before them move it.

        Args:
            visits: of each cell before, uint32 of any shape.
            k: visits of each cell now, at least 1, of the same shape.
            progress: float[] in [0, 1], the share of the training done; not read.

        Returns:
            Floats of the same shape.
        """
        # 1 - (visits / (visits + k))^weight, without the cancellation that stops learning after 10^7 visits.
        return -jnp.expm1(self.weight * jnp.log1p(-(k / (visits + k))))


if TYPE_CHECKING:
    StepSize = GeometricStep | VisitStep
else:
    StepSize = Any  # `QLearning.check` says what is wrong with another value
