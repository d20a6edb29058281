"""The command `jaxrec`: a thin skin over the Python API."""

import argparse
import ast
import contextlib
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jaxrec import checks, hosts, interruption, make, registered, rollout
from jaxrec.agents import TrainingError
from jaxrec.experiments import STUDIES, Study, reproduce, study
from jaxrec.experiments.folder import RunFolder, write_atomically
from jaxrec.experiments.manifest import cores, describe, hardware
from jaxrec.experiments.statistics import estimate
from jaxrec.experiments.tracking import TRACKERS, Tracker, tracker
from jaxrec.progress import meter_for_terminal
from jaxrec.timing import measure

OVERVIEW = """usage: jaxrec COMMAND [OPTIONS]

What does a recommender do to the people it serves?

commands:
  list      the environments, their policies, and the studies with their presets
  run       run a study and write its report:  jaxrec run tampering --preset quick
            go on with one that was cut off:   jaxrec run tampering --resume runs/DIR
  reproduce run a run again and compare:       jaxrec reproduce runs/DIR
  rollout   run a policy in many environments: jaxrec rollout PolarisingUsers-v0 --policy bandit
  bench     time that rollout on this machine: jaxrec bench PolarisingUsers-v0

jaxrec COMMAND --help explains each. What the command does, a notebook can do in the same few lines.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line `argv` (that of the process if None).

    Exits with 2, and one line, on bad input, where files cannot be written, and where a training goes wrong; after a
    signal with 128 and its number, and one line. The line says how to go on where a run can.
    """
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # orbax: pages about what the line says
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(OVERVIEW)
        return
    try:
        checks.lookup(COMMANDS, argv[0], "command")(argv[1:])
    except checks.InputError as error:
        _say(str(error), "red")
        sys.exit(2)
    except (TrainingError, OSError) as error:
        _say("; ".join([str(error), *getattr(error, "__notes__", [])]), "red")
        sys.exit(2)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "Out of memory" not in str(error):
            raise
        _say(f"this needs more memory than there is: {str(error).splitlines()[0]}", "red")
        sys.exit(2)
    except interruption.Interrupted as stop:
        _say("; ".join(["interrupted", *getattr(stop, "__notes__", [])]), "yellow")
        sys.exit(stop.exit_code)


def _say(line: str, style: str) -> None:
    Console(stderr=True).print(f"jaxrec: {line}", style=style, highlight=False, markup=False, soft_wrap=True)


def _use_every_core(devices: int | None = None) -> None:
    """Makes every CPU core a device, over which simulations spread, or so many, where nobody has said otherwise."""
    chosen = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not chosen and "JAX_NUM_CPU_DEVICES" not in os.environ:
        with contextlib.suppress(RuntimeError):  # jax is running already: called from Python
            jax.config.update("jax_num_cpu_devices", devices or cores())


def list_command(argv: Sequence[str]) -> None:
    """Prints what there is."""
    tyro.cli(
        lambda: None, args=argv, prog="jaxrec list", description="The environments, their policies, and the studies."
    )
    environments = Table("environment", "policies", "what it is", title="Environments")
    for env_id in registered():
        env, _ = make(env_id)
        environments.add_row(env_id, ", ".join(env.policies), (type(env).__doc__ or "").split("\n")[0])
    studies = Table("study", "presets", "what it shows", title="Studies")
    for one in STUDIES.values():
        studies.add_row(one.name, ", ".join(one.presets), one.summary)
    Console().print(environments, studies)


