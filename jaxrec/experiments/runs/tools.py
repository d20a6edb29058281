"""What a study measures with: its log, its progress meter, and trainings that are recorded."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec.experiments.runs.metrics_log import Log, NoLog
from jaxrec.runtime.progress import Meter, NoMeter
from jaxrec.training import Agent, fit


class Course(NamedTuple):
    """The course of a training.

    Attributes:
        steps: int[chunks], steps of all environments of one run until the end of each chunk.
        metrics: metric -> float[chunks, runs], means over each chunk.
    """

    steps: np.ndarray
    metrics: dict[str, np.ndarray]


class Tools:
    """What `Study.measure` is given; by default it records nothing and shows no progress."""

    def __init__(self, log: Log | None = None, meter: Meter | None = None):
        """Combines a log with a meter.

        Args:
            log: `log(**values)` appends a line to `metrics.jsonl`; `log.checkpoints(task)` is where the next training
                keeps its states.
            meter: notified of the progress.
        """
        self.log: Log = NoLog() if log is None else log
        self.meter: Meter = NoMeter() if meter is None else meter

    def train(
        self,
        agent: Agent,
        keys: Array,
        params: PyTree,
        task: str,
        num_chunks: int,
        line: Callable[[int, dict[str, np.ndarray]], dict[str, Any]],
        state: PyTree = None,
        swept: Mapping[str, PyTree] | None = None,
    ) -> tuple[PyTree, Course]:
        """Trains one agent for each key; keeps its states in the folder of the run, and records its metrics.

        Args:
            agent: the algorithm; it has `num_envs` and `num_steps`.
            keys: typed keys [runs].
            params: of the environment, with a leading axis of runs.
            task: the name of the training, for the meter and the folder.
            num_chunks: how often metrics are written.
            line: (steps, metrics of the chunk, float[runs] each) -> the values of a line of the log.
            state: where to start from, instead of `agent.init`.
            swept: hyper-parameter -> its values, with a leading axis of runs on every leaf.

        Returns:
            The final states, with a leading axis of runs, and the course of the training.

        Raises:
            InputError, TrainingError, Interrupted: whatever `fit` raises.
        """
        steps: list[int] = []
        rows: list[dict[str, np.ndarray]] = []

        def on_metrics(updates: int, metrics: dict[str, np.ndarray]) -> None:
            steps.append(updates * agent.num_envs * agent.num_steps)  # type: ignore[attr-defined]
            rows.append(metrics)
            self.log(**line(steps[-1], metrics))

        kept = self.log.checkpoints(task)
        state = fit(agent, keys, params, num_chunks, self.meter, on_metrics, task, kept, state=state, swept=swept)
        metrics = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        return state, Course(np.array(steps), metrics)
