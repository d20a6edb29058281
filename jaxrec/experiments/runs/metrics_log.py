"""What a study is given to note what must outlive it: lines of metrics, and the states of its trainings."""

import json
import re
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxrec.experiments.runs.plain import plain
from jaxrec.experiments.runs.tracking import Trackers
from jaxrec.runtime import processes
from jaxrec.runtime.atomic_files import naming


@runtime_checkable
class Log(Protocol):
    """Called with the values of a line of metrics."""

    def __call__(self, **values: Any) -> None:
        """Notes one line."""
        ...

    def checkpoints(self, task: str) -> Path | None:
        """A folder for the checkpoints of the next training, another for every call; None if none are to be kept."""
        ...


class NoLog:
    """Notes nothing."""

    def __call__(self, **values: Any) -> None:
        """Takes a line and drops it."""

    def checkpoints(self, task: str) -> None:
        """Keeps no checkpoints."""


class FolderLog:
    """Notes in the folder of a run.

    A run that is resumed is executed again from its start: trainings are restored with their metrics, what follows from
    them is computed again, so that every line comes again in its order, and every training asks for the folder it had.
    """

    def __init__(self, path: Path, trackers: Trackers | None = None):
        self._trackers = trackers or Trackers()
        self._metrics = path / "metrics.jsonl"
        self._mode = "w"  # what was noted before stays until its first line comes again
        self._checkpoints = path / "checkpoints"
        self._trainings = 0

    def __call__(self, **values: Any) -> None:
        """Appends one line to `metrics.jsonl`, and tells the trackers; of several processes, the first alone."""
        if not processes.is_main():
            return
        line = plain(values)
        with naming(self._metrics), self._metrics.open(self._mode) as file:
            file.write(json.dumps(line) + "\n")
        self._mode = "a"
        self._trackers.line(line)

    def checkpoints(self, task: str) -> Path:
        """`checkpoints/NUMBER-TASK`, numbered in the order of the calls."""
        self._trainings += 1
        return self._checkpoints / f"{self._trainings:03d}-{re.sub(r'[^A-Za-z0-9]+', '-', task).strip('-')[:80]}"
