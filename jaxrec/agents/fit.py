"""The host loop around a jitted agent: chunks, progress, metrics. The jitted inside never prints or writes."""

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax import Array

from jaxrec import checks, interruption
from jaxrec.agents.best import Best, Evaluate, better, earned, evaluated, policies, unscored
from jaxrec.agents.checkpoints import Checkpoints, keeping
from jaxrec.agents.memory import check_fits
from jaxrec.environment import canonical
from jaxrec.progress import Meter, NoMeter
from jaxrec.saved import write as save


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
    evaluate: Evaluate | None = None,
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
            gives what it would have given. Where the training ends or is asked to stop, there are also its policies,
            the last and the best of each run with the score it earned, for `jaxrec.load_policy`. None keeps nothing.
        checkpoint_seconds: the state is kept at the end of a chunk so long after the last time, and at the end; also
            where a signal ends the training, which it does at the end of a chunk: see `jaxrec.interruption`.
        state: where to start from, instead of `agent.init` (for instance with other weights); it is given away.
        evaluate: (policy, params, key) -> float[], scores the policy of one run at the end of every chunk, on the same
            draws each time. By default the chunks themselves score: what one earned (`episode_return`, else `reward`)
            is the mean over all the policies that it went through, and counts for the one that began it, which
            collected the first batch; never for one that has learned from it. The last policy then has no score.

    Returns:
        The final states, with a leading axis of runs.

    Raises:
        InputError: for concrete parameters or hyper-parameters out of range, no axis of runs, a training that needs
            more memory than there is, checkpoints of another training or of which none can be read, or `evaluate`
            without checkpoints or of an agent that has no policy.
        Interrupted: if a signal asked to stop.
        OSError: if what is to be kept cannot be written; what was kept before stays.
        TrainingError: as soon as a metric of a run is not finite; it names the last checkpoint.
    """
    checks.positive("chunks", chunks)
    checks.within("checkpoint_seconds", checkpoint_seconds, 0.0, float("inf"))
    agent.check()
    agent.env.check_params(params, keys.shape)
    params = canonical(params)
    meter = meter or NoMeter()
    chunk = -(-agent.num_batches // chunks)
    on_metrics = on_metrics or (lambda *_: None)
    start = _init.eval_shape(agent, keys, params) if state is None else state
    check_fits(start, _experience.eval_shape(agent, start, params) if hasattr(agent, "experience") else ())
    state = _init(agent, keys, params) if state is None else state
    kept = None if checkpoints is None else Checkpoints(checkpoints, _about(agent, keys, params, evaluate))
    best = unscored(agent, state) if kept and hasattr(agent, "policy") else None
    if evaluate and best is None:
        raise checks.InputError("evaluate scores what is kept: give checkpoints too, and an agent that has a policy")
    with interruption.postponed(), contextlib.closing(kept) if kept else contextlib.nullcontext():
        done, (state, best), history = (kept and kept.restore((state, best))) or (0, (state, best), [])
        for before, metrics in history:
            on_metrics(before, metrics)
        meter.start(task, -(-(agent.num_batches - done) // chunk))
        saved, stops = time.monotonic(), False
        while done < agent.num_batches and not stops:
            last = min(done + chunk, agent.num_batches)
            began = None if best is None else policies(agent, state)
            state, metrics = _advance(agent, state, params, done, last)
            metrics = {name: np.asarray(value) for name, value in metrics.items()}
            _check_finite(metrics, done, last, kept)
            if best is not None and evaluate:
                ended = policies(agent, state)
                best = better(best, ended, evaluated(evaluate, ended, params, keys), last)
            elif best is not None:
                best = better(best, began, earned(metrics), done)
            done = last
            history.append((done, metrics))
            on_metrics(done, metrics)
            stops = interruption.requested()
            ends = stops or done == agent.num_batches
            if best is not None and kept and ends:  # before the state: what is restored at its end does not come here
                _save_policies(kept.path, agent, state, best, done, task)
            if kept and (ends or time.monotonic() - saved >= checkpoint_seconds):
                kept.save(done, (state, best), history)
                saved = time.monotonic()
            shown = "reward" if "reward" in metrics else "loss"
            meter.advance(f"{shown} {metrics[shown].mean():.4f}")
    return state


def _save_policies(folder: Path, agent: Any, state: Any, best: Best, done: int, task: str) -> None:
    last, about = policies(agent, state), {"task": task, "agent": type(agent).__name__, "env": agent.env}
    with keeping():
        save(folder, last, done, best.policy, np.asarray(best.score), np.asarray(best.batches), **about)


def _about(agent: Agent, keys: Array, params: Any, evaluate: Evaluate | None) -> str:
    """What decides about the states of a training."""
    text = f"{agent!r} from keys {jax.random.key_data(keys).tolist()} with {params!r}"
    if evaluate:
        text += f", scored by {evaluate!r}"
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


@jax.jit
def _experience(agent: Any, state: Any, params: Any) -> Any:
    return jax.vmap(agent.experience)(state, params)


def _advance_runs(agent: Any, state: Any, params: Any, first: Any, last: Any) -> tuple[Any, dict[str, Array]]:
    # The batches are counted outside the `vmap`: what depends on them alone, such as a reset, stays a branch.
    return jax.vmap(agent.advance, in_axes=(0, 0, None, None))(state, params, first, last)


_advance = jax.jit(_advance_runs, donate_argnums=1)
