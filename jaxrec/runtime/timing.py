"""Wall time of jitted functions, with compilation apart and until the device is done."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree


class Timing(NamedTuple):
    """Wall times in seconds.

    Attributes:
        compile: tracing and compiling.
        runs: each timed run, after one that warms up.
    """

    compile: float
    runs: list[float]

    @property
    def median(self) -> float:
        """The median run."""
        return statistics.median(self.runs)

    def rate(self, count: float) -> float:
        """Gives `count` a second, at the median run."""
        return count / self.median


def measure(function: Callable[..., Any], *args: PyTree, repeats: int = 5) -> Timing:
    """Times `jax.jit(function)(*args)`.

    Args:
        function: a function that `jax.jit` takes.
        *args: its arguments.
        repeats: timed runs, at least 1.

    Returns:
        The wall times.
    """
    started = time.perf_counter()
    compiled = jax.jit(function).lower(*args).compile()
    compiled_in = time.perf_counter() - started
    jax.block_until_ready(compiled(*args))
    return Timing(compiled_in, [_seconds(compiled, args) for _ in range(repeats)])


def _seconds(function: Callable[..., Any], args: tuple[Any, ...]) -> float:
    started = time.perf_counter()
    jax.block_until_ready(function(*args))
    return time.perf_counter() - started
