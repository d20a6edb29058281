"""How fast PolarisingUsers-v0 is, beside plain Python with NumPy and beside Numba on one core.

    python -m benchmarks.polarising --help

One run on one machine times the same game played three ways, after it has checked that it is the same game: the mean
return of uniformly random recommendations has to agree. Compilation is timed apart. Needs numba
(`pip install "jaxrec[benchmark]"`).
"""

import dataclasses
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numba
import numpy as np
from jax import Array
from rich.console import Console
from rich.table import Table

from benchmarks import command
from benchmarks import polarising_rivals as rivals
from benchmarks.polarising_rivals import Played
from benchmarks.timed import Timed
from jaxrec import InputError, checks, random, rollout, vectorized
from jaxrec.agents import GeometricStep, QLearning, VisitStep
from jaxrec.envs.polarising import PolarisingParams, PolarisingUsers, Random
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime.hardware import describe
from jaxrec.runtime.timing import measure

ENV = PolarisingUsers()
PLAY, LEARN = "random policy", "Q-learning"
NUMPY, NUMBA, JAXREC = "Python + NumPy", "Numba, one core", "jaxrec"
TOLERANCE = 4.0
LIMITS = (
    "What to expect: each figure is the median of repeats on a machine that may serve others too; min - max shows how "
    "quiet it was. The noisiest are jaxrec on a CPU, where XLA may use every core it finds free (the rivals use one; "
    "`taskset -c 0` gives both one), and the learners, whose table of 23 MB lives or dies with the caches. The plain "
    "Python rival plays one user at a time; NumPy over many users at once was not measured."
)


@dataclass(frozen=True)
class Sizes:
    """How much is played for one timed run, in environment steps, and how often."""

    plain: int
    numba: int
    jax_play: int
    jax_learn: int
    batches: tuple[int, ...]
    repeats: int

    def scaled(self, steps: int, batch: int) -> int:
        """`steps`, or fewer for small batches: a GPU takes about as long for a step of few environments as of many."""
        return min(steps, 4096 * batch)


def sizes(quick: bool, backend: str) -> Sizes:
    """Sizes for a CPU or a GPU."""
    if quick:
        return Sizes(plain=6_000, numba=600_000, jax_play=2**16, jax_learn=2**16, batches=(1024,), repeats=2)
    if backend == "gpu":
        return Sizes(150_000, 30_000_000, 2**31, 2**30, (4096, 16384, 65536, 262144, 1048576), 5)
    return Sizes(150_000, 30_000_000, 2**24, 2**23, (4096, 8192, 16384, 65536), 5)


@dataclass
class Measurement(Timed):
    """One way to play the game, timed.

    Attributes:
        game: `PLAY` or `LEARN`.
        by: who plays: `NUMPY`, `NUMBA` or `JAXREC`.
        what: which variant; of jaxrec with the generator of its keys.
        batch: environments in parallel.
        steps: environment steps in each run.
        compile_s: seconds of compilation, apart.
        runs_s: seconds of each run.
        best: whether no other batch size of this variant was faster.
    """

    game: str
    by: str
    what: str
    batch: int
    steps: int
    compile_s: float
    runs_s: list[float]
    best: bool = False


# The players.


def play(num_envs: int, num_steps: int, key: Array, params: PolarisingParams) -> tuple[Array, Any]:
    """The environment alone under random recommendations: (summed reward of each copy, final states)."""

    def body(carry: Any, inputs: Any) -> tuple[Any, None]:
        state, total = carry
        key_act, key_step, key_reset = inputs[1]
        action = jnp.int32(3 * jax.random.uniform(key_act, (num_envs,)))
        step = vectorized.step(ENV, key_step, state, None, action, params)
        _, state = vectorized.auto_reset(ENV, key_reset, step, params)
        return (state, total + step.reward), None

    def restart(carry: Any, inputs: Any) -> Any:
        state, total = carry
        return vectorized.begin_together(ENV, inputs[1][2], (None, state), params, inputs[0])[1], total

    key_reset, key_steps = jax.random.split(key)
    start = (vectorized.reset(ENV, key_reset, params, num_envs)[1], jnp.zeros(num_envs))
    (final, total), _ = vectorized.scan(ENV, body, restart, start, vectorized.clock(0, num_steps, key_steps, 3))
    return total, final


# Q-learning as published, and as the tampering study trains it.
LEARNERS: dict[str, dict[str, Any]] = {
    "published settings": {"num_steps": 1, "step_size": GeometricStep(rivals.ALPHA_START, rivals.ALPHA_END)},
    "30 steps a batch, traces": {"num_steps": 30, "step_size": VisitStep(4.0), "td_lambda": 0.6},
}


