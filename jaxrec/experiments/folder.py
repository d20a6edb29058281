"""The folder of a run: its own, never overwritten, every file written whole or not at all."""

import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxrec import checks
from jaxrec.files import replacing, write_atomically


class RunFolder:
    """Where one run of a study writes.

    Holds `manifest.json`, `metrics.jsonl`, `results.json`, `report.md` and `figures/*.png`.
    """

    def __init__(self, path: Path):
        self.path = path
        self._metrics = path / "metrics.jsonl"

    @classmethod
    def create(cls, out: str | Path | None, name: str) -> "RunFolder":
        """Makes the folder.

        Args:
            out: its path, which must not exist; or None for `runs/NAME-DATE-TIME`, with a number behind it if that is
                taken.
            name: what was run.

        Raises:
            InputError: if `out` exists, or something that is no folder stands in its way.
        """
        if out is not None:
            path = Path(out)
            try:
                path.mkdir(parents=True)
            except (FileExistsError, NotADirectoryError):
                raise checks.InputError(
                    f"out={str(path)!r} exists, and a run never overwrites another: name a new folder"
                ) from None
            return cls(path)
        base = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
        for attempt in range(1000):
            path = base if attempt == 0 else base.with_name(f"{base.name}-{attempt}")
            with contextlib.suppress(FileExistsError):
                path.mkdir(parents=True)
                return cls(path)
        raise checks.InputError(f"no free folder beside {base}")

    def write_text(self, name: str, text: str) -> None:
        """Writes one file, atomically."""
        write_atomically(self.path / name, text.encode())

    def write_json(self, name: str, value: Any) -> None:
        """Writes one JSON file, atomically; arrays become lists, what is not finite becomes null."""
        self.write_text(name, json.dumps(_plain(value), indent=1) + "\n")

    def write_figure(self, name: str, figure: Figure) -> None:
        """Writes `figures/NAME.png`, atomically."""
        path = self.path / "figures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")

    def log(self, **values: Any) -> None:
        """Appends one line to `metrics.jsonl`."""
        with self._metrics.open("a") as file:
            file.write(json.dumps(_plain(values)) + "\n")


def _plain(value: Any) -> Any:
    """`value` as what JSON knows."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
