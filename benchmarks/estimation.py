"""How fast user models are learned from logs, and how fast they simulate users.

    python -m benchmarks.estimation --help

The rival runs the same compiled arithmetic the way it is usually written: a Python loop that calls one jitted update,
or one jitted time-step of all simulated users, at a time. Both give the same numbers, which is checked in the same run.
Compilation is timed apart.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import command
from benchmarks.timed import Timed
from jaxrec import checks
from jaxrec.envs.learned import LearnedUsers
from jaxrec.envs.preference import RandomSlate
from jaxrec.estimation import LearnUsers, future_preferences, generate
from jaxrec.estimation.user_model import KINDS
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime.hardware import describe
from jaxrec.runtime.timing import measure

JAXREC, LOOP = "jaxrec", "Python loop of jitted steps"
TOLERANCE = 1e-3
LIMITS = (
    "What to expect: each figure is the median of repeats on a machine that may serve others too; min - max shows how "
    "quiet it was. The rival shares jaxrec's arithmetic: it shows what the scan saves, not how good the arithmetic is."
)


@dataclass
class Measurement(Timed):
    """One thing, done one way, timed.

    Attributes:
        by: `JAXREC` or `LOOP`.
        what: "learning ..." (steps are users) or "simulating" (steps are trajectories).
        steps: in each run.
        compile_s: seconds of compilation, apart.
        runs_s: seconds of each run.
    """

    by: str
    what: str
    steps: int
    compile_s: float
    runs_s: list[float]


def timed(loop: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each run of a Python loop, after one that compiles what it calls."""
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        jax.block_until_ready(loop())
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def measure_learning(kind: Any, updates: int, users: int, repeats: int, seed: int) -> list[Measurement]:
    """Updates of one network, both ways."""
    env = LearnedUsers()
    logs, validation = generate(jax.random.key(seed), None, users)[0].split(users * 3 // 4)
    learner = LearnUsers(env, kind, logs, validation, num_epochs=1000)
    params = env.default_params
    state = jax.jit(learner.init)(jax.random.key(seed), params)
    ours = measure(lambda learner, state: learner.advance(state, params, 0, updates), learner, state, repeats=repeats)
    step = jax.jit(lambda learner, state, batch: learner.advance(state, params, batch, batch + 1))

    def loop() -> Any:
        now = state
        for batch in range(updates):
            now, _ = step(learner, now, batch)
        return now.network_params

    theirs = timed(loop, repeats)
    whole, _ = jax.jit(lambda learner, state: learner.advance(state, params, 0, updates))(learner, state)
    apart = max(
        float(jnp.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (whole.network_params, loop())), strict=True)
    )
    if apart > TOLERANCE:
        sys.exit(f"benchmarks.estimation: the two ways of learning {kind} preferences differ by {apart}")
    what, seen = f"learning {kind} preferences", updates * learner.batch_size
    return [Measurement(JAXREC, what, seen, *ours), Measurement(LOOP, what, seen, 0.0, theirs)]


def measure_simulating(samples: int, repeats: int, seed: int) -> list[Measurement]:
    """Monte Carlo futures of somebody new under random slates (Algorithm 1), both ways."""
    env = LearnedUsers()
    policy, params, key = RandomSlate(env.slates), env.default_params, jax.random.key(seed)
    ours = measure(lambda key: future_preferences(env, policy, key, params, None, samples), key, repeats=repeats)
    reset = jax.jit(lambda keys: jax.vmap(env.reset_env, in_axes=(0, None))(keys, params))

    def one(state: Any, key: Any) -> Any:
        key_act, key_step = jax.random.split(key)
        action, _ = policy.act((), None, key_act)
        return env.transition(key_step, state, action, params)[0]

    step = jax.jit(lambda states, keys: jax.vmap(one)(states, keys))

    def loop() -> Any:
        key = jax.random.key(seed)
        _, states = reset(jax.random.split(key, samples))
        beliefs = []
        for number in range(env.horizon):
            beliefs.append(states.current.mean(axis=0))
            states = step(states, jax.random.split(jax.random.fold_in(key, number), samples))
        return jnp.stack(beliefs)

    theirs = timed(loop, repeats)
    scan = future_preferences(env, policy, key, params, None, samples).preferences[0]
    apart = float(0.5 * np.abs(np.asarray(scan) - np.asarray(loop())).sum(axis=1).max())
    if apart > 5 / np.sqrt(samples):  # other draws
        sys.exit(f"benchmarks.estimation: the two ways of simulating differ by {apart} in total variation")
    return [Measurement(JAXREC, "simulating", samples, *ours), Measurement(LOOP, "simulating", samples, 0.0, theirs)]


def ratio(one: Measurement, found: list[Measurement]) -> float:
    """How many times as fast as the loop."""
    return one.rate / next(other.rate for other in found if (other.by, other.what) == (LOOP, one.what))


def table(found: list[Measurement], hardware: str) -> Table:
    """Users learned from, or trajectories simulated, a second."""
    table = Table("by", "what", "a second", "min - max", "/ loop", "compile s", title=f"User models on {hardware}")
    for one in found:
        low, high = one.rates
        speeds = (f"{one.rate:,.0f}", f"{low:,.0f} - {high:,.0f}", f"{ratio(one, found):.2f}", f"{one.compile_s:.1f}")
        table.add_row(one.by, one.what, *speeds)
    return table


@dataclass
class Options(command.Options):
    """Times the learning of the three networks, and the simulation of users by them; about three minutes."""


def run(options: Options) -> dict[str, Any]:
    """Measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    updates, users, samples, repeats = (2, 400, 50, 1) if options.quick else (30, 10_000, 1000, 3)
    console = Console(width=None if sys.stdout.isatty() else 120)
    found: list[Measurement] = []
    with console.status("learning") as status:
        for kind in KINDS:
            found += measure_learning(kind, updates, users, repeats, options.seed)
        status.update("simulating")
        found += measure_simulating(samples, repeats, options.seed)
    about = manifest("benchmark", None, {"quick": options.quick, "seed": options.seed})
    result = {
        "manifest": about,
        "measurements": [one.to_json() | {"vs_loop": ratio(one, found)} for one in found],
        "limits": LIMITS,
    }
    console.print(table(found, describe(about["hardware"])))
    console.print(LIMITS, highlight=False)
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    command.main("estimation", Options, run)
