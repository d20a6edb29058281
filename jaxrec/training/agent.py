"""What the host loop asks of an algorithm."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jax import Array
from jaxtyping import Int, PyTree

MetricsSink = Callable[[int, dict[str, np.ndarray]], None]
"""Called with the updates done and the metrics of the chunk that they end, float[runs]."""


class TrainingError(RuntimeError):
    """A training went wrong: a metric, or something in its state, is no longer a finite number."""


@runtime_checkable
class Agent(Protocol):
    """An algorithm: an immutable PyTree of hyper-parameters with pure, jittable methods.

    An agent may also have `policy(state)`, whose results are kept with the checkpoints; `experience(state, params)`,
    whose shapes count against the memory; and `sparse`, the names of metrics that are NaN where a chunk has no value.
    """

    @property
    def env(self) -> Any:
        """The environment it learns in."""
        ...

    @property
    def num_updates(self) -> int:
        """Updates of a whole training."""
        ...

    def check(self) -> None:
        """Raises InputError for a concrete hyper-parameter out of range."""
        ...

    def init(self, key: Array, params: PyTree) -> PyTree:
        """The start of a training."""
        ...

    def advance(
        self, state: PyTree, params: PyTree, first: Int[Array, ""] | int, last: Int[Array, ""] | int
    ) -> tuple[PyTree, dict[str, Array]]:
        """Makes updates `first` ... `last` - 1: gives the state after them, and the mean of their metrics.

        Args:
            state: after the updates before.
            params: run-time values of the environment.
            first: the first update.
            last: the update after the last.
        """
        ...
