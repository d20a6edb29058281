"""The host loop around a jitted agent: chunks, progress, metrics. The jitted inside never prints or writes."""

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import checks, interruption
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
    """A training went wrong: a metric, or something in its state, is no number any more."""


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
        on_metrics: called with the batches done and each metric of the chunk, float[runs]; where checkpoints are gone
            on from, first with those of the chunks before.
        task: what the meter calls it.
        checkpoints: a folder that keeps the state, for a training to go on from: the same call after an interruption
            gives what it would have given. None keeps nothing.
        checkpoint_seconds: the state is kept at the end of a chunk so long after the last time, and at the end; also
            where a signal ends the training, which it does at the end of a chunk: see `jaxrec.interruption`.
        state: where to start from, instead of `agent.init` (for instance with other weights); it is given away.

    Returns:
        The final states, with a leading axis of runs.

    Raises:
        InputError: for concrete parameters or hyper-parameters out of range, no axis of runs, or checkpoints of another
            training.
        Interrupted: if a signal asked to stop.
        TrainingError: as soon as a metric of a run is not finite, or NaN is in its state; it names the last checkpoint.
    """
    checks.positive("chunks", chunks)
    checks.within("checkpoint_seconds", checkpoint_seconds, 0.0, float("inf"))
    agent.check()
    agent.env.check_params(params, keys.shape)
    params = canonical(params)
    meter = meter or NoMeter()
    chunk = -(-agent.num_batches // chunks)
    on_metrics = on_metrics or (lambda *_: None)
    state = _init(agent, keys, params) if state is None else state
    kept = None if checkpoints is None else Checkpoints(checkpoints, _about(agent, keys, params))
    with interruption.postponed(), contextlib.closing(kept) if kept else contextlib.nullcontext():
        done, state, history = (kept and kept.restore(state)) or (0, state, [])
        for before, metrics in history:
            on_metrics(before, metrics)
        meter.start(task, -(-(agent.num_batches - done) // chunk))
        saved, stops = time.monotonic(), False
        while done < agent.num_batches and not stops:
            last = min(done + chunk, agent.num_batches)
            state, metrics = _advance(agent, state, params, done, last)
            metrics = {name: np.asarray(value) for name, value in metrics.items()}
            _check_finite(metrics | {"state": np.asarray(_nan_within(state))}, done, last, kept)
            done = last
            history.append((done, metrics))
            on_metrics(done, metrics)
            stops = interruption.requested()
            if kept and (stops or done == agent.num_batches or time.monotonic() - saved >= checkpoint_seconds):
                kept.save(done, state, history)
                saved = time.monotonic()
            shown = "reward" if "reward" in metrics else "loss"
            meter.advance(f"{shown} {metrics[shown].mean():.4f}")
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


@jax.jit
def _nan_within(state: Any) -> Array:
    """float[runs]: 0, or NaN where NaN is anywhere in the state: the last update of a chunk is in no metric yet."""
    floats = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    found = (jnp.where(jnp.isnan(leaf).reshape(len(leaf), -1).any(axis=1), jnp.nan, 0.0) for leaf in floats)
    return sum(found, start=jnp.zeros(()))
