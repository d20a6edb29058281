"""What playing costs beside the network that plays: collecting experience in RewiringGame-v0.

    python -m benchmarks.collection --help

A rollout of a network's policy, with the reward alone measured, beside the network alone on as many observations; and
one of the local heuristic, which costs next to nothing. What a step of the rollout takes is the difference between a
long rollout and a short one, so that start states, which are drawn once, do not count. All are compiled first and then
run in turn.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jax import Array
from rich.console import Console
from rich.table import Table

from benchmarks import command
from jaxrec import checks, rollout, vectorized
from jaxrec.agents import GAT, MLP, PPO, Ranking
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime.hardware import describe

HEURISTIC = "local heuristic"


@dataclass
class Options(command.Options):
    """Times collection beside the network alone, among 100 and 500 users; five minutes on one core."""

    repeats: int = 5
    """Timed runs of each."""
    engine: Literal["xla", "pallas"] = "xla"
    """What computes a step of the society; "pallas" is a kernel for GPUs."""


@dataclass(frozen=True)
class Case:
    """What is played.

    Attributes:
        network: "MLP" or "GAT"; or "local heuristic", which is none.
        users, degree: of the society.
        num_envs: societies side by side.
        short, more: steps of a short rollout, and how many a long one has more.
    """

    network: str
    users: int
    degree: int
    num_envs: int
    short: int
    more: int


def cases(quick: bool) -> tuple[Case, ...]:
    """Sizes for a CPU; elsewhere more societies, for a GPU takes as long for few."""
    if quick:
        return Case("MLP", 10, 4, 4, 64, 2048), Case(HEURISTIC, 10, 4, 4, 64, 2048)
    more = 1 if jax.default_backend() == "cpu" else 16
    return (
        Case("MLP", 100, 28, 64 * more, 64, 192),
        Case("GAT", 100, 28, 64 * more, 64, 48),
        Case("MLP", 500, 30, 32 * more, 64, 192),
        Case(HEURISTIC, 100, 28, 256 * more, 64, 960),
        Case(HEURISTIC, 500, 30, 64 * more, 64, 960),
    )


def measure(case: Case, options: Options) -> dict[str, Any]:
    """Microseconds of one recommendation in each run: with the environment, and of the network alone."""
    env = RewiringGame(case.users, case.degree, engine=options.engine)
    params, key = env.default_params, jax.random.key(options.seed)
    policy = env.policy("local")
    if case.network != HEURISTIC:
        network = MLP(env.num_actions) if case.network == "MLP" else Ranking(GAT())
        agent = PPO(env, network, case.num_envs * case.short, num_envs=case.num_envs, num_steps=case.short)
        policy = agent.policy(agent.init(key, params))
    obs, _ = vectorized.reset(env, key, params, case.num_envs)
    act = jax.jit(jax.vmap(lambda obs, key: policy.act(policy.init(key), obs, key)[0]))
    keys = jax.random.split(key, case.num_envs)

    def play(steps: int) -> Array:
        return rollout(env, policy, key, case.num_envs, steps, params, metrics=("reward",)).per_env["reward"]

    runs: tuple[Callable[[], Any], ...] = (
        lambda: play(case.short),
        lambda: play(case.short + case.more),
        lambda: [act(obs, keys) for _ in range(case.more)],
    )[: 2 if case.network == HEURISTIC else 3]
    seconds = np.array([[_seconds(run) for run in runs] for _ in range(1 + options.repeats)])[1:]  # the first compiles
    short, whole, *alone = seconds.T / (case.more * case.num_envs) * 1e6
    found = {"network": case.network, "users": case.users, "collection_us": (whole - short).tolist()}
    if alone:
        ratio = float(np.median(whole - short) / np.median(alone))
        found |= {"network_us": alone[0].tolist(), "ratio": ratio}
    return found


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - started


def run(options: Options) -> dict[str, Any]:
    """Measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    checks.positive("repeats", options.repeats)
    console = Console(width=None if sys.stdout.isatty() else 120)
    config = {name: getattr(options, name) for name in ("quick", "seed", "repeats", "engine")}
    about = manifest("benchmark", None, config)
    title = f"Microseconds a recommendation, on {describe(about['hardware'])}"
    table, rows = Table("network", "users", "collection", "network alone", "ratio", title=title, caption="medians"), []
    for case in cases(options.quick):
        with console.status(f"{case.network} among {case.users} users"):
            rows.append(found := measure(case, options))
        names = [name for name in ("collection_us", "network_us", "ratio") if name in found]
        table.add_row(case.network, str(case.users), *(f"{np.median(found[name]):.2f}" for name in names))
    console.print(table)
    result = {"manifest": about, "measurements": rows}
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    command.main("collection", Options, run)
