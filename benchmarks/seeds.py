"""What it costs to train many seeds at once, by `vmap`, beside one after the other.

    python -m benchmarks.seeds --help

The rival of 16 seeds in one program is the same agent with one seed, trained four times in a row by a program that is
compiled once. Compilation is timed apart.
"""

import sys
from dataclasses import dataclass
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from benchmarks import command
from benchmarks.timed import Timed
from jaxrec import checks
from jaxrec.agents import LSTM, MLP, PPO
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime.hardware import describe
from jaxrec.runtime.timing import measure

TOGETHER, SINGLE_RUNS = 16, 4


@dataclass
class Measurement(Timed):
    """A training, timed.

    Attributes:
        what: environment and network.
        seeds: trained in each run, at once.
        steps: of all seeds, in each run.
        compile_s: seconds of compilation, apart.
        runs_s: seconds of each run.
    """

    what: str
    seeds: int
    steps: int
    compile_s: float
    runs_s: list[float]


@dataclass
class Options(command.Options):
    """Times PPO with an MLP and with an LSTM; a few minutes."""


def agents(quick: bool) -> dict[str, PPO]:
    """What is trained."""
    steps = 16_384 if quick else 2**20
    settings: dict[str, Any] = {"num_envs": 128, "num_minibatches": 4, "num_epochs": 4}
    polarising, preference = PolarisingUsers(), PreferenceShift(observe_as="choices", paid_for="sampled")
    return {
        "PolarisingUsers, MLP": PPO(polarising, MLP(), steps, num_steps=30, **settings),
        "PreferenceShift, LSTM": PPO(preference, LSTM(), steps, num_steps=10, **settings),
    }


def measure_agent(what: str, agent: PPO, options: Options) -> list[Measurement]:
    """Trains sixteen seeds at once, and single ones."""
    keys = jax.random.split(jax.random.key(options.seed), TOGETHER)
    params, repeats = agent.env.default_params, 2 if options.quick else 3
    steps = agent.num_updates * agent.num_envs * agent.num_steps
    together = measure(jax.vmap(agent.train, in_axes=(0, None)), keys, params, repeats=repeats)
    single = measure(agent.train, keys[0], params, repeats=SINGLE_RUNS)
    return [
        Measurement(what, TOGETHER, TOGETHER * steps, *together),
        Measurement(what, 1, steps, *single),
    ]


def run(options: Options) -> dict[str, Any]:
    """Measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    console = Console(width=None if sys.stdout.isatty() else 120)
    found: list[Measurement] = []
    for what, agent in agents(options.quick).items():
        with console.status(f"training {what}"):
            found += measure_agent(what, agent, options)
    about = manifest("benchmark", None, {"quick": options.quick, "seed": options.seed})
    table = Table("training", "seeds at once", "steps a second", "min - max", title=describe(about["hardware"]))
    for one in found:
        low, high = one.rates
        table.add_row(one.what, str(one.seeds), f"{one.rate:,.0f}", f"{low:,.0f} - {high:,.0f}")
    console.print(table)
    result = {"manifest": about, "measurements": [one.to_json() for one in found]}
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    command.main("seeds", Options, run)