def run_command(argv: Sequence[str]) -> None:
    """Runs a study."""
    _use_every_core()
    if not argv or argv[0].startswith("-"):
        names = "\n".join(
            f"  {one.name:12} {one.summary} (presets: {', '.join(one.presets)})" for one in STUDIES.values()
        )
        usage = (
            "usage: jaxrec run STUDY [--preset PRESET] [--config FILE] [--out DIR] [--track TRACKER] [SETTINGS]\n"
            "       jaxrec run STUDY --resume DIR [--track TRACKER]"
        )
        sys.stdout.write(f"{usage}\n\nstudies:\n{names}\n\njaxrec run STUDY --help lists its settings.\n")
        sys.exit(0 if argv else 2)
    chosen = study(argv[0])
    hosts.join()
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset")
    parser.add_argument("--config")
    parser.add_argument("--resume")
    parser.add_argument("--track", action="append", default=[])
    try:
        given, rest = parser.parse_known_args(argv[1:])
    except argparse.ArgumentError as error:
        raise checks.InputError(str(error)) from None
    trackers = [tracker(name) for name in given.track]
    with interruption.watched():
        if given.resume is None:
            folder = _run(chosen, *_configured(chosen, given), rest, trackers)
        elif given.preset is None and given.config is None and not rest:
            folder = chosen.resume(given.resume, meter_for_terminal(), trackers)
        else:
            raise checks.InputError(
                f"--resume goes on with what {given.resume!r} was begun with: give nothing else but --track"
            )
    if hosts.is_first():
        _print_findings(folder)


def _configured(chosen: Study, given: argparse.Namespace) -> tuple[str, Any]:
    """What the command line's settings change: a preset, or a file."""
    if given.config is not None:
        return chosen.read(given.config, given.preset)
    preset = next(iter(chosen.presets)) if given.preset is None else given.preset
    return preset, chosen.config(preset)


def _run(chosen: Study, preset: str, config: Any, settings: Sequence[str], trackers: Sequence[Tracker]) -> Path:
    options = dataclasses.make_dataclass(
        "Options",
        [("out", Annotated[Path | None, OUT], None), ("config", tyro.conf.OmitArgPrefixes[type(config)], config)],
    )
    given = tyro.cli(
        options,
        args=settings,
        prog=f"jaxrec run {chosen.name} [--preset {{{','.join(chosen.presets)}}}] [--config FILE]",
        description=f"{chosen.summary}. Defaults are those of the preset {preset!r}; any may be changed, by settings "
        "below or in a file, JSON or TOML: what a file says goes before the preset, what is said here before the file. "
        f"`jaxrec run {chosen.name} --resume DIR` goes on with a run that was interrupted, killed or failed. "
        f"`--track {{{','.join(TRACKERS)}}}` tells a tracker every line of metrics; give it again for another.",
        config=(tyro.conf.OmitArgPrefixes,),
    )
    return chosen.run(preset, given.config, given.out, meter_for_terminal(), trackers)


OUT = tyro.conf.arg(help="Folder to write, new or empty. Default: runs/, with study, preset, date and time.")


def _print_findings(folder: Path) -> None:
    findings = json.loads((folder / "results.json").read_text())["findings"]
    table = Table("claim", "measured", "above", "holds", caption="Figures without a claim to judge are in the report.")
    for finding in [finding for finding in findings if finding["holds"] is not None]:
        interval = "" if finding["low"] is None else f" [{finding['low']:.3f}, {finding['high']:.3f}]"
        reference = "-" if finding["reference"] is None else f"{finding['reference']:.3f}"
        table.add_row(
            finding["name"],
            f"{finding['value']:.3f}{interval}",
            reference,
            {True: "yes", False: "no", None: "-"}[finding["holds"]],
        )
    if table.row_count:
        Console().print(table)
    else:
        Console().print("No claim can be judged from one seed.")
    Console().print(f"report: {folder / 'report.md'}", highlight=False, soft_wrap=True)


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
    """Folder of the new run. Default: runs/, with study, preset, date and time. One that was cut off goes on, one that
    is complete is only compared."""
    rtol: float = 1e-5
    """Up to which deviation, relative to the larger of two numbers, they count as the same."""


def reproduce_command(argv: Sequence[str]) -> None:
    """Runs a run again and compares."""
    options = tyro.cli(ReproduceOptions, args=argv, prog="jaxrec reproduce")
    begun = RunFolder.open(options.folder).manifest()["hardware"]
    _use_every_core(begun["devices"] if begun["platform"] == "cpu" else None)
    with interruption.watched():
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


