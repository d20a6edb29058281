"""How the environment loop scales over devices, as many environments on each; forced CPU devices stand for real ones.

    python -m benchmarks.scaling --help

Weak scaling efficiency is what N devices do in a second over N times what one does. Each number of devices is measured
in a process of its own, that must be told of its devices before it starts.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

import jaxrec
from benchmarks import command
from benchmarks.timed import Timed
from jaxrec import checks
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime import devices
from jaxrec.runtime.hardware import cores, describe
from jaxrec.runtime.timing import measure

DEVICES = (1, 2, 4, 8)
LIMITS = (
    "What limits it: devices that are forced share the cores of this machine, so that more devices than cores can only "
    "do what the cores do: `of cores` compares with that, one device a core at best. One device may use several cores "
    "for a large operation, which makes the first row too good to multiply. What remains is the cost of metrics, which "
    "all devices add up at every step, and of memory that all share. Real devices share neither."
)


@dataclass
class Measurement(Timed):
    """A rollout of one society over so many devices, timed.

    Attributes:
        society: its name.
        devices: over which the environments are spread.
        num_envs: on all of them.
        steps: of all environments, in each run.
        compile_s: seconds of compilation, apart.
        runs_s: seconds of each run.
    """

    society: str
    devices: int
    num_envs: int
    steps: int
    compile_s: float
    runs_s: list[float]


def measure_here(quick: bool, seed: int) -> list[Measurement]:
    """Rollouts over all devices of this process."""
    count = len(jax.devices())
    societies = {
        "PolarisingUsers": (
            *jaxrec.make("PolarisingUsers-v0"),
            "bandit",
            *((64, 10, 2) if quick else (65_536, 300, 5)),
        ),
        "RewiringGame": (*_rewiring(), "random", *((4, 10, 2) if quick else (512, 300, 5))),
    }
    found = []
    for name, (env, params, policy, each, num_steps, repeats) in societies.items():
        acting = env.policy(policy)

        def run(
            key: Any, env: Any = env, acting: Any = acting, params: Any = params, shape: Any = (each, num_steps)
        ) -> Any:
            return jaxrec.rollout(env, acting, key, shape[0] * count, shape[1], params).per_env

        with jax.set_mesh(devices.mesh(1, envs=count)):
            timing = measure(run, jax.random.key(seed), repeats=repeats)
        found.append(Measurement(name, count, each * count, each * count * num_steps, *timing))
    return found


def tell(quick: bool, seed: int) -> None:
    """Prints what `measure_here` found, for the process that started this one."""
    print(json.dumps([vars(one) for one in measure_here(quick, seed)]))


def _rewiring() -> tuple[Any, Any]:
    env = RewiringGame(30, 8, "learning")
    return env, env.default_params


def measure_apart(count: int, options: "Options") -> list[Measurement]:
    """The same in a process of so many devices."""
    code = f"from benchmarks import scaling; scaling.tell({options.quick}, {options.seed})"
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(count), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"benchmarks.scaling: the process of {count} devices failed:\n{done.stderr}")
    return [Measurement(**each) for each in json.loads(done.stdout)]


def efficiency(one: Measurement, found: list[Measurement]) -> dict[str, float]:
    """Its speed over that of as many single devices, and over that of no more single devices than there are cores."""
    single = next(other for other in found if (other.society, other.devices) == (one.society, 1))
    faster = one.rate / single.rate
    return {"efficiency": faster / one.devices, "of_cores": faster / min(one.devices, cores())}


def table(found: list[Measurement], hardware: str) -> Table:
    """Steps a second at each number of devices."""
    heads = ("society", "devices", "environments", "M steps a second", "min - max", "efficiency", "of cores")
    table = Table(*heads, title=f"Weak scaling on {hardware}")
    for one in found:
        (low, high), share = one.rates, efficiency(one, found)
        speeds = (f"{one.rate / 1e6:.3g}", f"{low / 1e6:.3g} - {high / 1e6:.3g}")
        table.add_row(
            one.society, str(one.devices), f"{one.num_envs:,}", *speeds, *(f"{value:.2f}" for value in share.values())
        )
    return table


@dataclass
class Options(command.Options):
    """Times rollouts of two societies over 1, 2, 4 and 8 devices; a few minutes."""


def run(options: Options) -> dict[str, Any]:
    """Measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    console = Console(width=None if sys.stdout.isatty() else 120)
    found: list[Measurement] = []
    with console.status("measuring") as status:
        for count in DEVICES[:2] if options.quick else DEVICES:
            status.update(f"{count} devices")
            found += measure_apart(count, options)
    found.sort(key=lambda one: (one.society, one.devices))
    about = manifest("benchmark", None, {"quick": options.quick, "seed": options.seed})
    measurements = [one.to_json() | efficiency(one, found) for one in found]
    result = {"manifest": about, "measurements": measurements, "limits": LIMITS}
    console.print(table(found, describe(about["hardware"])))
    console.print(LIMITS, highlight=False)
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    command.main("scaling", Options, run)
