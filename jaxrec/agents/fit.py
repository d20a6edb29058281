"""The host loop around a jitted agent: chunks, progress, metrics. The jitted inside never prints or writes."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.agents.checkpoints import Checkpoints
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
    checkpoints: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    state: Any = None,
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
        checkpoints: a folder that keeps the state, for a training to go on from: the same call after an interruption
            gives what it would have given. None keeps nothing.
        checkpoint_seconds: the state is kept at the end of a chunk so long after the last time, and at the end.
        state: where to start from, instead of `agent.init` (for instance with other weights); it is given away.

    Returns:
        The final states, with a leading axis of runs.

    Raises:
        InputError: for concrete parameters or hyper-parameters out of range, no axis of runs, or checkpoints of another
            training.
        TrainingError: as soon as a metric of a run is not finite; it names the last checkpoint.
    """
    checks.positive("chunks", chunks)
    checks.within("checkpoint_seconds", checkpoint_seconds, 0.0, float("inf"))
    agent.check()
    agent.env.check_params(params, keys.shape)
    params = canonical(params)
    meter = meter or NoMeter()
    chunk = -(-agent.num_batches // chunks)
    state, done = _init(agent, keys, params) if state is None else state, 0
    kept = None if checkpoints is None else Checkpoints(checkpoints, _about(agent, keys, params))
    try:
        done, state = (kept and kept.restore(state)) or (done, state)
        meter.start(task, -(-(agent.num_batches - done) // chunk))
        saved = time.monotonic()
        while done < agent.num_batches:
            last = min(done + chunk, agent.num_batches)
            state, metrics = _advance(agent, state, params, done, last)
            metrics = {name: np.asarray(value) for name, value in metrics.items()}
            _check_finite(metrics, done, last, kept)
            done = last
            if on_metrics:
                on_metrics(done, metrics)
            if kept and (done == agent.num_batches or time.monotonic() - saved >= checkpoint_seconds):
                kept.save(done, state)
                saved = time.monotonic()
            shown = "reward" if "reward" in metrics else "loss"
            meter.advance(f"{shown} {metrics[shown].mean():.4f}")
    finally:
        if kept:
            kept.close()
    return state


def _about(agent: Agent, keys: Array, params: Any) -> str:
    """What decides about the states of a training."""
    text = f"{agent!r} from keys {jax.random.key_data(keys).tolist()} with {params!r}"
    return re.sub(r" at 0x[0-9a-f]+", "", text)  # where a function lies is another place in every process


def _check_finite(metrics: dict[str, np.ndarray], first: int, last: int, kept: Checkpoints | None) -> None:
    for name, values in metrics.items():
        if not np.isfinite(values).all():
            runs = np.flatnonzero(~np.isfinite(values)).tolist()
            good = kept and kept.latest()
            raise TrainingError(
                f"{name} of runs {runs} was not finite in batches {first} ... {last - 1}: {values[runs]}; last good "
                f"checkpoint: {good or 'none was kept'}"
            )


@jax.jit
def _init(agent: Any, keys: Array, params: Any) -> Any:
    return jax.vmap(agent.init)(keys, params)


def _advance_runs(agent: Any, state: Any, params: Any, first: Any, last: Any) -> tuple[Any, dict[str, Array]]:
    # The batches are counted outside the `vmap`: what depends on them alone, such as a reset, stays a branch.
    return jax.vmap(agent.advance, in_axes=(0, 0, None, None))(state, params, first, last)


_advance = jax.jit(_advance_runs, donate_argnums=1)
