"""How fast PreferenceShift-v0 is, with and without inference, beside plain Python with NumPy; and one row of Table 1.

    python -m benchmarks.preference --help

One run on one machine plays the same game both ways, after it has checked that it is the same game: the mean engagement
under random slates has to agree. Compilation is timed apart.
"""

import dataclasses
import itertools
import math
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
from benchmarks import preference_rival as rival
from benchmarks.timed import Timed
from jaxrec import checks, random, rollout, vectorized
from jaxrec.envs.preference import PreferenceShift
from jaxrec.experiments.preference.shift.study import ENV, QUICK
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime.hardware import describe
from jaxrec.runtime.timing import measure

NUMPY, NUMPY_MANY, JAXREC = "Python + NumPy", "NumPy, many users", "jaxrec"
MANY = 256  # users at once in NumPy: their beliefs fit the cache; 64 and 1024 were no faster
VARIANTS = {"without inference": "state", "with inference": "beliefs"}
TOLERANCE = 4.0
LIMITS = (
    "What to expect: each figure is the median of repeats on a machine that may serve others too; min - max shows how "
    "quiet it was. NumPy plays on one core, but for what its matrix products take; jaxrec on what XLA takes."
)


@dataclass
class Measurement(Timed):
    """One way to play the game, timed.

    Attributes:
        by: who plays: `NUMPY`, `NUMPY_MANY` or `JAXREC`.
        what: one of `VARIANTS`.
        keys: the generator of jaxrec's keys; none of the rivals.
        batch: users in parallel.
        steps: environment steps in each run.
        compile_s: seconds of compilation, apart.
        runs_s: seconds of each run.
    """

    by: str
    what: str
    keys: str
    batch: int
    steps: int
    compile_s: float
    runs_s: list[float]