@dataclass
class RolloutOptions:
    """Runs a policy in many copies of an environment, and prints what it did to users: means over environments."""

    env: tyro.conf.Positional[str]
    """Environment id; see `jaxrec list`."""
    policy: str = "random"
    """One of the environment's policies; see `jaxrec list`."""
    num_envs: int = 4096
    """Environments in parallel."""
    num_steps: int = 300
    """Steps of each; episodes restart as they end."""
    seed: int = 0
    """Seed of all random draws."""
    params: dict[str, str] = field(default_factory=dict)
    """Run-time values by name, e.g. --params influence 0.5"""
    args: dict[str, str] = field(default_factory=dict)
    """Constructor arguments by name, e.g. --args horizon 10"""
    json: bool = False
    """Print JSON instead of a table."""
    out: Path | None = None
    """Also write the JSON to this file, which must not exist."""

    def prepare(self) -> Callable[[jax.Array], Any]:
        """The rollout, checked, as a function of a key."""
        checks.positive("num_envs", self.num_envs, checks.MOST_STEPS)
        checks.positive("num_steps", self.num_steps, checks.MOST_STEPS)
        checks.new_file("out", self.out)
        env, params = make(self.env, **{name: _literal(value) for name, value in self.args.items()})
        policy = env.policy(self.policy)
        fields = {field.name: None for field in dataclasses.fields(params)}
        for name in self.params:
            checks.lookup(fields, name, f"parameter of {self.env}")
        params = params.replace(**{name: _literal(value) for name, value in self.params.items()})
        env.check_params(params)
        return lambda key: rollout(env, policy, key, self.num_envs, self.num_steps, params)


def _literal(text: str) -> Any:
    """A Python literal (a list of numbers becomes an array), or the text itself."""
    try:
        value = ast.literal_eval(text)
        return np.asarray(value) if isinstance(value, list | tuple) else value
    except (ValueError, SyntaxError):
        return text


def rollout_command(argv: Sequence[str]) -> None:
    """Runs a policy and prints its metrics."""
    options = tyro.cli(RolloutOptions, args=argv, prog="jaxrec rollout")
    checks.seed("seed", options.seed)
    result = options.prepare()(jax.random.key(options.seed))
    metrics = dict(sorted(result.per_env.items()))
    if result.episodes.sum() > 0:
        metrics["episode_return"] = result.episode_return[result.episodes > 0]
    estimates = {name: dataclasses.asdict(estimate(values)) for name, values in metrics.items()}
    settings = f"{options.policy} in {options.num_envs:,} x {options.env}, {options.num_steps:,} steps"
    table = Table("metric", "mean a step", "low", "high", title=settings, caption="95 % intervals over environments")
    for name, row in estimates.items():
        table.add_row(name, *("-" if value is None else f"{value:.5f}" for value in row.values()))
    _output(options, table, {"metrics": estimates})


def bench_command(argv: Sequence[str]) -> None:
    """Times a rollout."""
    options = tyro.cli(
        RolloutOptions, args=argv, prog="jaxrec bench", description="Times such a rollout, compilation apart."
    )
    checks.seed("seed", options.seed)
    timing = measure(lambda key: options.prepare()(key).per_env, jax.random.key(options.seed))
    steps = options.num_envs * options.num_steps
    machine = hardware()
    table = Table(
        "what", "value", title=f"{options.policy} in {options.num_envs:,} x {options.env} on {describe(machine)}"
    )
    table.add_row("compilation", f"{timing.compile:.2f} s")
    table.add_row(f"{steps:,} steps with metrics, median of {len(timing.runs)}", f"{timing.median:.3f} s")
    table.add_row("environment steps a second", f"{timing.rate(steps) / 1e6:.1f} million")
    _output(options, table, {"compile_s": timing.compile, "runs_s": timing.runs, "steps": steps, "hardware": machine})


def _output(options: RolloutOptions, table: Table, result: dict[str, Any]) -> None:
    settings = dataclasses.asdict(options)
    settings.pop("json")
    text = json.dumps({"settings": settings, **result}, indent=1, default=str)
    if options.out is not None:
        write_atomically(options.out, f"{text}\n".encode())
    if options.json:
        print(text)  # noqa: T201
    else:
        Console().print(table)


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "list": list_command,
    "run": run_command,
    "reproduce": reproduce_command,
    "rollout": rollout_command,
    "bench": bench_command,
}
