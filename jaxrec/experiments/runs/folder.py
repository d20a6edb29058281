"""The folder of a run: its own, never overwritten, every file written whole or not at all."""

import contextlib
import json
import os
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from jaxrec import checks
from jaxrec.experiments.runs import measurements
from jaxrec.experiments.runs.plain import plain
from jaxrec.runtime import processes
from jaxrec.runtime.atomic_files import PARTIAL, replacing, write_atomically
from jaxrec.training import policy_files

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

REQUIRED = {"study", "preset", "config", "commit", "versions", "hardware", "status"}  # of a manifest to go on from
TYPES = {"study": str, "versions": dict, "hardware": dict}
HARDWARE = {"platform": str, "devices": int}


class RunFolder:
    """Where one run of a study writes.

    Holds `manifest.json`, `metrics.jsonl`, `checkpoints/`, `measured.npz`, `results.json`, `report.md` and
    `figures/*.png`. Of several processes that run together, the first alone writes it.
    """

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(cls, out: str | Path | None, name: str) -> "RunFolder":
        """Makes the folder.

        Args:
            out: its path, new or empty, as that of a run which was killed before it wrote; or None for
                `runs/NAME-DATE-TIME`, with a number behind it if that is taken.
            name: what was run.

        Raises:
            InputError: if `out` holds something, something that is no folder stands in its way, or it cannot be made.
        """
        if out is not None:
            folder = cls(Path(out))
            try:
                folder.path.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                pass  # it is, or lies in, what is no folder: not unused
            except OSError as error:
                raise checks.InputError(f"out={str(folder.path)!r} cannot be made: {error}") from None
            folder.check_unused()
            return folder
        base = Path("runs") / f"{name.replace(':', '-')}-{datetime.now():%Y%m%d-%H%M%S}"
        for attempt in range(1000):
            path = base if attempt == 0 else base.with_name(f"{base.name}-{attempt}")
            with contextlib.suppress(FileExistsError):
                path.mkdir(parents=True)
                return cls(path)
        raise checks.InputError(f"no free folder beside {base}")

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """The folder of a run that was begun.

        Raises:
            InputError: if there is no such folder, or no `manifest.json` in it.
        """
        folder = cls(Path(path))
        if not folder.path.is_dir():
            raise checks.InputError(f"there is no folder {str(path)!r}")
        folder.manifest()
        return folder

    def check_unused(self) -> None:
        """Raises InputError unless nothing is here but what a process left that was killed while it wrote a file."""
        try:
            held = not self.path.is_dir() or any(not each.name.endswith(PARTIAL) for each in self.path.iterdir())
        except OSError as error:
            raise checks.InputError(f"out={str(self.path)!r} cannot be read: {error}") from None
        if held:
            raise checks.InputError(
                f"out={str(self.path)!r} exists, and a run never overwrites another: name a new folder"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps the folder to this process; the lock goes with it, however it ends.

        Raises:
            InputError: if another run is writing there.
        """
        descriptor = processes.run_on_main(self._lock)
        try:
            yield
        finally:
            if processes.is_main() and descriptor is not None:
                os.close(descriptor)

    def _lock(self) -> int | None:
        if fcntl is None:
            return None
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise checks.InputError(f"{str(self.path)!r} is being written by a run that has not ended") from None
        except OSError:  # a file system without locks
            pass
        return descriptor

    def manifest(self) -> dict[str, Any]:
        """What `manifest.json` says.

        Raises:
            InputError: if it cannot be read.
        """
        try:
            about = json.loads((self.path / "manifest.json").read_text())
        except (OSError, ValueError) as error:
            raise checks.InputError(f"{str(self.path)!r} is not the folder of a run: {error}") from None
        if not isinstance(about, dict) or not set(about) >= REQUIRED:
            raise checks.InputError(f"{str(self.path / 'manifest.json')!r} must have {', '.join(sorted(REQUIRED))}")
        self._check_types(about, TYPES, "")
        self._check_types(about["hardware"], HARDWARE, "hardware.")
        return about

    def _check_types(self, values: dict[str, Any], kinds: dict[str, type], prefix: str) -> None:
        for name, kind in kinds.items():
            value = values.get(name)
            if type(value) is not kind or value == 0:
                file = str(self.path / "manifest.json")
                raise checks.InputError(
                    f"{prefix}{name} in {file!r} must be of type {kind.__name__}, and not 0, got {value!r}"
                )

    def remove_partial(self) -> None:
        """Removes what a process left that was killed while it wrote a file."""
        if not processes.is_main():
            return
        for path in (*self.path.glob(f".*{PARTIAL}"), *self.path.glob(f"figures/.*{PARTIAL}")):
            path.unlink()

    def remove_states(self) -> None:
        """Removes the states of trainings, which a run that is complete needs no more; their policies stay."""
        if not processes.is_main():
            return
        with contextlib.suppress(OSError):  # they do no harm
            for folder, _, names in os.walk(self.path / "checkpoints", topdown=False):
                for name in names:
                    if name != policy_files.FILE:
                        (Path(folder) / name).unlink()
                if not os.listdir(folder):
                    os.rmdir(folder)

    def write_text(self, name: str, text: str) -> None:
        """Writes one file, atomically."""
        if processes.is_main():
            write_atomically(self.path / name, text.encode())

    def write_json(self, name: str, value: Any) -> None:
        """Writes one JSON file, atomically; arrays become lists, what is not finite becomes null."""
        self.write_text(name, json.dumps(plain(value), indent=1) + "\n")

    def write_measured(self, measured: Any) -> None:
        """Writes `measured.npz`, atomically; see `measurements.write`."""
        if processes.is_main():
            measurements.write(self.path / measurements.FILE, measured)

    def read_measured(self) -> Any:
        """What was measured in this run.

        Raises:
            InputError: if there is no `measured.npz`, or it cannot be read.
        """
        path = self.path / measurements.FILE
        if not path.exists():
            raise checks.InputError(
                f"{str(self.path)!r} has no {measurements.FILE}: it was removed, or the run is older than such files; "
                f"to make the run again: jaxrec reproduce {shlex.quote(str(self.path))}"
            )
        return measurements.read(path)

    def figure(self, name: str) -> Path:
        """Where the picture of this name is."""
        return self.path / "figures" / f"{name}.png"

    def write_figure(self, name: str, figure: Figure) -> None:
        """Writes `figures/NAME.png`, atomically."""
        if not processes.is_main():
            return
        path = self.figure(name)
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")
