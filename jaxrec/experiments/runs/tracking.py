"""Trackers: other places that take the metrics of a run. Each library is imported only where it is used."""

import importlib
import os
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from jaxrec import checks
from jaxrec.experiments.runs.configuration import flat
from jaxrec.runtime.atomic_files import write_atomically


@runtime_checkable
class Tracker(Protocol):
    """Takes the metrics of a run. One that is resumed gives all again from the first line, with the same values."""

    def start(self, study: str, config: Mapping[str, Any], folder: Path) -> None:
        """Takes note that a run begins or is resumed.

        Args:
            study: its name.
            config: as the manifest has it.
            folder: of the run, its own.
        """
        ...

    def line(self, number: int, values: Mapping[str, Any]) -> None:
        """Line `number`, from 0, of `metrics.jsonl`, with its values as JSON knows them."""
        ...

    def outcome(self, findings: Sequence[Mapping[str, Any]], figures: Sequence[Path]) -> None:
        """What the run comes to, as in `results.json`, and its pictures, PNG files; only of a run that is complete."""
        ...

    def end(self, status: str) -> None:
        """The run ends: "complete", "interrupted", or "failed: ..."."""
        ...


class Trackers:
    """Several as one, none included. One that raises is left out from then on, with a warning: no run dies of it."""

    def __init__(self, trackers: Sequence[Tracker] = ()):
        self._trackers = list(trackers)
        self._lines = 0

    def start(self, study: str, config: Mapping[str, Any], folder: Path) -> None:
        """Tells all that a run begins.

        Args:
            study: its name.
            config: as the manifest has it.
            folder: of the run.
        """
        self._tell(lambda tracker: tracker.start(study, config, folder))

    def line(self, values: Mapping[str, Any]) -> None:
        """Tells all, and counts."""
        self._tell(lambda tracker: tracker.line(self._lines, values))
        self._lines += 1

    def outcome(self, findings: Sequence[Mapping[str, Any]], figures: Sequence[Path]) -> None:
        """Tells all."""
        self._tell(lambda tracker: tracker.outcome(findings, figures))

    def end(self, status: str) -> None:
        """Tells all."""
        self._tell(lambda tracker: tracker.end(status))

    def _tell(self, tell: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                tell(tracker)
            except Exception as error:  # whatever a library of others or a network comes up with
                self._trackers.remove(tracker)
                what = f"{type(error).__name__}: {error}"
                warnings.warn(f"{type(tracker).__name__} failed and is left out; the run goes on: {what}", stacklevel=3)


class WandbTracker:
    """Weights & Biases: a run of the project $WANDB_PROJECT ("jaxrec" if unset), named as the folder.

    The step is the number of the line. A run that is resumed is the same run on the server, without the
    lines it has already; offline it is written anew.
    """

    def __init__(self):
        self._wandb = _extra("wandb", "wandb")

    def start(self, study: str, config: Mapping[str, Any], folder: Path) -> None:
        """Begins the run there, or resumes it.

        Args:
            study: its name.
            config: as the manifest has it.
            folder: of the run.
        """
        there = folder / "wandb"
        there.mkdir(exist_ok=True)
        name = there / "id"
        if not name.exists():
            write_atomically(name, secrets.token_hex(4).encode())
        for path in there.glob("offline-run-*"):  # nobody can be asked what it has: every line comes again
            shutil.rmtree(path)
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "jaxrec"),
            group=study,
            name=folder.name,
            config=dict(config),
            dir=str(folder),
            id=name.read_text(),
            resume="allow",
        )
        self._first = self._run.step

    def line(self, number: int, values: Mapping[str, Any]) -> None:
        """Logs a line, unless the run has it already."""
        if number >= self._first:
            self._run.log(dict(scalars(values)), step=number)

    def outcome(self, findings: Sequence[Mapping[str, Any]], figures: Sequence[Path]) -> None:
        """Puts the mean of each finding, and the pictures, into the summary."""
        self._run.summary.update({f"findings/{one['name']}": one["value"] for one in findings})
        self._run.summary.update({f"figures/{path.stem}": self._wandb.Image(str(path)) for path in figures})

    def end(self, status: str) -> None:
        """Notes how the run ended, and finishes it."""
        self._run.summary["status"] = status
        self._run.finish(exit_code=0 if status == "complete" else 1)


