"""The host loop around a jitted agent: chunks, progress, metrics. The jitted inside never prints or writes."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.environment import canonical
from jaxrec.progress import Meter, NoMeter


@runtime_checkable
class Agent(Protocol):
    """An algorithm: an immutable PyTree of hyper-parameters with pure, jittable methods."""

    @property
    def env(self) -> Any:
        """The environment it learns in."""
        ...

    @property
    def num_batches(self) -> int:
        """Batches of a whole training."""
        ...

    def check(self) -> None:
        """Raises InputError for a concrete hyper-parameter out of range."""
        ...

    def init(self, key: Array, params: Any) -> Any:
        """The start of a training."""
        ...

    def advance(self, state: Any, params: Any, first: Any, last: Any) -> tuple[Any, dict[str, Array]]:
        """Batches `first` ... `last` - 1: the state after them, and the mean of their metrics."""
        ...


MetricsSink = Callable[[int, dict[str, np.ndarray]], None]


class TrainingError(RuntimeError):
    """A training went wrong: a metric is no number any more."""


def fit(
    agent: Agent,
    keys: Array,
    params: Any,
    chunks: int = 50,
    meter: Meter | None = None,
    on_metrics: MetricsSink | None = None,
    task: str = "training",
) -> Any:
    """Trains one agent for each key, all in one `vmap`, compiled once.

    Args:
        agent: the algorithm; it and its environment check what they are given before anything compiles.
        keys: typed keys [runs].
        params: run-time values with a leading axis of runs on every leaf; see `jaxrec.batched`.
        chunks: how often the host looks in.
        meter: told of every chunk.
        on_metrics: called with the batches done and each metric of the chunk, float[runs].
        task: what the meter calls it.

    Returns:
        The final states, with a leading axis of runs.

    Raises:
        InputError: for concrete parameters or hyper-parameters out of range, or no axis of runs.
        TrainingError: as soon as a metric of a run is not finite.
    """
    checks.positive("chunks", chunks)
    agent.check()
    agent.env.check_params(params, keys.shape)
    params = canonical(params)
    meter = meter or NoMeter()
    chunk = -(-agent.num_batches // chunks)
    meter.start(task, -(-agent.num_batches // chunk))
    state = _init(agent, keys, params)
    for first in range(0, agent.num_batches, chunk):
        last = min(first + chunk, agent.num_batches)
        state, metrics = _advance(agent, state, params, first, last)
        metrics = {name: np.asarray(value) for name, value in metrics.items()}
        _check_finite(metrics, first, last)
        if on_metrics:
            on_metrics(last, metrics)
        meter.advance(f"reward {metrics['reward'].mean():.4f}")
    return state


def _check_finite(metrics: dict[str, np.ndarray], first: int, last: int) -> None:
    for name, values in metrics.items():
        if not np.isfinite(values).all():
            runs = np.flatnonzero(~np.isfinite(values)).tolist()
            raise TrainingError(
                f"{name} of runs {runs} was not finite in batches {first} ... {last - 1}: {values[runs]}"
            )


@jax.jit
def _init(agent: Any, keys: Array, params: Any) -> Any:
    return jax.vmap(agent.init)(keys, params)


def _advance_runs(agent: Any, state: Any, params: Any, first: Any, last: Any) -> tuple[Any, dict[str, Array]]:
    # The batches are counted outside the `vmap`: what depends on them alone, such as a reset, stays a branch.
    return jax.vmap(agent.advance, in_axes=(0, 0, None, None))(state, params, first, last)


_advance = jax.jit(_advance_runs, donate_argnums=1)
