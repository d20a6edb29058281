"""The commands about studies: list, run, report, reproduce."""

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jaxrec import checks, registered_envs
from jaxrec.experiments import STUDIES, Study, reproduce, study
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.runs.tracking import TRACKERS, Tracker, tracker
from jaxrec.registration import build
from jaxrec.runtime import compilation_cache, interruption, processes
from jaxrec.runtime.hardware import cores
from jaxrec.runtime.progress import meter_for_terminal


def use_every_core(devices: int | None = None) -> None:
    """Makes every CPU core a device, over which simulations spread, or so many, where nobody has said otherwise."""
    chosen = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not chosen and "JAX_NUM_CPU_DEVICES" not in os.environ:
        with contextlib.suppress(RuntimeError):  # jax is running already: called from Python
            jax.config.update("jax_num_cpu_devices", devices or cores())


@dataclass
class ListOptions:
    """Prints the environments with their policies, and the studies with their presets; or the claims of one study."""

    study: tyro.conf.Positional[str | None] = None
    """The study whose claims are printed: what is measured, what it is compared with, and who says so."""
    preset: str | None = None
    """Its preset, which decides which claims there are. Default: the first."""


def list_command(argv: Sequence[str]) -> None:
    """Prints what there is, or the claims of a study."""
    options = tyro.cli(ListOptions, args=argv, prog="jaxrec list")
    if options.study is not None:
        _list_claims(study(options.study), options.preset)
        return
    if options.preset is not None:
        raise checks.InputError(f"--preset {options.preset} is of a study: name it before")
    environments = Table("environment", "policies", "what it is", title="Environments")
    for env_id in registered_envs():
        env = build(env_id)
        environments.add_row(env_id, ", ".join(env.policies), (type(env).__doc__ or "").split("\n")[0])
    studies = Table("study", "presets, minutes on 2 cores", "what it shows", title="Studies")
    for one in STUDIES.values():
        studies.add_row(one.name, _presets(one), one.summary)
    Console().print(environments, studies)


def _list_claims(chosen: Study, preset: str | None) -> None:
    """Prints every claim that a run of the preset judges or reports."""
    preset = next(iter(chosen.presets)) if preset is None else preset
    claims = chosen.claims(chosen.config(preset))
    table = Table("claim", "compared with", "source", title=f"{chosen.name}, preset {preset}: {len(claims)} claims")
    for claim in claims:
        table.add_row(escape(claim.shown(claim.name)), claim.judge.text or "-", escape(claim.shown(claim.source)))
    Console().print(table)


def _presets(one: Study) -> str:
    """The presets of a study, with the minutes that they took where that was measured."""
    return ", ".join(f"{name} ({one.minutes[name]} min)" if name in one.minutes else name for name in one.presets)


def run_command(argv: Sequence[str]) -> Path:
    """Runs a study, and gives the folder."""
    use_every_core()
    compilation_cache.keep_programs()
    if not argv or argv[0].startswith("-"):
        names = "\n".join(f"  {one.name}\n      {one.summary}\n      {_presets(one)}" for one in STUDIES.values())
        usage = (
            "usage: jaxrec run STUDY [--preset PRESET] [--config FILE] [--out DIR] [--track TRACKER] [SETTINGS]\n"
            "       jaxrec run STUDY --resume DIR [--track TRACKER]"
        )
        of = "studies, and their presets with minutes on 2 cores"
        sys.stdout.write(f"{usage}\n\n{of}:\n{names}\n\njaxrec run STUDY --help lists its settings.\n")
        sys.exit(0 if argv else 2)
    chosen = study(argv[0])
    processes.initialize()
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset")
    parser.add_argument("--config")
    parser.add_argument("--resume")
    parser.add_argument("--track", action="append", default=[])
    try:
        given, rest = parser.parse_known_args(argv[1:])
    except argparse.ArgumentError as error:
        raise checks.InputError(str(error)) from None
    trackers = named_trackers(given.track)
    with interruption.handling_signals():
        if given.resume is None:
            folder = _run(chosen, *_configured(chosen, given), rest, trackers)
        elif given.preset is None and given.config is None and not rest:
            folder = chosen.resume(given.resume, meter_for_terminal(), trackers)
        else:
            raise checks.InputError(
                f"--resume goes on with what {given.resume!r} was begun with: give nothing else but --track"
            )
    if processes.is_main():
        print_outcome(folder)
    return folder


def named_trackers(names: Sequence[str]) -> list[Tracker]:
    """The trackers of these names, each once.

    Raises:
        InputError: if there is none of a name, or its library is not installed.
    """
    return [tracker(name) for name in dict.fromkeys(names)]


def _configured(chosen: Study, given: argparse.Namespace) -> tuple[str, Any]:
    """What the command line's settings change: a preset, or a file."""
    if given.config is not None:
        return chosen.read(given.config, given.preset)
    preset = next(iter(chosen.presets)) if given.preset is None else given.preset
    return preset, chosen.config(preset)


