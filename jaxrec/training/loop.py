"""The host loop around a jitted agent: chunks, progress, metrics. The jitted inside never prints or writes."""

import contextlib
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jax import Array
from jax.sharding import Mesh
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.runtime import interruption, processes
from jaxrec.runtime.progress import Meter, NoMeter
from jaxrec.training import policy_files
from jaxrec.training.agent import Agent, MetricsSink, TrainingError
from jaxrec.training.best_policy import Evaluate, policies, scoring
from jaxrec.training.checkpoints import Checkpoints, NoCheckpoints, Training
from jaxrec.training.parallel import Runs


@checks.known_keywords
def fit(
    agent: Agent,
    keys: Array,
    params: PyTree,
    num_chunks: int = 50,
    meter: Meter | None = None,
    on_metrics: MetricsSink | None = None,
    task: str = "training",
    checkpoints: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    state: PyTree = None,
    evaluate: Evaluate | None = None,
    swept: Mapping[str, Any] | None = None,
    mesh: Mesh | None = None,
) -> PyTree:
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
    meter, on_metrics = meter or NoMeter(), on_metrics or (lambda *_: None)
    runs = Runs(agent, keys, params, swept, mesh)
    about = "" if checkpoints is None else runs.identity(state, evaluate)
    state = runs.start(state)
    best = scoring(runs, evaluate, wanted=checkpoints is not None)
    kept = NoCheckpoints() if checkpoints is None else Checkpoints(checkpoints, about, checkpoint_seconds)
    with interruption.deferred(), contextlib.closing(kept):
        training = runs.placed(kept.restore(Training(0, state, best.none_yet(state), [])))
        for updates, metrics in training.history:
            on_metrics(updates, metrics)
        begun, chunk = training.updates, -(-agent.num_updates // num_chunks)
        meter.start(task, -(-(agent.num_updates - begun) // chunk))
        best.begin(training.state)
        while training.updates < agent.num_updates:
            first, last = training.updates, min(training.updates + chunk, agent.num_updates)
            best.before(training.state)
            state, metrics = runs.advance(training.state, first, last)
            _check_finite(metrics, getattr(agent, "sparse", ()), first, last, kept)
            highest = best.after(training.best, state, metrics, first, last)
            training = Training(last, state, highest, [*training.history, (last, metrics)])
            on_metrics(last, metrics)
            shown = "reward" if "reward" in metrics else "loss"
            meter.advance(f"{shown} {metrics[shown].mean():.4f}")
            if interruption.stop_requested():
                break
            kept.save_if_due(training, agent.num_updates)
        _finish(kept, runs, training, begun, task)
    return runs.to_local(training.state)


def _finish(kept: Checkpoints | NoCheckpoints, runs: Runs, training: Training, begun: int, task: str) -> None:
    """Writes the last state, and the policies meanwhile in a thread: compressing large tables takes long.

    Policies are written even where nothing was left to train: a kill may have come just before them.
    """
    if isinstance(kept, NoCheckpoints):
        return
    with ThreadPoolExecutor(1) as pool:
        written = None
        if training.best is not None:
            last, best = processes.all_gather((policies(runs.agent, training.state), training.best))
            scored = best.policy, np.asarray(best.score), np.asarray(best.updates)
            about = {"task": task, "agent": type(runs.agent).__name__, "env": runs.agent.env}
            if processes.is_main():
                written = pool.submit(
                    policy_files.write, kept.path, last, training.updates, *scored, runs.given, **about
                )
        if training.updates > begun:
            kept.save(training)
        if written is not None and (warning := written.result()):
            warnings.warn(warning, stacklevel=4)  # where `fit` is called
    processes.run_on_main(lambda: None)  # the others may read what the first has written


def _check_finite(
    metrics: dict[str, np.ndarray], sparse: tuple[str, ...], first: int, last: int, kept: Checkpoints | NoCheckpoints
) -> None:
    """Raises TrainingError for a metric that is not finite; those in `sparse` may be missing, which is NaN.

    Takes "state", which says whether NaN is anywhere in the state, out of `metrics`.
    """
    for name, values in metrics.items():
        bad = np.isinf(values) if name in sparse else ~np.isfinite(values)
        if bad.any():
            bad = np.flatnonzero(bad).tolist()
            raise TrainingError(
                f"{name} of runs {bad} was not finite in updates {first} ... {last - 1}: {values[bad]}; last good "
                f"checkpoint: {kept.latest() or 'none was kept'}"
            )
    del metrics["state"]
