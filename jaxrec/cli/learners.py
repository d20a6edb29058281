"""What train, sweep and audit share: a study that has a command of its own, which begins or resumes a run."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jaxrec.cli.studies import OUT, named_trackers, print_outcome, run_command, use_every_core
from jaxrec.cli.worlds import EnvOptions
from jaxrec.experiments import study
from jaxrec.runtime import compilation_cache, interruption, processes
from jaxrec.runtime.progress import meter_for_terminal


@dataclass
class RunOptions(EnvOptions, ABC):
    """Which environment, where the run is written, and who takes its metrics."""

    out: Annotated[Path | None, OUT] = None
    track: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A tracker of every line of metrics, wandb or tensorboard. Give it again for another."""

    @abstractmethod
    def config(self) -> object:
        """The settings of the study."""


def learner_command(name: str, argv: Sequence[str], kind: type[RunOptions]) -> Path:
    """Begins a run of a study that has a command of its own, or resumes one, and prints the answers.

    Args:
        name: of the study, and of the command.
        argv: what was typed after the command; with `--resume DIR` it is what `jaxrec run` takes.
        kind: the options of a new run.

    Returns:
        The folder of the run.

    Raises:
        InputError: for settings out of range, an unknown tracker, a folder in use, or one that cannot be resumed.
    """
    if any(given.partition("=")[0] == "--resume" for given in argv):
        return run_command([name, *argv])
    use_every_core()
    compilation_cache.keep_programs()
    options = tyro.cli(kind, args=argv, prog=f"jaxrec {name}")
    processes.initialize()
    chosen, settings, trackers = study(name), options.config(), named_trackers(options.track)
    preset = next((preset for preset in chosen.presets if settings == chosen.config(preset)), None)
    with interruption.handling_signals():
        folder = chosen.run(preset, settings, options.out, meter_for_terminal(), trackers)
    if processes.is_main():
        print_outcome(folder)
    return folder
