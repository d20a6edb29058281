"""The commands about one policy in one environment: rollout, bench."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from jaxrec import Environment, Evaluation, checks, evaluate, random, rollout
from jaxrec.cli.worlds import EnvOptions
from jaxrec.experiments.runs.plain import plain
from jaxrec.runtime.atomic_files import write_atomically
from jaxrec.runtime.hardware import describe, hardware
from jaxrec.runtime.progress import meter_for_terminal
from jaxrec.runtime.timing import measure
from jaxrec.statistics import Estimate

MAX_STEPS = 1_000_000  # of an episode that does not end


@dataclass
class WorldOptions(EnvOptions):
    """Which environment and which policy."""

    policy: str = "random"
    """One of the environment's policies, made for the parameters below; see `jaxrec list`."""
    num_envs: int = 4096
    """Environments in parallel."""
    seed: int = 0
    """Seed of all random draws."""
    generator: str = "threefry"
    """Of random numbers: threefry, JAX's own; or hash, which compiles sooner and fuses on a GPU (`jaxrec.random`)."""
    json: bool = False
    """Print JSON instead of a table."""
    out: Path | None = None
    """Also write the JSON to this file, which must not exist."""

    def prepare(self) -> tuple[Environment, Any, Any]:
        """(environment, policy, parameters), checked."""
        checks.seed("seed", self.seed)
        checks.lookup(random.GENERATORS, self.generator, "generator")
        checks.positive("num_envs", self.num_envs, checks.MOST_STEPS)
        checks.new_file("out", self.out)
        env, params = self.make()
        return env, env.policy(self.policy, params), params


@dataclass
class RolloutOptions(WorldOptions):
    """Plays whole episodes of a policy, and prints what it did to users: means over episodes, with 95 % intervals."""

    episodes: int = 1
    """Episodes that each environment plays to their end."""
    num_steps: int | None = None
    """Most steps of an episode, which is cut off there. By default each is played to its end, or a million steps."""


@dataclass
class BenchOptions(WorldOptions):
    """Times a policy in many copies of an environment, compilation apart."""

    num_steps: int = 300
    """Steps of each; episodes restart as they end."""


def rollout_command(argv: Sequence[str]) -> None:
    """Plays episodes of a policy and prints its metrics."""
    options = tyro.cli(RolloutOptions, args=argv, prog="jaxrec rollout")
    checks.positive("episodes", options.episodes, checks.MOST_STEPS)
    most = MAX_STEPS if options.num_steps is None else options.num_steps
    checks.positive("num_steps", most, checks.MOST_STEPS)
    env, policy, params = options.prepare()
    key, count = random.key(options.seed, options.generator), options.num_envs * options.episodes
    with meter_for_terminal() as meter:
        played: Evaluation = evaluate(env, policy, key, count, params, most, meter)
    caption = f"{count:,} episodes: {count - played.cut_off:,} ended, {played.cut_off:,} cut off"
    if played.cut_off:
        caption += f" after {most:,} steps, so that only means a step are known"
    else:
        caption += f", {_shown(played.estimate('length'))} steps long"
    title = f"{options.policy} in {options.env}"
    table = Table(
        "metric",
        "mean a step",
        "sum of an episode",
        "at its end",
        title=title,
        caption=f"{caption}. ±: 95 % intervals over episodes",
    )
    found: dict[str, dict[str, Any]] = {"metrics": {}, "sums": {}, "last": {}}
    for name in sorted(played.sums):
        each = [played.estimate(name, kind) for kind in ("mean", "sum", "last")]
        table.add_row(name, *map(_shown, each))
        for part, value in zip(found, each, strict=True):
            found[part][name] = dataclasses.asdict(value)
    table.add_row("episode_return", "", _shown(played.estimate("reward")), "")
    found["metrics"]["episode_return"] = found["sums"]["reward"]
    found["metrics"]["episode_length"] = dataclasses.asdict(played.estimate("length"))
    ends = {"played": count, "ended": count - played.cut_off, "cut_off": played.cut_off}
    _output(options, table, {"episodes": ends, **found})


def bench_command(argv: Sequence[str]) -> None:
    """Times a rollout."""
    options = tyro.cli(BenchOptions, args=argv, prog="jaxrec bench")
    checks.positive("num_steps", options.num_steps, checks.MOST_STEPS)
    env, policy, params = options.prepare()
    timing = measure(
        lambda key: rollout(env, policy, key, options.num_envs, options.num_steps, params).per_env,
        random.key(options.seed, options.generator),
    )
    steps = options.num_envs * options.num_steps
    machine = hardware()
    table = Table(
        "what", "value", title=f"{options.policy} in {options.num_envs:,} x {options.env} on {describe(machine)}"
    )
    table.add_row("compilation", f"{timing.compile:.2f} s")
    table.add_row(f"{steps:,} steps with metrics, median of {len(timing.runs)}", f"{timing.median:.3f} s")
    table.add_row("environment steps a second", f"{timing.rate(steps) / 1e6:.1f} million")
    _output(options, table, {"compile_s": timing.compile, "runs_s": timing.runs, "steps": steps, "hardware": machine})


def _shown(value: Estimate) -> str:
    """A mean and half of its interval; a dash where there is none."""
    if np.isnan(value.value):
        return "-"
    return f"{value.value:.5g}" if value.high is None else f"{value.value:.5g} ± {value.high - value.value:.2g}"


def _output(options: WorldOptions, table: Table, result: dict[str, Any]) -> None:
    settings = dataclasses.asdict(options)
    settings.pop("json")
    settings["out"] = None if options.out is None else str(options.out)
    text = json.dumps(plain({"settings": settings, **result}), indent=1, allow_nan=False)
    if options.out is not None:
        write_atomically(options.out, f"{text}\n".encode())
    if options.json:
        print(text)  # noqa: T201
    else:
        Console().print(table)
