"""How far a visit moves the value of a cell, by the visits before it and the progress of the training."""

from typing import Any

import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec import checks

SMALLEST_STEP = 1e-9


class GeometricStep(struct.PyTreeNode):
    """A step size that falls geometrically from `start` to `end` over the training, whatever the visits.

    Attributes:
        start, end: float[] in (0, 1]. Equal for a fixed step size.
    """

    start: Any
    end: Any

    def check(self) -> None:
        """Raises InputError for a concrete value out of range."""
        for name in ("start", "end"):
            checks.within(f"step_size.{name}", getattr(self, name), SMALLEST_STEP, 1.0)

    def __call__(self, visits: Array, k: Array, progress: Array) -> Array:
        """float[]: how far `k` visits of a cell with `visits` before them move it; `progress` is in [0, 1]."""
        alpha = self.start * (self.end / self.start) ** progress
        return 1 - (1 - alpha) ** k


class VisitStep(struct.PyTreeNode):
    """A step size that falls with the visits of the cell: the n-th visit has 1 - ((n - 1) / n)^weight.

    At weight 1 this is 1 / n: the value is the average of all targets so far. A larger weight is about weight / n, and
    forgets early targets, which came from a table not yet learned.

    Attributes:
        weight: float[], at least 1.
    """

    weight: Any

    def check(self) -> None:
        """Raises InputError for a concrete value out of range."""
        checks.within("step_size.weight", self.weight, 1.0, jnp.inf)

    def __call__(self, visits: Array, k: Array, progress: Array) -> Array:
        """float[]: how far `k` visits of a cell with `visits` before them move it."""
        # 1 - (visits / (visits + k))^weight, without the cancellation that stops learning after 10^7 visits.
        return -jnp.expm1(self.weight * jnp.log1p(-(k / (visits + k))))