def _run(chosen: Study, preset: str, config: object, settings: Sequence[str], trackers: Sequence[Tracker]) -> Path:
    unnamed = Annotated[type(config), tyro.conf.arg(name="")]
    options = dataclasses.make_dataclass(
        "Options", [("out", Annotated[Path | None, OUT], None), ("config", unnamed, config)]
    )
    given = tyro.cli(
        options,
        args=settings,
        prog=f"jaxrec run {chosen.name} [--preset {{{','.join(chosen.presets)}}}] [--config FILE]",
        description=f"{chosen.summary}. {_limits(chosen, preset)}"
        f"Defaults are those of the preset {preset!r}; any may be changed, by settings "
        "below or in a file, JSON or TOML: what a file says goes before the preset, what is said here before the file. "
        f"`jaxrec run {chosen.name} --resume DIR` goes on with a run that was interrupted, killed or failed. "
        f"`jaxrec report DIR` judges and draws a complete run again from what it measured. "
        f"What JAX compiles is kept in {compilation_cache.folder()} for the next run; JAX_COMPILATION_CACHE_DIR names "
        "another folder, JAX_ENABLE_COMPILATION_CACHE=false keeps nothing. "
        f"`--track {{{','.join(TRACKERS)}}}` tells a tracker every line of metrics; give it again for another.",
    )
    return chosen.run(preset, given.config, given.out, meter_for_terminal(), trackers)


def _limits(chosen: Study, preset: str) -> str:
    """What a run of the preset cannot show, as a sentence, or nothing."""
    return f"What the preset {preset!r} cannot show: {chosen.limits[preset]}. " if preset in chosen.limits else ""


OUT = tyro.conf.arg(help="Folder to write, new or empty. Default: runs/, with study, preset, date and time.")


def print_outcome(folder: Path) -> None:
    """Prints the answers of a complete run, what becomes of its claims, and where its picture and its report are."""
    outcome = RunFolder.open(folder).manifest()["outcome"]
    lines = [f"- {answer}" for answer in outcome["answers"]]
    lines += [f"What this run cannot show: {outcome['limits']}"] if outcome["limits"] else []
    lines += [outcome["claims"]]
    lines += [f"picture: {folder / 'figures' / outcome['picture']}.png"] if outcome["picture"] else []
    for line in (*lines, f"report: {folder / 'report.md'}"):
        Console().print(line, highlight=False, markup=False, soft_wrap=True)


@dataclass
class ReportOptions:
    """Judges and draws a complete run again from what it measured, without training anything.

    It reads the settings and `measured.npz` in the folder of the run, and writes `report.md`, `results.json` and
    `figures/` there again, each file whole or not at all. So a report follows claims, tables and pictures that have
    changed in jaxrec since the run, in seconds; where they have not, it comes out the same.
    """

    folder: tyro.conf.Positional[Path]
    """The folder of a complete run, which has a `measured.npz`."""


def report_command(argv: Sequence[str]) -> None:
    """Writes the report of a run again."""
    folder = tyro.cli(ReportOptions, args=argv, prog="jaxrec report").folder
    chosen = study(RunFolder.open(folder).manifest()["study"])
    with interruption.handling_signals():
        chosen.redraw(folder)
    print_outcome(folder)


@dataclass
class ReproduceOptions:
    """Runs the configuration of a run again, on as many CPU devices as it had, and compares every number.

    The verdict is one of: identical, bit for bit (to be expected of the same commit, versions and machine); the same
    within --rtol (elsewhere, where numbers round otherwise); differs. It exits with 0 for the first two, with 1 for the
    third. A long training lets rounding grow: it may well differ on another machine, and its findings still agree.
    """

    folder: tyro.conf.Positional[Path]
    """Of a complete run."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the new run. Default: runs/, with study, preset, date and time. One that was cut off is resumed,
    one that is complete is only compared."""
    rtol: float = 1e-5
    """Up to which deviation, relative to the larger of two numbers, they count as the same."""


def reproduce_command(argv: Sequence[str]) -> None:
    """Runs a run again and compares."""
    options = tyro.cli(ReproduceOptions, args=argv, prog="jaxrec reproduce")
    compilation_cache.keep_programs()
    begun = RunFolder.open(options.folder).manifest()["hardware"]
    use_every_core(begun["devices"] if begun["platform"] == "cpu" else None)
    with interruption.handling_signals():
        again = reproduce(options.folder, options.out, meter_for_terminal(), options.rtol)
    table = Table("file", "values", "differing", "largest deviation", "where")
    for file in again.files:
        table.add_row(file.file, f"{file.values:,}", f"{file.differing:,}", f"{file.deviation:.2g}", escape(file.where))
    Console().print(table)
    if again.claims[0]:
        Console().print(f"claims judged alike: {again.claims[1]} of {again.claims[0]}", highlight=False)
    if again.changed:
        Console().print(f"made otherwise: {again.changed}", highlight=False, markup=False, soft_wrap=True)
    Console().print(f"{again.verdict}: {again.folder}", highlight=False, markup=False, soft_wrap=True)
    sys.exit(0 if again.reproduced else 1)
