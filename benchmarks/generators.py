"""How fast the same programs run, and compile, with keys of each generator and with settings of XLA.

    python -m benchmarks.generators --help

Programs are compiled in turn, without JAX's cache of programs, and then run in turn: what else a machine does hits both
alike. The figures are minima. The settings of XLA are for a CPU and the jaxlib of `pyproject.toml`; users have them in
`XLA_FLAGS`. "Sooner" makes less of a program, which is then compiled sooner and may run slower. "Wide" computes with
vectors of 512 bits where the processor has them; XLA takes 256 by itself. "Level 2" is LLVM's; XLA asks for 3.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax import Array
from rich.console import Console
from rich.table import Table

from benchmarks import command
from jaxrec import Environment, checks, random, rollout
from jaxrec.agents import GAT, MLP, PPO, NodeMLP, QLearning, Ranking, VisitStep
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime.hardware import describe

WIDTH, LEVEL = "xla_cpu_prefer_vector_width", "xla_backend_optimization_level"
SETTINGS = {
    "sooner": {"xla_cpu_use_fusion_emitters": False, WIDTH: 256, LEVEL: 1},
    "wide": {WIDTH: 512, LEVEL: 3},
    "wide, level 2": {WIDTH: 512, LEVEL: 2},
}


def ways() -> dict[str, tuple[str, dict[str, Any]]]:
    """Name -> (generator of the key, options of the compiler)."""
    on_cpu = jax.default_backend() == "cpu"
    as_it_is: dict[str, Any] = {WIDTH: 256, LEVEL: 3} if on_cpu else {}
    each = {generator: (generator, as_it_is) for generator in random.GENERATORS}
    if not on_cpu:
        return each
    each["threefry, as the command"] = "threefry", SETTINGS["wide, level 2"]
    return each | {f"hash, {name}": ("hash", settings) for name, settings in SETTINGS.items()}


@dataclass
class Options(command.Options):
    """Times rollouts and trainings with keys of threefry and of the hash, in turn; some ten minutes."""

    programs: tuple[str, ...] = ()
    """Which, by the beginning of their names; all by default."""
    repeats: int = 7
    """Timed runs of each."""
    compilations: int = 3
    """Timed compilations of each."""


@dataclass
class Measurement:
    """One program in one way.

    Attributes:
        program: its name.
        way: of `ways`.
        steps: of environments in a run.
        compile_s: seconds of each compilation, from tracing on.
        runs_s: seconds of each run.
    """

    program: str
    way: str
    steps: int
    compile_s: list[float]
    runs_s: list[float]


def programs(quick: bool) -> dict[str, tuple[Callable[[Array], Any], int]]:
    """What is timed: name -> (function of a key, steps of environments)."""
    scale = 16 if quick else 1
    polarising, preference, ten = PolarisingUsers(), PreferenceShift(), RewiringGame(10, 4, "learning")
    learner = QLearning(
        polarising, 16_384 * 30 * 8 // scale, 16_384 // scale, num_steps=30, step_size=VisitStep(4.0), td_lambda=0.6
    )
    return {
        "rollout, PolarisingUsers": _rollout(polarising, "random", 16_384 // scale, 300),
        "Q-learning, PolarisingUsers": _training(learner),
        "rollout, PreferenceShift": _rollout(preference, "random", 256 // scale, 100),
        "rollout, RewiringGame, N = 100": _rollout(RewiringGame(100, 28), "local", 128 // scale, 64),
        "PPO, PolarisingUsers, MLP": _training(
            PPO(polarising, MLP(), 4 * 1024 * 30 // scale, num_envs=1024 // scale, num_steps=30)
        ),
        "PPO, RewiringGame, N = 10, MLP": _training(
            PPO(ten, Ranking(NodeMLP()), 4 * 256 * 64 // scale, num_envs=256 // scale, num_steps=64)
        ),
        "PPO, RewiringGame, N = 10, attention": _training(
            PPO(ten, Ranking(GAT()), 4 * 64 * 64 // scale, num_envs=64 // scale, num_steps=64)
        ),
    }


def _rollout(env: Environment, policy: str, num_envs: int, num_steps: int) -> tuple[Callable[[Array], Any], int]:
    return lambda key: rollout(env, env.policy(policy), key, num_envs, num_steps), num_envs * num_steps


def _training(agent: QLearning | PPO) -> tuple[Callable[[Array], Any], int]:
    steps = agent.num_updates * agent.num_envs * agent.num_steps
    return lambda key: agent.train(key, agent.env.default_params), steps


def measure(name: str, function: Callable[[Array], Any], steps: int, options: Options) -> list[Measurement]:
    """Compiles and runs one program in each way, in turn."""
    found = [Measurement(name, way, steps, [], []) for way in ways()]
    keys = [random.key(options.seed, ways()[one.way][0]) for one in found]
    compiled: dict[str, Callable[[Array], Any]] = {}
    for _ in range(1 if options.quick else options.compilations):
        for one, key in zip(found, keys, strict=True):
            jax.clear_caches()
            started = time.perf_counter()
            compiled[one.way] = jax.jit(function).lower(key).compile(compiler_options=ways()[one.way][1])
            one.compile_s.append(time.perf_counter() - started)
    for _ in range(1 + options.repeats):
        for one, key in zip(found, keys, strict=True):
            started = time.perf_counter()
            jax.block_until_ready(compiled[one.way](key))
            one.runs_s.append(time.perf_counter() - started)
    for one in found:
        one.runs_s = one.runs_s[1:]
    return found


def row(measured: list[Measurement]) -> dict[str, Any]:
    """Figures of one program: steps a second and seconds of compilation in each way."""
    speeds = {one.way: one.steps / min(one.runs_s) for one in measured}
    compiling = {one.way: min(one.compile_s) for one in measured}
    return {"program": measured[0].program, "steps_per_s": speeds, "compile_s": compiling}


def run(options: Options) -> dict[str, Any]:
    """Measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    for name in ("repeats", "compilations"):
        checks.positive(name, getattr(options, name))
    jax.config.update("jax_enable_compilation_cache", False)
    console = Console(width=None if sys.stdout.isatty() else 120)
    about = manifest("benchmark", None, {"quick": options.quick, "seed": options.seed, "repeats": options.repeats})
    title = f"Million steps a second, and seconds of compilation, on {describe(about['hardware'])}"
    heads = [f"{what}, {way}" for what in ("M/s", "compile") for way in ways()]
    table, rows = Table("program", *heads, title=title, caption="minima of times"), []
    for name, (function, steps) in programs(options.quick).items():
        if options.programs and not name.startswith(options.programs):
            continue
        with console.status(name):
            measured = measure(name, function, steps, options)
        found = row(measured)
        rows.append(found | {"runs_s": {one.way: one.runs_s for one in measured}})
        cells = [f"{speed / 1e6:.3g}" for speed in found["steps_per_s"].values()]
        table.add_row(name, *cells, *(f"{seconds:.2f}" for seconds in found["compile_s"].values()))
    console.print(table)
    result = {"manifest": about, "settings": SETTINGS, "measurements": rows}
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    command.main("generators", Options, run)