class TensorBoardTracker:
    """TensorBoard, through tensorboardX: event files in `tensorboard/` in the folder of the run.

    The step counts the lines that bear the same strings, such as those of one training. A resumed run writes its
    events anew, and tells viewers to forget what they have.
    """

    def __init__(self):
        self._tensorboard = _extra("tensorboardX", "tensorboard")

    def start(self, study: str, config: Mapping[str, Any], folder: Path) -> None:
        """Begins the event files anew, with the settings.

        Args:
            study: its name.
            config: as the manifest has it.
            folder: of the run.
        """
        there = folder / "tensorboard"
        shutil.rmtree(there, ignore_errors=True)
        self._writer = self._tensorboard.SummaryWriter(str(there), purge_step=0)
        settings = "\n".join(f"| {name} | {value} |" for name, value in flat(config).items())
        self._writer.add_text("config", f"{study}\n\n| setting | value |\n| --- | --- |\n{settings}", 0)
        self._steps: dict[str, int] = {}

    def line(self, number: int, values: Mapping[str, Any]) -> None:
        """Writes the numbers of a line as scalars."""
        step = self._steps[_series(values)] = self._steps.get(_series(values), -1) + 1
        for name, value in scalars(values):
            self._writer.add_scalar(name, value, step)

    def outcome(self, findings: Sequence[Mapping[str, Any]], figures: Sequence[Path]) -> None:
        """Writes a table of the findings, and the pictures."""
        rows = (
            " | ".join(str(one[column]) for column in ("name", "value", "low", "high", "holds")) for one in findings
        )
        head = "| finding | value | low | high | holds |\n| --- | --- | --- | --- | --- |"
        self._writer.add_text("findings", "\n".join([head, *(f"| {row} |" for row in rows)]), 0)
        for path in figures:
            self._writer.add_image(f"figures/{path.stem}", _pixels(path), 0, dataformats="HWC")

    def end(self, status: str) -> None:
        """Writes how the run ended, and closes the files."""
        self._writer.add_text("status", status, 0)
        self._writer.close()


TRACKERS: dict[str, type[Tracker]] = {"wandb": WandbTracker, "tensorboard": TensorBoardTracker}


def tracker(name: str) -> Tracker:
    """The tracker called `name`.

    Raises:
        InputError: if there is none, or its library is not installed.
    """
    return checks.lookup(TRACKERS, name, "tracker")()


def options(trackers: Sequence[Tracker]) -> str:
    """How the command line asks for them: " --track NAME" for each of `TRACKERS`."""
    return "".join(f" --track {name}" for name, kind in TRACKERS.items() if any(type(one) is kind for one in trackers))


def scalars(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a line by name.

    The strings of a line say what its numbers are of, and come before their names: a line of `part="training"`,
    `task="rl"`, `reward=1.0` is `training/rl/reward`. What is in a list or a table is named by `/` and its place; a
    list of numbers, one a run, has their `/mean` too, unless one of them is missing: it was not finite.
    """
    series = _series(values)
    for name, value in values.items():
        yield from _numbers(f"{series}/{name}" if series else name, value)


def _series(values: Mapping[str, Any]) -> str:
    return "/".join(value for value in values.values() if isinstance(value, str))


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, int | float):
        yield name, float(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(f"{name}/{key}", item)
    elif isinstance(value, list):
        if value and all(isinstance(item, int | float) for item in value):
            yield f"{name}/mean", sum(value) / len(value)
        for place, item in enumerate(value):
            yield from _numbers(f"{name}/{place}", item)


def _pixels(path: Path) -> np.ndarray:
    """The picture in a PNG file, float[height, width, 4] in [0, 1]."""
    from matplotlib.image import imread  # matplotlib is slow to import

    return imread(path)


def _extra(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise checks.InputError(f'{extra} needs {module} ({error}): pip install "jaxrec[{extra}]"') from None
