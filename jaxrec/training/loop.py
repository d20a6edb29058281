"""The host loop around a jitted agent: chunks, progress, metrics. The jitted inside never prints or writes."""

import contextlib
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jax import Array
from jax.sharding import Mesh

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.parameters import canonical
from jaxrec.runtime import devices, interruption, processes
from jaxrec.runtime.memory_limit import check_fits
from jaxrec.runtime.progress import Meter, NoMeter
from jaxrec.training import parallel
from jaxrec.training.best_policy import Best, Evaluate, better, earned, policies, unscored
from jaxrec.training.checkpoints import Checkpoints, keeping, seconds
from jaxrec.training.fingerprint import identity
from jaxrec.training.policy_files import write as save


@runtime_checkable
class Agent(Protocol):
    """An algorithm: an immutable PyTree of hyper-parameters with pure, jittable methods."""

    @property
    def env(self) -> Any:
        """The environment it learns in."""
        ...

    @property
    def num_updates(self) -> int:
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


SHARE = 0.05  # of its time that a training spends on checkpoints, at most, but for the last

MetricsSink = Callable[[int, dict[str, np.ndarray]], None]


class TrainingError(RuntimeError):
    """A training went wrong: a metric, or something in its state, is no number any more."""


def fit(
    agent: Agent,
    keys: Array,
    params: Any,
    num_chunks: int = 50,
    meter: Meter | None = None,
    on_metrics: MetricsSink | None = None,
    task: str = "training",
    checkpoints: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    state: Any = None,
    evaluate: Evaluate | None = None,
    swept: Mapping[str, Any] | None = None,
    mesh: Mesh | None = None,
) -> Any:
    """Trains one agent for each key, all in one `vmap` on each device, compiled once.

    Args:
        agent: the algorithm; it and its environment check what they are given before anything compiles.
        keys: typed keys [runs].
        params: run-time values with a leading axis of runs on every leaf; see `jaxrec.batched`.
        num_chunks: how often the host looks in.
        meter: told of every chunk.
        on_metrics: called with the updates done and each metric of the chunk, float[runs]; where checkpoints are gone
            on from, first with those of the chunks before.
        task: what the meter calls it.
        checkpoints: a folder that keeps the state, for a training to go on from: the same call after an interruption
            gives what it would have given, and after the end what it gave. Those of another training are refused, with
            what differs: hyper-parameters, keys, parameters, start or `evaluate`; versions of Python, jaxrec, JAX and
            the packages that are used; code (not docstrings) of the classes and functions that are given, of the bases
            and methods of those classes, and of all that these call by names in their modules, with the constants
            there. Not noticed are changes of compiled libraries, of files that are read on the way, of attributes set
            on modules of others, of settings of JAX, and of what a function imports itself. Where the training ends or
            is asked to stop, there are also its policies, the last and the best of each run with the score it earned,
            for `jaxrec.load_policy`. None keeps nothing.
        checkpoint_seconds: the state is kept at the end of a chunk so long after the last time, later where keeping it
            took more than a twentieth of that; 0: at the end of every chunk. Also at the end, and where a signal ends
            the training, which it does at the end of a chunk: see `jaxrec.runtime.interruption`.
        state: where to start from, instead of `agent.init` (for instance with other weights). Where episodes have a
            fixed length, each must be at its start: all end together.
        evaluate: (policy, params, key) -> float[], scores the policy of one run at the end of every chunk, on the same
            draws each time. By default the chunks themselves score: what one earned (`episode_return`, else `reward`)
            is the mean over all the policies that it went through, and counts for the one that began it, which
            collected the first batch; never for one that has learned from it. The last policy then has no score.
        swept: hyper-parameter -> its values, with a leading axis of runs on every leaf; see `jaxrec.training.sweeps`.
        mesh: devices over which runs, and perhaps environments, are spread; `devices.mesh(runs)` if None: as many as
            divide the runs.

    Returns:
        The final states, with a leading axis of runs, over those devices; where several processes train together, each
        gets all states, over its own devices.

    Raises:
        InputError: for concrete parameters or hyper-parameters out of range, no axis of runs, a training that needs
            more memory than there is, a `state` within episodes of fixed length, checkpoints of another training or of
            which none can be read, or `evaluate` without checkpoints or of an agent that has no policy.
        Interrupted: if a signal asked to stop.
        OSError: if what is to be kept cannot be written; what was kept before stays.
        TrainingError: as soon as a metric of a run is not finite, or NaN is in its state; it names the last checkpoint.

    Warns:
        UserWarning: if the policies are made of classes that another program cannot import, such as those of a script.
    """
    checks.positive("num_chunks", num_chunks)
    checks.within("checkpoint_seconds", checkpoint_seconds, 0.0, float("inf"))
    _check_runs(agent, keys, params)
    values: dict[str, Any] = canonical(dict(swept or {}))
    parallel.check_swept(agent, values, len(keys))
    parallel.with_swept(agent, values).check()
    agent.env.check_params(params, keys.shape)
    params = canonical(params)
    _check_start(agent.env, state)
    about = "" if checkpoints is None else _about(agent, values, keys, params, state, evaluate)
    mesh = devices.mesh(len(keys)) if mesh is None else mesh
    keys, params, values = devices.put((keys, params, values), mesh)
    meter = meter or NoMeter()
    chunk = -(-agent.num_updates // num_chunks)
    on_metrics = on_metrics or (lambda *_: None)
    start = parallel.init.eval_shape(agent, values, keys, params, mesh) if state is None else state
    check_fits(
        start, parallel.experience.eval_shape(agent, start, params) if hasattr(agent, "experience") else (), mesh
    )
    state = devices.put(
        parallel.init(agent, values, keys, params, mesh) if state is None else parallel.copied(state), mesh
    )
    kept = None if checkpoints is None else Checkpoints(checkpoints, about)
    best = unscored(agent, state) if kept and hasattr(agent, "policy") else None
    if evaluate and best is None:
        raise checks.InputError("evaluate scores what is kept: give checkpoints too, and an agent that has a policy")
    with interruption.deferred(), contextlib.closing(kept) if kept else contextlib.nullcontext():
        done, (state, best), history = (kept and kept.restore((state, best))) or (0, (state, best), [])
        state, best = devices.put(state, mesh), devices.put(best, mesh)
        for before, metrics in history:
            on_metrics(before, metrics)
        meter.start(task, -(-(agent.num_updates - done) // chunk))
        saved, spent, stops, begins = time.monotonic(), 0.0, False, done
        scored = None if best is None else policies(agent, state)
        while done < agent.num_updates and not stops:
            last = min(done + chunk, agent.num_updates)
            if best is not None and not evaluate:
                scored = policies(agent, state, scored)
            state, metrics = parallel.advance(agent, values, state, params, done, last, mesh)
            seen = processes.all_gather(metrics | {"state": parallel.nan_within(state)})
            metrics = {name: np.asarray(value) for name, value in seen.items()}
            _check_finite(metrics, getattr(agent, "sparse", ()), done, last, kept)
            del metrics["state"]
            if best is not None and evaluate:
                scored = policies(agent, state, scored)
                best = better(best, scored, parallel.scores(evaluate, scored, params, keys, mesh), last)
            elif best is not None:
                best = better(best, scored, earned(metrics), done)
            done = last
            history.append((done, metrics))
            on_metrics(done, metrics)
            stops = interruption.stop_requested()
            interval = max(checkpoint_seconds, spent / SHARE) if checkpoint_seconds else 0.0
            due = processes.run_on_main(lambda since=saved, wait=interval: time.monotonic() - since >= wait)
            if kept and due and not stops and done < agent.num_updates:
                before = seconds()
                kept.save(done, (state, best), history)
                saved, spent = time.monotonic(), seconds() - before
            shown = "reward" if "reward" in metrics else "loss"
            meter.advance(f"{shown} {metrics[shown].mean():.4f}")
        given = {"keys": keys, "params": params} | ({"swept": values} if values else {})
        with _policies_written(kept, agent, state, best, done, task, given):  # also if a kill came just before them
            if kept and done > begins:
                kept.save(done, (state, best), history)
    if kept:
        processes.run_on_main(lambda: None)  # the others may read what the first has written
    return devices.to_local(state)


@contextlib.contextmanager
def _policies_written(
    kept: Checkpoints | None, agent: Any, state: Any, best: Best | None, done: int, task: str, given: dict[str, Any]
) -> Any:
    """At its end they are; within, a thread compresses them, which takes long for large tables."""
    if kept is None or best is None:
        yield
        return
    last, highest, given = processes.all_gather((policies(agent, state), best, given))
    if not processes.is_main():
        yield
        return
    scored = highest.policy, np.asarray(highest.score), np.asarray(highest.updates)
    about = {"task": task, "agent": type(agent).__name__, "env": agent.env}
    with ThreadPoolExecutor(1) as beside:
        written = beside.submit(save, kept.path, last, done, *scored, given, **about)
        yield
        with keeping():
            told = written.result()
        if told:
            warnings.warn(told, stacklevel=4)  # where `fit` is called


def _check_runs(agent: Any, keys: Any, params: Any) -> None:
    """Raises InputError for what is no agent, no keys [runs], or no parameters of its environment for each of them."""
    # Not `isinstance(agent, Agent)`: that asks properties, which settings that are yet to be checked may break.
    if isinstance(agent, type) or not all(hasattr(type(agent), name) for name in ("init", "advance", "check")):
        hint = ": call it" if isinstance(agent, type) else ""
        raise checks.InputError(f"agent must be an agent, such as jaxrec.agents.PPO, got {checks.brief(agent)}{hint}")
    checks.typed_keys("keys", keys)
    if params is None:
        raise checks.InputError(
            "params must have a leading axis of runs, got None: jaxrec.batched(env.default_params, runs)"
        )
    if isinstance(agent.env, Environment):
        agent.env.check_type(params)


def _check_start(env: Any, state: Any) -> None:
    """Raises InputError for a start within an episode, where a count of steps says when all begin anew."""
    horizon, within = getattr(env, "fixed_horizon", None), getattr(state, "env_state", None)
    if horizon is not None and within is not None and (processes.all_gather(within.time) % horizon).any():
        raise checks.InputError(
            f"state must be at the start of an episode in {env.name}, where all last {horizon} steps and end together; "
            f"its environments are at steps up to {int(processes.all_gather(within.time).max())}: take what "
            "`agent.init` gives and put into it what was learned (weights, or a table) alone"
        )


def _about(agent: Agent, swept: dict[str, Any], keys: Array, params: Any, start: Any, evaluate: Evaluate | None) -> str:
    with keeping():
        return identity(
            agent=parallel.with_swept(agent, swept),
            keys=keys,
            params=params,
            start=processes.all_gather(start),
            evaluate=evaluate,
        )


def _check_finite(
    metrics: dict[str, np.ndarray], sparse: tuple[str, ...], first: int, last: int, kept: Checkpoints | None
) -> None:
    """Raises TrainingError for a metric that is not finite; those in `sparse` may be missing, which is NaN."""
    for name, values in metrics.items():
        bad = np.isinf(values) if name in sparse else ~np.isfinite(values)
        if bad.any():
            bad = np.flatnonzero(bad).tolist()
            good = kept and kept.latest()
            raise TrainingError(
                f"{name} of runs {bad} was not finite in updates {first} ... {last - 1}: {values[bad]}; last good "
                f"checkpoint: {good or 'none was kept'}"
            )