def measure_numpy(episodes: int, what: str, repeats: int, seed: int) -> list[Measurement]:
    """The rivals: one user at a time, and many at once, of whom there are ten times as many."""
    infer, batches = what == "with inference", -(-10 * episodes // MANY)

    def one_by_one(rng: Any) -> None:
        rival.play(episodes, infer, rng)

    def many(rng: Any) -> None:
        for _ in range(batches):
            rival.play_many(MANY, infer, rng)

    return [
        Measurement(NUMPY, what, "", 1, 10 * episodes, 0.0, _seconds(one_by_one, repeats, seed)),
        Measurement(NUMPY_MANY, what, "", MANY, 10 * batches * MANY, 0.0, _seconds(many, repeats, seed)),
    ]


def _seconds(player: Callable[[Any], None], repeats: int, seed: int) -> list[float]:
    seconds = []
    for run in range(repeats):
        rng = np.random.default_rng((seed, run))
        started = time.perf_counter()
        player(rng)
        seconds.append(time.perf_counter() - started)
    return seconds


def measure_jaxrec(steps: int, batch: int, what: str, generator: str, repeats: int, seed: int) -> Measurement:
    """The environment alone, under random slates, with keys of the generator."""
    env = PreferenceShift(observe_as=VARIANTS[what], paid_for="sampled" if what == "without inference" else "belief")  # type: ignore[arg-type]
    params, num_steps = env.default_params, max(1, steps // batch // env.horizon) * env.horizon

    def play(key: Any, params: Any) -> Any:
        params = env.prepare(params)

        def body(carry: Any, inputs: Any) -> Any:
            (obs, state), total = carry
            key_act, key_step, key_reset = inputs[1]
            action = jax.random.randint(key_act, (batch,), 0, env.num_actions)
            step = vectorized.step(env, key_step, state, obs, action, params)
            seen = sum(leaf.sum() for leaf in jax.tree.leaves(step.next_obs))  # or it would not be computed
            return (vectorized.auto_reset(env, key_reset, step, params), total + step.reward.sum()), seen

        def restart(carry: Any, inputs: Any) -> Any:
            return vectorized.begin_together(env, inputs[1][2], carry[0], params, inputs[0]), carry[1]

        key_reset, key_steps = jax.random.split(key)
        start = (vectorized.reset(env, key_reset, params, batch), jnp.zeros(()))
        return vectorized.scan(env, body, restart, start, vectorized.clock(0, num_steps, key_steps, 3))

    timing = measure(play, random.key(seed, generator), params, repeats=repeats)
    return Measurement(JAXREC, what, generator, batch, num_steps * batch, *timing)


def measure_condition(quick: bool, seed: int) -> dict[str, float]:
    """Seconds of training one recommender of Table 1, penalised and looking ahead, one seed, compilation apart."""
    config = dataclasses.replace(QUICK, steps=5_120) if quick else QUICK
    agent = config.agent(ENV, config.ppo.gamma)
    timing = measure(
        lambda key, params: agent.train(key, params)[1], jax.random.key(seed), agent.env.default_params, repeats=2
    )
    steps = agent.num_updates * agent.num_envs * agent.num_steps
    return {"steps": steps, "compile_s": timing.compile, "seconds": timing.median}


def agree(episodes: int, seed: int) -> list[dict[str, Any]]:
    """Mean engagement of an episode by each rival and by jaxrec; how many standard errors they differ.

    Raises:
        SystemExit: if it is not the same game.
    """
    env = PreferenceShift(observe_as="state", paid_for="sampled")
    ours = np.asarray(
        rollout(env, env.policy("random"), jax.random.key(seed), 20 * episodes, env.horizon).episode_return
    )
    rng, found = np.random.default_rng(seed), []
    for by, theirs in (
        (NUMPY, rival.play(episodes, False, rng)),
        (NUMPY_MANY, rival.play_many(20 * episodes, False, rng)),
    ):
        error = math.hypot(*(each.std() / math.sqrt(len(each)) for each in (ours, theirs)))
        apart = float((ours.mean() - theirs.mean()) / error)
        if abs(apart) > TOLERANCE:
            sys.exit(
                f"benchmarks.preference: not the same game: {ours.mean():.3f}, {by} {theirs.mean():.3f} engagement"
            )
        found.append({"by": by, "jaxrec": float(ours.mean()), "rival": float(theirs.mean()), "standard_errors": apart})
    return found


def table(found: list[Measurement], hardware: str) -> Table:
    """Steps a second."""
    heads = ("library", "what", "keys", "users", "steps/s", "min - max", "/ NumPy", "/ NumPy, many", "compile s")
    table = Table(*heads, title=f"PreferenceShift-v0, random slates, on {hardware}")
    for one in found:
        low, high = one.rates
        ratios = (f"{ratio(one, found, rival):.1f}" for rival in (NUMPY, NUMPY_MANY))
        speeds = (f"{one.rate:,.0f}", f"{low:,.0f} - {high:,.0f}")
        table.add_row(one.by, one.what, one.keys, f"{one.batch:,}", *speeds, *ratios, f"{one.compile_s:.1f}")
    return table


def ratio(one: Measurement, found: list[Measurement], rival: str) -> float:
    """How many times as fast as a rival."""
    return one.rate / next(other.rate for other in found if (other.by, other.what) == (rival, one.what))


@dataclass
class Options(command.Options):
    """Times PreferenceShift-v0 with and without inference, and one training of Table 1; about two minutes."""


def run(options: Options) -> dict[str, Any]:
    """Measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    on_gpu = jax.default_backend() == "gpu"
    steps, episodes, repeats = (20_480, 50, 2) if options.quick else (2**24 if on_gpu else 2**18, 2000, 5)
    batches = (256,) if options.quick else (256, 2048, 16384, *((65536,) if on_gpu else ()))
    console = Console(width=None if sys.stdout.isatty() else 120)
    agreed = agree(episodes, options.seed)
    found: list[Measurement] = []
    with console.status("playing") as status:
        for what in VARIANTS:
            found += measure_numpy(episodes, what, repeats, options.seed)
            found += [
                measure_jaxrec(steps, batch, what, generator, repeats, options.seed)
                for generator, batch in itertools.product(random.GENERATORS, batches)
            ]
        status.update("training")
        condition = measure_condition(options.quick, options.seed)
    about = manifest("benchmark", None, {"quick": options.quick, "seed": options.seed})
    result = {
        "manifest": about,
        "agreement": agreed,
        "environment": [
            one.to_json() | {"vs_numpy": ratio(one, found, NUMPY), "vs_numpy_many": ratio(one, found, NUMPY_MANY)}
            for one in found
        ],
        "condition": condition,
        "limits": LIMITS,
    }
    console.print(table(found, describe(about["hardware"])))
    console.print(
        f"One recommender of Table 1, one seed: {condition['steps']:,} steps in {condition['seconds']:.1f} s, after "
        f"{condition['compile_s']:.1f} s of compilation"
    )
    console.print(LIMITS, highlight=False)
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    command.main("preference", Options, run)
