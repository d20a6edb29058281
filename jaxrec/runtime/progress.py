"""Progress meters of long loops. The null object `NoMeter` shows no progress, so that loops need no `if`."""

import sys
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from rich import get_console
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from jaxrec.runtime import processes

SECONDS_A_LINE = 60.0
"""Between two lines of a log."""


@runtime_checkable
class Meter(Protocol):
    """The protocol of meters: a long loop notifies it of its progress."""

    def __enter__(self) -> "Meter": ...

    def __exit__(self, *exception: object) -> None: ...

    def start(self, task: str, total: int) -> None:
        """Begins a task of `total` parts."""
        ...

    def advance(self, note: str = "") -> None:
        """Counts one part as done, with a short note on it."""
        ...


class NoMeter:
    """A meter that shows no progress."""

    def __enter__(self) -> "NoMeter":
        return self

    def __exit__(self, *exception: object) -> None:
        return

    def start(self, task: str, total: int) -> None:
        """Ignores the task."""

    def advance(self, note: str = "") -> None:
        """Ignores the part."""


class RichMeter:
    """A progress bar for each task, on a terminal."""

    def __init__(self, console: Console | None = None):
        console = get_console() if console is None else console
        spinner = "dots" if console.encoding.startswith("utf") else "line"  # the dots are Braille
        self._progress = Progress(
            SpinnerColumn(spinner),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._task = None

    def __enter__(self) -> "RichMeter":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def start(self, task: str, total: int) -> None:
        """Adds a bar."""
        self._task = self._progress.add_task(task, total=total, note="")

    def advance(self, note: str = "") -> None:
        """Moves the last bar."""
        if self._task is not None:
            self._progress.update(self._task, advance=1, note=note)


class LineMeter(NoMeter):
    """A meter for logs: one line as each task begins, then one a minute with the time left.

    Attributes:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self._task, self._total, self._done = "", 0, 0
        self._started = self._told = clock()

    def start(self, task: str, total: int) -> None:
        """Prints the task."""
        self._task, self._total, self._done = task, total, 0
        self._started = self._told = self.clock()
        _print(task)

    def advance(self, note: str = "") -> None:
        """Prints how far the task is, if the last line is a minute old."""
        self._done, now = self._done + 1, self.clock()
        if now - self._told < SECONDS_A_LINE or self._done >= self._total:
            return
        self._told, spent = now, now - self._started
        left = spent * (self._total - self._done) / self._done
        _print(
            f"{self._task}: {self._done} of {self._total} in {_spoken(spent)}, about {_spoken(left)} left"
            + (f"; {note}" if note else "")
        )


def _spoken(seconds: float) -> str:
    """A time such as "40 s", "12 min" or "3 h 05 min"."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def meter_for_terminal() -> Meter:
    """Chooses bars for a terminal, else lines; of several processes only the first shows progress."""
    if not processes.is_main():
        return NoMeter()
    console = Console(stderr=True)
    return RichMeter(console) if console.is_terminal else LineMeter()