# The measurements.


def measure_jaxrec(size: Sizes, seed: int) -> Iterable[Measurement]:
    """Times every variant in jaxrec at each batch size, with keys of each generator."""
    for generator, batch in itertools.product(random.GENERATORS, size.batches):
        args = (random.key(seed, generator), ENV.default_params)
        for what, player in {"environment alone": play, "rollout with all metrics": _rollout}.items():
            num_steps = max(1, size.scaled(size.jax_play, batch) // batch // ENV.horizon) * ENV.horizon
            timing = measure(partial(player, batch, num_steps), *args, repeats=size.repeats)
            yield Measurement(PLAY, JAXREC, f"{what}, {generator}", batch, batch * num_steps, *timing)
        for what, settings in LEARNERS.items():
            agent = QLearning(ENV, size.scaled(size.jax_learn, batch), batch, **settings)
            timing = measure(agent.train, *args, repeats=size.repeats)
            steps = agent.num_updates * batch * agent.num_steps
            yield Measurement(LEARN, JAXREC, f"{what}, {generator}", batch, steps, *timing)


def _rollout(num_envs: int, num_steps: int, key: Array, params: PolarisingParams) -> Any:
    return rollout(ENV, Random(), key, num_envs, num_steps, params)


def compile_rivals(seed: int) -> dict[str, float]:
    """Compiles the Numba rivals: seconds for each game. To be called before anything else calls them."""
    return {PLAY: _seconds(rivals.numba_random, 1, seed), LEARN: _seconds(rivals.numba_learning, 1, seed)}


def measure_rivals(size: Sizes, seed: int, compiled_in: dict[str, float]) -> Iterable[Measurement]:
    """Times the rivals, which play one user at a time."""
    players = (
        (PLAY, NUMPY, "environment alone", rivals.plain_random, size.plain),
        (PLAY, NUMBA, "environment alone", rivals.numba_random, size.numba),
        (LEARN, NUMPY, "published settings, dictionary", rivals.plain_learning, size.plain),
        (LEARN, NUMBA, "published settings", rivals.numba_learning, size.numba),
    )
    for game, by, what, player, steps in players:
        episodes = steps // ENV.horizon
        runs = [_seconds(player, episodes, seed + i) for i in range(1 + size.repeats)][1:]
        compile_s = compiled_in[game] if by == NUMBA else 0.0
        yield Measurement(game, by, what, 1, episodes * ENV.horizon, compile_s, runs)


def _seconds(player: Callable[..., Played], episodes: int, seed: int) -> float:
    started = time.perf_counter()
    player(episodes, seed)
    return time.perf_counter() - started


def mark_best(measurements: list[Measurement]) -> None:
    """Marks the fastest batch size of each variant."""
    for variant in {(one.by, one.what) for one in measurements}:
        max((one for one in measurements if (one.by, one.what) == variant), key=lambda one: one.rate).best = True


def ratio(one: Measurement, rival: str, measurements: list[Measurement]) -> float:
    """How many times as fast `one` is as a rival's way to do the same."""
    return one.rate / next(other.rate for other in measurements if (other.game, other.by) == (one.game, rival))


# The check that it is the same game.


@dataclass(frozen=True)
class Check:
    """The mean return of random recommendations by one player, and how far it lies from jaxrec's rollout."""

    player: str
    episodes: int
    mean_return: float
    standard_error: float
    difference: float
    standard_errors_off: float


def same_game(size: Sizes, seed: int) -> list[Check]:
    """Compares every player with jaxrec's rollout; learners explore at every step.

    Raises:
        InputError: where the means differ by `TOLERANCE` standard errors of their difference or more.
    """
    num_envs, num_steps = max(size.batches[0], 8192), 4 * ENV.horizon
    key, params = jax.random.key(seed + 1000), ENV.default_params
    total, _ = jax.jit(partial(play, num_envs, num_steps))(jax.random.fold_in(key, 1), params)
    episodes, few = size.numba // ENV.horizon, size.plain // ENV.horizon
    reference = _in_envs(_rollout(num_envs, num_steps, key, params).per_env["reward"])
    played = {
        "jaxrec, environment alone": _in_envs(total / num_steps),
        f"{NUMPY}, environment": rivals.plain_random(few, seed),
        f"{NUMPY}, learner": rivals.plain_learning(few, seed, epsilon=1.0),
        f"{NUMBA}, environment": rivals.numba_random(episodes, seed),
        f"{NUMBA}, learner": rivals.numba_learning(episodes, seed, epsilon=1.0),
    }
    compared = [_compare(player, one, reference) for player, one in played.items()]
    for check in compared:
        if not abs(check.standard_errors_off) < TOLERANCE:
            raise InputError(
                f"{check.player} does not play the game of jaxrec: an episode of random recommendations returns "
                f"{check.mean_return:.4f}, in jaxrec {reference.mean:.4f}: off by {check.standard_errors_off:+.1f} "
                "standard errors"
            )
    return compared


def _in_envs(reward: Array) -> Played:
    """Each environment's mean return as one sample, from its mean reward a step."""
    samples = np.asarray(reward, float) * ENV.horizon
    return Played(samples.size, float(samples.sum()), float((samples**2).sum()))


def _compare(player: str, one: Played, reference: Played) -> Check:
    difference = one.mean - reference.mean
    error = math.hypot(one.standard_error, reference.standard_error)
    return Check(player, one.episodes, one.mean, one.standard_error, difference, difference / error)


# The report.


def check_table(same: list[Check]) -> Table:
    """The evidence that it is the same game."""
    title = "The same game? Mean return of an episode under random recommendations"
    caption = (
        "in jaxrec a sample is the mean over four episodes of one environment; off: standard errors of the difference"
    )
    table = Table("player", "samples", "mean", "standard error", "off", title=title, caption=caption)
    for check in same:
        off = f"{check.standard_errors_off:+.1f}"
        row = (f"{check.episodes:,}", f"{check.mean_return:.4f}", f"{check.standard_error:.4f}", off)
        table.add_row(check.player, *row)
    return table


def speed_table(measurements: list[Measurement], hardware: str) -> Table:
    """Steps a second, and how many times that is what the rivals reach at the same game."""
    title, caption = f"PolarisingUsers-v0 on {hardware}", "M: million steps a second, median; *: the best batch size"
    table = Table("player", "batch", "M", "min - max", "/ NumPy", "/ Numba", "compile s", title=title, caption=caption)
    for game in (PLAY, LEARN):
        table.add_section()
        table.add_row(game, style="bold")
        rows = [one for one in measurements if one.game == game]
        for one in rows:
            low, high = one.rates
            speed = f"{one.rate / 1e6:.4g}{' *' if one.best and one.by == JAXREC else ''}"
            ratios = (f"{ratio(one, rival, measurements):,.3g}" for rival in (NUMPY, NUMBA))
            cells = (f"{one.batch:,}", speed, f"{low / 1e6:.4g} - {high / 1e6:.4g}", *ratios, f"{one.compile_s:.2f}")
            table.add_row(f"{one.by}: {one.what}", *cells)
    return table


def to_json(options: "Options", same: list[Check], measurements: list[Measurement]) -> dict[str, Any]:
    """All numbers, and what they were measured on."""
    about = manifest("benchmark", None, {"quick": options.quick, "seed": options.seed})
    about["versions"]["numba"] = numba.__version__
    rows = []
    for one in measurements:
        ratios = {"vs_numpy": ratio(one, NUMPY, measurements), "vs_numba": ratio(one, NUMBA, measurements)}
        rows.append(one.to_json() | ratios)
    return {
        "environment": "PolarisingUsers-v0",
        "manifest": about,
        "tolerance_standard_errors": TOLERANCE,
        "same_game": [dataclasses.asdict(check) for check in same],
        "measurements": rows,
        "limits": LIMITS,
    }


@dataclass
class Options(command.Options):
    """Times PolarisingUsers-v0 in jaxrec, in plain Python with NumPy, and in Numba on one core; about five minutes.

    jaxrec draws from keys of threefry and of the hash (`jaxrec.random`). Every figure comes from this one run on this
    one machine. First it checks that all three play the same game; then it prints environment steps a second (median,
    slowest and fastest of several runs) with ratios. Compilation is apart.
    """


def run(options: Options) -> dict[str, Any]:
    """Checks, measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    console = Console(width=None if sys.stdout.isatty() else 120)
    size, compiled_in = sizes(options.quick, jax.default_backend()), compile_rivals(options.seed)
    same = same_game(size, options.seed)
    console.print(check_table(same))
    measurements = []
    with console.status("measuring") as status:
        for one in (*measure_rivals(size, options.seed, compiled_in), *measure_jaxrec(size, options.seed)):
            measurements.append(one)
            status.update(f"measured {one.by}: {one.what}, batch {one.batch:,}")
    mark_best(measurements)
    result = to_json(options, same, measurements)
    console.print(speed_table(measurements, describe(result["manifest"]["hardware"])))
    console.print(LIMITS, highlight=False)
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    command.main("polarising", Options, run)
