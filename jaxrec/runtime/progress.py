"""Progress meters of long loops. The null object `NoMeter` shows no progress, so that loops need no `if`."""

import sys
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
    """A meter for logs: one line as each task begins."""

    def start(self, task: str, total: int) -> None:
        """Prints the task."""
        print(task, file=sys.stderr, flush=True)  # noqa: T201


def meter_for_terminal() -> Meter:
    """Chooses bars for a terminal, else one line a task; of several processes only the first shows progress."""
    if not processes.is_main():
        return NoMeter()
    console = Console(stderr=True)
    return RichMeter(console) if console.is_terminal else LineMeter()
