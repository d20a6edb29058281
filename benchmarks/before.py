"""How fast programs run and compile beside an earlier commit, in turn on one machine.

    python -m benchmarks.before --help

The code of each commit has a process of its own, with what its own commands ask of XLA; the two take turns, so that
what else a machine does hits both alike. Nothing is kept compiled. What an old commit can't do is said and left out.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import before_programs, command
from jaxrec import InputError, checks
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime.hardware import describe
from jaxrec.statistics import Estimate, estimate

HERE = Path(__file__).resolve().parents[1]
BEFORE, NOW = "before", "now"
GIVEN = os.environ.get("XLA_FLAGS", "")  # before this command adds what today's code asks for


@dataclass
class Options(command.Options):
    """Times what runs and compiles here beside an earlier commit, in turn; some twenty minutes."""

    commit: str = "HEAD"
    """What to compare with: a commit, a tag or a branch. HEAD tells what uncommitted changes do."""
    programs: tuple[str, ...] = ()
    """Which, by the beginning of their names; all by default."""
    repeats: int = 7
    """Timed runs of each, after one that compiles."""


class Worker:
    """A process that runs programs with the code of one tree."""

    def __init__(self, tree: Path, quick: bool):
        own = {"PYTHONPATH": str(tree), "JAX_ENABLE_COMPILATION_CACHE": "false", "XLA_FLAGS": GIVEN}
        argv = [sys.executable, "-P", before_programs.__file__, *(["--quick"] if quick else [])]
        self._process = subprocess.Popen(
            argv, env=os.environ | own, cwd=tree, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, question: str) -> Any:
        """What the process answers: seconds, what went wrong, or the steps of each program."""
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None
        assert answers is not None
        questions.write(question + "\n")
        questions.flush()
        answer = answers.readline()
        if not answer:
            sys.exit(f"benchmarks.before: the process that runs {question!r} ended")
        return json.loads(answer)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def checked_out(commit: str, folder: Path) -> str:
    """Writes the files of a commit into a folder.

    Returns:
        The commit's full name.

    Raises:
        InputError: for what git doesn't know.
    """
    named = subprocess.run(
        ["git", "rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}"],
        cwd=HERE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if named.returncode:
        raise InputError(f"commit must be one that git knows here, got {commit!r}")
    packed = subprocess.run(["git", "archive", named.stdout.strip()], cwd=HERE, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
        files.extractall(folder, filter="data")
    return named.stdout.strip()


def measure(name: str, workers: dict[str, Worker], repeats: int) -> dict[str, Any]:
    """Runs one program in both trees, in turn.

    Returns:
        Of each tree seconds of the first call and of the others; or what went wrong.
    """
    first = {tree: worker.ask(name) for tree, worker in workers.items()}
    if failed := {tree: answer for tree, answer in first.items() if isinstance(answer, str)}:
        return {"program": name, "failed": failed}
    runs: dict[str, list[float]] = {tree: [] for tree in workers}
    for turn in range(repeats):
        for tree in (BEFORE, NOW) if turn % 2 else (NOW, BEFORE):
            answer = workers[tree].ask(name)
            if isinstance(answer, str):
                return {"program": name, "failed": {tree: answer}}
            runs[tree].append(answer)
    return {"program": name, "first_s": first, "runs_s": runs}


def faster(measured: dict[str, Any]) -> Estimate:
    """How many times as fast it is now: the geometric mean over turns, with its interval."""
    runs = measured["runs_s"]
    logs = estimate(np.log(runs[BEFORE]) - np.log(runs[NOW]))
    assert logs.low is not None
    assert logs.high is not None
    return Estimate(*(float(np.exp(each)) for each in (logs.value, logs.low, logs.high)))


def compiling(measured: dict[str, Any], tree: str) -> float:
    """Seconds of tracing and compiling: the first call, less another."""
    return measured["first_s"][tree] - float(np.median(measured["runs_s"][tree]))


def row(measured: dict[str, Any], steps: int) -> dict[str, Any]:
    """What follows from what was measured of one program."""
    if "failed" in measured:
        return measured
    speeds = {tree: steps / float(np.median(runs)) for tree, runs in measured["runs_s"].items()}
    compile_s = {tree: compiling(measured, tree) for tree in measured["runs_s"]}
    times = faster(measured)
    figures = {"steps": steps, "steps_per_s": speeds, "compile_s": compile_s, "faster": vars(times)}
    return measured | figures


def cells(found: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    if "failed" in found:
        return found["program"], *(found["failed"].get(tree, "") for tree in (BEFORE, NOW)), "", "", "", ""
    speeds = (f"{found['steps_per_s'][tree]:,.3g}" for tree in (BEFORE, NOW))
    seconds = (f"{found['compile_s'][tree]:.1f}" for tree in (BEFORE, NOW))
    share = found["compile_s"][NOW] / found["compile_s"][BEFORE]
    times = found["faster"]
    return (
        found["program"],
        *speeds,
        f"{times['value']:.2f} [{times['low']:.2f}, {times['high']:.2f}]",
        *seconds,
        f"{share:.2f}",
    )


def run(options: Options) -> dict[str, Any]:
    """Measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    checks.within("repeats", options.repeats, 2, 1000)
    console = Console(width=None if sys.stdout.isatty() else 140)
    about = manifest("benchmark", None, {"quick": options.quick, "repeats": options.repeats})
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        commit = checked_out(options.commit, Path(folder))
        trees = {BEFORE: Path(folder), NOW: HERE}
        workers = {tree: stack.enter_context(Worker(path, options.quick)) for tree, path in trees.items()}
        steps = workers[NOW].ask(before_programs.STEPS)
        rows = []
        for name in steps:
            if options.programs and not name.startswith(options.programs):
                continue
            with console.status(name):
                rows.append(row(measure(name, workers, options.repeats), steps[name]))
    heads = ("program", "steps a second before", "now", "times as fast", "compiling before, s", "now, s", "share")
    table = Table(*heads, title=f"Beside {options.commit} ({commit[:7]}), on {describe(about['hardware'])}")
    for found in rows:
        table.add_row(*cells(found))
    console.print(table)
    result = {"manifest": about, "before": commit, "measurements": rows}
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    command.main("before", Options, run)
