"""The command line of a benchmark, the same for all."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import tyro

from jaxrec import InputError
from jaxrec.experiments.runs.folder import write_atomically
from jaxrec.experiments.runs.manifest import commit
from jaxrec.runtime import threefry, xla_flags


@dataclass
class Options:
    """What every benchmark takes."""

    quick: bool = False
    """Few steps, small sizes: shows that it runs; its speeds mean nothing."""
    seed: int = 0
    """Seed of all random draws."""
    loop: bool = False
    """Leave threefry the loop that JAX makes of it on a CPU, for what straight code saves."""
    out: Path | None = None
    """Also write all numbers, with hardware, versions and commit, to this JSON file, which must not exist."""


Given = TypeVar("Given", bound=Options)
_begun: dict[str, str | None] = {}  # the manifest's entries of the benchmark that runs, which may outlast a commit


def main(name: str, options: type[Given], run: Callable[[Given], Any], argv: Sequence[str] | None = None) -> None:
    """Runs `benchmarks.NAME` with the options in `argv`, the process's if None; exits with one line on bad input.

    A process of its own has the settings of JAX that the command `jaxrec` has.
    """
    given = tyro.cli(options, args=argv, prog=f"python -m benchmarks.{name}")
    if argv is None:
        xla_flags.tune()
        if not given.loop:
            threefry.unroll()
    _begun.update(started=datetime.now(UTC).isoformat(timespec="seconds"), commit=commit())
    try:
        run(given)
    except InputError as error:
        sys.exit(f"benchmarks.{name}: {error}")


def write(result: dict[str, Any], out: Path | None) -> None:
    """Writes what was measured, if a file was asked for; of that file the manifest says the name, not where it lay."""
    if out is not None:
        if about := result.get("manifest"):
            about.update(_begun)
            about["command"] = [out.name if word == str(out) else word for word in about["command"]]
        write_atomically(out, f"{json.dumps(result, indent=1)}\n".encode())
