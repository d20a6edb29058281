"""All that is measured on a GPU, in one command: every benchmark, and the studies that need one.

    python -m benchmarks.on_gpu --help

Each job is a process of its own and writes a file or a folder of its own; what is there already is left alone, so that
the same command goes on after an interruption, and a job that fails does not stop the others. No job begins once the
minutes are over, and one that runs then is asked to keep its state and stop.
"""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from jaxrec import InputError, checks

GRACE = 60  # seconds that a job has to keep its state, once it is asked to stop
BENCHMARKS = {name: name for name in ("polarising", "rewiring", "ppo", "seeds", "preference", "estimation", "scaling")}
# Whether kernels of Pallas pay, for all time-steps and for a step.
BENCHMARKS |= {
    "rewiring-pallas": "rewiring --engine pallas",
    "collection": "collection",
    "collection-pallas": "collection --engine pallas",
}
STUDIES = {
    "rewiring-learning-gpu": (
        "rewiring-learning --preset gpu --users 30 100 --steps 8000000 4000000 --num-steps 2048 4096 "
        "--learning-rates 1e-2 5e-3 --evaluation-users 10 30 100 --evaluation-episodes 1024 1024 256",
        "rewiring-learning --users 10 --networks gat --seeds 2 --steps 4096 --num-chunks 2 --num-envs 32 "
        "--num-steps 16 --evaluation-users 10 --evaluation-episodes 8",
    ),
    "tampering-paper": (
        "tampering --preset paper",
        "tampering --seeds 2 --episodes 20000 --q-learning.num-envs 256 --evaluation-episodes 50",
    ),
    "preference-shift-quick": (
        "preference-shift --preset quick",
        "preference-shift --seeds 2 --steps 2560 --ppo.num-envs 32 --ppo.num-minibatches 4 --eval-episodes 16 "
        "--num-chunks 2",
    ),
}
"""Folder -> settings of `jaxrec run`, on a GPU and scaled down: learning in large societies, the published run of
Q-learning, and Table 1 of Carroll et al. in one call."""


@dataclass
class Job:
    """One process.

    Attributes:
        name: of its file or folder.
        argv: what is run; without what it writes.
        target: what it writes.
        study: whether that is the folder of a run.
    """

    name: str
    argv: list[str]
    target: Path
    study: bool = False

    def state(self) -> str:
        """Whether it is "to do", "to go on", or "done"."""
        if not self.target.exists():
            return "to do"
        if not self.study:
            return "done"
        about = json.loads((self.target / "manifest.json").read_text())
        return "done" if about["status"] == "complete" else "to go on"

    def command(self) -> list[str]:
        """What is run now."""
        if not self.study:
            return [*self.argv, "--out", str(self.target)]
        begun = self.state() == "to go on"
        return [*self.argv[:5], "--resume", str(self.target)] if begun else [*self.argv, "--out", str(self.target)]


@dataclass
class Options:
    """Measures all that is owed to a GPU, and writes it to a folder; go on with the same command."""

    out: tyro.conf.Positional[Path]
    """The folder, new or of an interrupted call."""
    minutes: float = 15.0
    """No job begins later than this, and the last is asked to stop then."""
    quick: bool = False
    """Everything scaled down: shows that it runs, on any machine; its speeds mean nothing."""


def jobs(options: Options) -> list[Job]:
    """What is to be done, in order."""
    quick = ["--quick"] if options.quick else []
    found = [
        Job(
            name,
            [sys.executable, "-m", *f"benchmarks.{command}".split(), *quick],
            options.out / f"benchmark-{name}.json",
        )
        for name, command in BENCHMARKS.items()
    ]
    for name, (whole, small) in STUDIES.items():
        argv = [sys.executable, "-m", "jaxrec", "run", *(small if options.quick else whole).split()]
        found.append(Job(name, argv, options.out / name, study=True))
    return found


def run(options: Options) -> dict[str, str]:
    """Runs every job that is not done; returns how each stands."""
    checks.within("minutes", options.minutes, 0.0, checks.LARGEST)
    if options.out.is_file():
        raise InputError(f"out must be a folder, {str(options.out)!r} is a file")
    options.out.mkdir(parents=True, exist_ok=True)
    console, until, stands = Console(), time.monotonic() + 60 * options.minutes, {}
    for job in jobs(options):
        left = until - time.monotonic()
        if job.state() != "done" and left > 0:
            console.print(f"{job.name}: {left / 60:.1f} minutes left")
            with (options.out / f"{job.name}.log").open("a") as log:
                _execute(job, left, log.fileno())
        stands[job.name] = job.state()
    table = Table("job", "state", "log")
    for name, state in stands.items():
        table.add_row(name, state, str(options.out / f"{name}.log"))
    console.print(table)
    return stands


def _execute(job: Job, seconds: float, log: int) -> None:
    """Runs one job for so long at most; then it is asked to stop, and at last made to."""
    process = subprocess.Popen(job.command(), stdout=log, stderr=log)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """Runs with the options of the process; exits with 1 if a job is not done, with one line on bad input."""
    try:
        stands = run(tyro.cli(Options, prog="python -m benchmarks.on_gpu"))
    except InputError as error:
        sys.exit(f"benchmarks.on_gpu: {error}")
    sys.exit(0 if set(stands.values()) == {"done"} else 1)


if __name__ == "__main__":
    main()
