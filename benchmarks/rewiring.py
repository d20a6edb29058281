"""How fast RewiringGame-v0 is, beside plain Python with NetworkX and beside Numba on one core and on all.

    python -m benchmarks.rewiring --help

One run on one machine times the same game played three ways, after it has checked that it is the same game: what became
of the societies has to agree. Compilation is timed apart. Needs numba (`pip install "jaxrec[benchmark]"`).
"""

import dataclasses
import math
import os
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
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from rich.console import Console
from rich.table import Table

from benchmarks import command
from benchmarks import rewiring_rivals as rivals
from benchmarks.rewiring_rivals import Ends
from benchmarks.timed import Timed
from jaxrec import InputError, bitset, checks
from jaxrec.envs.rewiring import CARVALHO, RewiringGame, RewiringParams, per_run
from jaxrec.envs.rewiring.graph.society import stack, unstack
from jaxrec.envs.rewiring.meetings import WORDS_PER_STEP
from jaxrec.envs.rewiring.simulation.advance import BLOCK, Method, advance, choose_method
from jaxrec.envs.rewiring.simulation.lanes import Lanes, measure_lanes, place, start_lanes
from jaxrec.envs.rewiring.simulation.simulator import CHECK_EVERY, Queue
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime.hardware import describe
from jaxrec.runtime.timing import Timing, measure

NETWORKX, NUMBA, NUMBA_ALL = "Python + NetworkX", "Numba, one core", "Numba, all cores"
JAXREC, JAXREC_ONE = "jaxrec", "jaxrec, one device"
RIVALS = (NETWORKX, NUMBA, NUMBA_ALL)
TOLERANCE = 4.0
CHECK_STEPS_PER_USER = 60
PLAY_STEPS_PER_USER = 200
DISTINCT_STARTS = 64
SECTOR, WORD = 32, 4
PARAMS = RewiringParams(
    beta=rivals.BETA, temptation=rivals.TEMPTATION, sucker=rivals.SUCKER, timescale=rivals.TIMESCALE
)
LIMITS = (
    "What to expect: each figure is the median of repeats on a machine that may serve others too; min - max shows how "
    "quiet it was. The speed of a loop depends on the phase of a run: rivals and jaxrec's compiled kernel play 200 "
    "time-steps a user from the start, whose drawing is not timed. By XLA every time-step is the same work, and jaxrec "
    "goes on from repeat to repeat. On one device of a CPU, XLA may still use every core it finds free."
)


@dataclass(frozen=True)
class Sizes:
    """How much is played for one timed run, and how often.

    Attributes:
        users: the sizes of a society.
        lanes: societies side by side in jaxrec.
        plain, numba, jaxrec: time-steps of one timed run, roughly; of `numba` on each core.
        repeats: timed runs.
        check_lanes: runs by jaxrec for the check that it is the same game.
        check_plain: by NetworkX.
        copied: bytes copied to measure the bandwidth of the memory.
        memory_lanes, memory_users: of the state about whose copies the compiler is asked.
        method: how jaxrec computes time-steps.
    """

    users: tuple[int, ...]
    lanes: tuple[int, ...]
    plain: int
    numba: int
    jaxrec: int
    repeats: int
    check_lanes: int
    check_plain: int
    copied: int
    memory_lanes: int
    memory_users: int
    method: Method


def sizes(options: "Options", backend: str) -> Sizes:
    """Sizes for a CPU or a GPU."""
    method = choose_method(options.generator, options.engine)
    if options.quick:
        size = Sizes((40,), (2,), 2_000, 100_000, 2**8, 2, DISTINCT_STARTS, 32, 2**20, 64, 40, method)
    elif backend == "gpu":
        lanes = (*(4**i for i in range(6)), 2048, 8192, 32768)
        size = Sizes((100, 500, 1000), lanes, 30_000, 10_000_000, 2**30, 3, 1024, 48, 2**31, 32_768, 1000, method)
    else:
        lanes = (4, 16, 64, 256, 1024)
        size = Sizes((100, 500, 1000), lanes, 30_000, 10_000_000, 2**18, 3, 128, 48, 2**27, 32_768, 1000, method)
    given = {name: getattr(options, name) for name in ("users", "lanes", "repeats") if getattr(options, name)}
    return dataclasses.replace(size, **given)


@dataclass
class Measurement(Timed):
    """One way to play the game, timed.

    Attributes:
        users: in a society.
        by: who plays: one of `RIVALS`, `JAXREC` or `JAXREC_ONE`.
        lanes: societies side by side; of rivals how many at once.
        devices: over which jaxrec spread them, or cores that a rival used.
        steps: time-steps of all societies in each run.
        compile_s: seconds of compilation, apart.
        runs_s: seconds of each run.
        best: whether no other number of lanes was faster.
    """

    users: int
    by: str
    lanes: int
    devices: int
    steps: int
    compile_s: float
    runs_s: list[float]
    best: bool = False


# jaxrec.


def game(users: int) -> RewiringGame:
    """The environment in which the rivals play."""
    return RewiringGame(num_users=users, degree=rivals.DEGREE, rules=CARVALHO)


def mesh_for(lanes: int, devices: int | None = None) -> Mesh:
    """As many devices as can share the lanes equally, at most `devices`."""
    every = jax.local_devices()[:devices]
    count = max(n for n in range(1, len(every) + 1) if lanes % n == 0)
    return Mesh(np.asarray(every[:count]), ("lanes",))


def at_start(users: int, lanes: int, distinct: int, key: Array, mesh: Mesh) -> tuple[Lanes, Any]:
    """(lanes at their start, their setting), spread over the devices; so many starts are drawn, then repeated."""
    drawn = start_lanes(game(users), key, jnp.ones((distinct, 1)), False)
    first = drawn.replace(society=unstack(drawn.society))
    first = jax.tree.map(lambda leaf: jnp.take(leaf, jnp.arange(lanes) % distinct, axis=0), first)
    state = first.replace(society=stack(first.society))
    return place(state, mesh), _setting(lanes)


def _setting(lanes: int) -> Any:
    """The same parameters and the local heuristic for all lanes."""
    every = jax.tree.map(lambda leaf: jnp.full(lanes, leaf, jnp.asarray(leaf).dtype), PARAMS)
    local = jax.tree.map(lambda leaf: np.repeat(leaf, lanes, axis=0), per_run(["local"]))
    queue = Queue(every, local, None)
    return queue.lanes(np.arange(lanes))


def time_lanes(users: int, lanes: int, mesh: Mesh, size: Sizes, seed: int) -> tuple[Timing, int]:
    """(timing of `simulate.advance`, time-steps of each run).

    Not by `jaxrec.runtime.timing.measure`: the state is donated at every call, and the next goes on from what returns.
    """
    whole = size.method.engine == "compiled"  # its speed depends on the phase, as that of rivals does
    wanted = PLAY_STEPS_PER_USER * users if whole else max(size.jaxrec // lanes, BLOCK)
    num_steps = min(wanted, CHECK_EVERY) // BLOCK * BLOCK
    calls = wanted // num_steps if whole else 1
    key = jax.device_put(jax.random.key(seed), NamedSharding(mesh, PartitionSpec()))
    state, setting = at_start(users, lanes, DISTINCT_STARTS, key, mesh)
    started = time.perf_counter()
    compiled = advance.lower(CARVALHO, state, key, setting, num_steps, mesh, size.method).compile()
    compile_s = time.perf_counter() - started
    jax.block_until_ready(state)
    start, runs = jax.tree.map(jnp.copy, state) if whole else None, []  # of a GPU it would be gigabytes
    for _ in range(1 + size.repeats):
        state = jax.block_until_ready(jax.tree.map(jnp.copy, start) if whole else state)
        started = time.perf_counter()
        for _ in range(calls):
            state = compiled(state, key, setting)
        jax.block_until_ready(state)
        runs.append(time.perf_counter() - started)
    return Timing(compile_s, runs[1:]), num_steps * calls * lanes


def jaxrec_runs(users: int, lanes: int, num_steps: int, seed: int, method: Method) -> Ends:
    """Whole runs from their start."""
    mesh = mesh_for(lanes)
    key_start, key = jax.random.split(jax.random.key(seed))
    state, setting = at_start(users, lanes, lanes, key_start, mesh)
    state = advance(CARVALHO, state, key, setting, num_steps, mesh, method)
    found = measure_lanes(state, setting.params, CARVALHO, game(users).num_ties)
    measured = {name: np.asarray(value, float) for name, value in found.items()}
    return Ends(
        measured["cooperation"],
        measured["requests"] / measured["opportunities"],
        measured["rewires"] / num_steps,
        measured["degree_variance"],
        measured["max_degree"],
    )


# The measurements.


def measure_rivals(size: Sizes, users: int, seed: int, compiled_in: float) -> Iterable[Measurement]:
    """Times the rivals, each society from its start."""
    steps, cores = PLAY_STEPS_PER_USER * users, _cores()
    plain_steps = min(steps, size.plain)
    plain = [rivals.PlainSociety(users, seed + run) for run in range(max(1, size.plain // plain_steps))]
    first = [rivals.numba_start(users, seed + run) for run in range(4)]

    def repeated(start: Callable[[], Any], play: Callable[[Any], Any]) -> list[float]:
        return [_seconds(play, start()) for _ in range(1 + size.repeats)][1:]

    runs = repeated(lambda: plain, lambda societies: rivals.plain_advance(societies, plain_steps))
    yield Measurement(users, NETWORKX, 1, 1, len(plain) * plain_steps, 0.0, runs)
    each = max(1, size.numba // steps)
    for by, at_once in ((NUMBA, 1), (NUMBA_ALL, cores)):
        number = each * at_once
        runs = repeated(
            lambda number=number: [first[i % len(first)].copy() for i in range(number)],
            lambda societies, at_once=at_once: rivals.numba_advance(societies, steps, seed, at_once),
        )
        yield Measurement(users, by, at_once, at_once, number * steps, compiled_in, runs)


def measure_jaxrec(size: Sizes, users: int, seed: int) -> Iterable[Measurement]:
    """Times jaxrec at each number of lanes; the fastest again on one device, if there are more."""
    found = []
    for lanes in size.lanes:
        mesh = mesh_for(lanes)
        timing, steps = time_lanes(users, lanes, mesh, size, seed)
        found.append(Measurement(users, JAXREC, lanes, mesh.size, steps, *timing))
        yield found[-1]
    best = max(found, key=lambda one: one.rate)
    best.best = True
    if best.devices > 1:
        timing, steps = time_lanes(users, best.lanes, mesh_for(best.lanes, 1), size, seed)
        yield Measurement(users, JAXREC_ONE, best.lanes, 1, steps, *timing)


def compile_rivals(seed: int) -> float:
    """Compiles the Numba rival: seconds. To be called before anything else calls it."""
    society = rivals.numba_start(rivals.DEGREE + 1, seed)
    return _seconds(lambda one: rivals.numba_advance([one], 1, seed), society)


def _seconds(play: Callable[[Any], Any], start: Any) -> float:
    started = time.perf_counter()
    play(start)
    return time.perf_counter() - started


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ratio(one: Measurement, rival: str, measurements: list[Measurement]) -> float:
    """How many times as fast `one` is as a rival with as many users."""
    return one.rate / next(other.rate for other in measurements if (other.users, other.by) == (one.users, rival))


def crossovers(measurements: list[Measurement]) -> list[dict[str, Any]]:
    """The smallest number of lanes at which jaxrec is faster than each rival, or None."""
    found = []
    for users in sorted({one.users for one in measurements}):
        ours = [one for one in measurements if (one.users, one.by) == (users, JAXREC)]
        for rival in RIVALS:
            faster = [one.lanes for one in ours if ratio(one, rival, measurements) > 1]
            found.append({"users": users, "rival": rival, "lanes": min(faster, default=None)})
    return found


# Memory.


def traffic(users: int) -> dict[str, int]:
    """Bytes that a time-step of one society must move to and from memory, if nothing is stored in between.

    Societies' rows and words lie far apart: memory moves whole sectors of 32 bytes for them. All else lies together.
    """
    words = bitset.num_words(users)
    row = -(-words * WORD // SECTOR) * SECTOR
    leaves = jax.tree.leaves(jax.eval_shape(partial(_setting, 1)))
    return {
        "two rows of the adjacency read": 2 * row,
        "four of its words read and written": 4 * 2 * SECTOR,
        "cooperators read and written": 2 * words * WORD,
        "random words written and read": 2 * WORDS_PER_STEP * WORD,
        "counters read and written": 2 * 3 * WORD,
        "parameters read": sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
    }


def bandwidth(size: Sizes) -> float:
    """Bytes a second that the memory of the first device moves, read and written, when an array is copied."""
    array = jnp.zeros(size.copied // 4, jnp.float32)
    return measure(lambda array: array + 1, array, repeats=max(size.repeats, 3)).rate(2 * array.nbytes)


def memory(lanes: int, users: int, method: Method) -> dict[str, int]:
    """Bytes that so many societies need on one device, by the compiler; nothing is allocated."""
    mesh = mesh_for(lanes, 1)
    key = jax.eval_shape(lambda: jax.random.key(0))
    shares = jax.ShapeDtypeStruct((lanes, 1), jnp.float32)
    state = jax.eval_shape(partial(start_lanes, game(users), by_degree=False), key, shares)
    setting = jax.eval_shape(partial(_setting, lanes))
    found = advance.lower(CARVALHO, state, key, setting, CHECK_EVERY, mesh, method).compile().memory_analysis()
    parts = {name: getattr(found, f"{name}_size_in_bytes") for name in ("argument", "output", "alias", "temp")}
    peak = parts["argument"] + parts["output"] - parts["alias"] + parts["temp"]
    whole = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return {"societies": lanes, "users": users, "state": whole, **parts, "peak": peak}


# The check that it is the same game.


@dataclass(frozen=True)
class Check:
    """One figure of runs by a rival, and how far it lies from jaxrec's."""

    player: str
    users: int
    runs: int
    figure: str
    mean: float
    jaxrec: float
    standard_errors_off: float


def same_game(size: Sizes, seed: int) -> list[Check]:
    """Compares the rivals with jaxrec after 60 time-steps a user; NetworkX in the smallest society only.

    Raises:
        InputError: where means differ by `TOLERANCE` standard errors of their difference or more.
    """
    compared = []
    for users in sorted({min(size.users), min(max(size.users), 500)}):
        steps = CHECK_STEPS_PER_USER * users
        ours = jaxrec_runs(users, size.check_lanes, steps, seed + 1000, size.method)
        played = {NUMBA: rivals.numba_runs(users, 4 * size.check_lanes, steps, seed)}
        if users == min(size.users):
            played[NETWORKX] = rivals.plain_runs(users, size.check_plain, steps, seed)
        compared += [check for player, ends in played.items() for check in compare(player, users, ends, ours)]
    for check in compared:
        if not abs(check.standard_errors_off) < TOLERANCE:
            raise InputError(
                f"{check.player} does not play the game of jaxrec: with {check.users} users {check.figure} is "
                f"{check.mean:.4f}, in jaxrec {check.jaxrec:.4f}: off by {check.standard_errors_off:+.1f} standard "
                "errors"
            )
    return compared


def compare(player: str, users: int, theirs: Ends, ours: Ends) -> list[Check]:
    """Every figure's means, and how many standard errors they differ by."""
    compared = []
    for figure, one, other in zip(Ends._fields, theirs, ours, strict=True):
        error = math.hypot(_standard_error(one), _standard_error(other))
        off = (one.mean() - other.mean()) / max(error, np.finfo(float).tiny)
        compared.append(Check(player, users, len(one), figure, float(one.mean()), float(other.mean()), float(off)))
    return compared


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


# The report.


def check_table(same: list[Check]) -> Table:
    """The evidence that it is the same game."""
    title = f"The same game? After {CHECK_STEPS_PER_USER} time-steps a user"
    caption = (
        "requests: for each structural update; rewires: for each time-step; off: standard errors of the difference"
    )
    table = Table("player", "users", "runs", "figure", "mean", "jaxrec", "off", title=title, caption=caption)
    for check in same:
        means = (f"{check.mean:.4f}", f"{check.jaxrec:.4f}", f"{check.standard_errors_off:+.1f}")
        table.add_row(check.player, str(check.users), str(check.runs), check.figure.replace("_", " "), *means)
    return table


def speed_table(measurements: list[Measurement], copied: float | None, hardware: str) -> Table:
    """Time-steps a second, how many times that is what the rivals reach, and the share of the memory's bandwidth."""
    title = f"RewiringGame-v0, carvalho, local heuristic, on {hardware}"
    caption = "M: million time-steps a second, median; *: the best number of lanes; memory: "
    if copied is None:
        caption += "share of the bandwidth, on a GPU only (a CPU keeps societies in its caches)"
    else:
        caption += f"the least that must be moved, of the {copied / 1e9:,.0f} GB/s of a copy"
    heads = ("player", "lanes", "devices", "M", "min - max", "/ NetworkX", "/ Numba", "/ all cores", "memory")
    table = Table(*heads, "compile s", title=title, caption=caption)
    for users in sorted({one.users for one in measurements}):
        table.add_section()
        table.add_row(f"{users} users", style="bold")
        for one in measurements:
            if one.users != users:
                continue
            low, high = one.rates
            speed = f"{one.rate / 1e6:.3g}{' *' if one.best else ''}"
            ratios = (f"{ratio(one, rival, measurements):,.3g}" for rival in RIVALS)
            share = f"{_share(one, copied):.2%}" if copied and one.by == JAXREC else ""
            cells = (str(one.devices), speed, f"{low / 1e6:.3g} - {high / 1e6:.3g}", *ratios, share)
            table.add_row(one.by, f"{one.lanes:,}", *cells, f"{one.compile_s:.1f}")
    return table


def _share(one: Measurement, copied: float) -> float:
    """Of the bandwidth of the memory."""
    return one.rate * sum(traffic(one.users).values()) / copied


def crossover_lines(found: list[dict[str, Any]]) -> list[str]:
    """One sentence for each size and rival."""
    lines = []
    for one in found:
        passed = f"passes it from lanes = {one['lanes']:,}" if one["lanes"] else "never passes it at these sizes"
        lines.append(f"{one['users']} users, {one['rival']}: jaxrec {passed}.")
    return lines


def memory_line(found: dict[str, int]) -> str:
    """What the compiler says about copies."""
    mib = {name: f"{found[name] / 2**20:,.4g} MiB" for name in ("state", "alias", "temp", "peak")}
    return (
        f"{found['societies']:,} societies of {found['users']} users, in bytes by the compiler: state {mib['state']}, "
        f"updated in place {mib['alias']}, temporary {mib['temp']}, peak {mib['peak']}."
    )


def to_json(
    options: "Options", same: list[Check], measurements: list[Measurement], copied: float | None, needed: dict[str, int]
) -> dict[str, Any]:
    """All numbers, and what they were measured on."""
    config = {name: value for name, value in dataclasses.asdict(options).items() if name != "out"}
    about = manifest("benchmark", None, config)
    about["versions"]["numba"] = numba.__version__
    about["versions"]["networkx"] = rivals.nx.__version__
    rows = []
    for one in measurements:
        ratios = zip(("vs_networkx", "vs_numba", "vs_numba_all_cores"), RIVALS, strict=True)
        shares = {"share_of_bandwidth": _share(one, copied)} if copied and one.by == JAXREC else {}
        rows.append(one.to_json() | {name: ratio(one, rival, measurements) for name, rival in ratios} | shares)
    return {
        "environment": "RewiringGame-v0",
        "method": dataclasses.asdict(choose_method(options.generator, options.engine)),
        "manifest": about,
        "tolerance_standard_errors": TOLERANCE,
        "same_game": [dataclasses.asdict(check) for check in same],
        "measurements": rows,
        "crossovers": crossovers(measurements),
        "bytes_a_time_step": {str(users): traffic(users) for users in sorted({one.users for one in measurements})},
        "bandwidth_bytes_per_s": copied,
        "memory_bytes": needed,
        "limits": LIMITS,
    }


@dataclass
class Options(command.Options):
    """Times RewiringGame-v0 in jaxrec, in plain Python with NetworkX, and in Numba on one core and on all; minutes.

    Every figure comes from this one run on this one machine. First it checks that all three play the same game; then it
    prints time-steps a second (median, slowest and fastest of several runs) with ratios. Compilation is apart. On a CPU
    jaxrec spreads its lanes over all cores.
    """

    users: tuple[int, ...] = ()
    """Sizes of a society, each above 30; by default 100, 500 and 1000."""
    lanes: tuple[int, ...] = ()
    """Numbers of societies side by side in jaxrec; by default 4 to 1024, on a GPU up to 32 768."""
    repeats: int = 0
    """Timed runs of each; by default 3."""
    generator: str = "xoshiro"
    """Random numbers of jaxrec's time-steps: xoshiro or threefry."""
    engine: str = "auto"
    """Computes jaxrec's time-steps: xla; compiled; or auto, the compiled kernel if the machine and generator allow."""


def run(options: Options) -> dict[str, Any]:
    """Checks, measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    for name in ("users", "lanes"):
        for number in getattr(options, name):
            checks.positive(name, number)
    if options.repeats:
        checks.positive("repeats", options.repeats)
    if any(users <= rivals.DEGREE for users in options.users):
        raise InputError(f"users must be above {rivals.DEGREE}, the number of neighbours, got {options.users}")
    console = Console(width=None if sys.stdout.isatty() else 140)
    size, compiled_in = sizes(options, jax.default_backend()), compile_rivals(options.seed)
    measurements = []
    with console.status("checking that it is the same game") as status:
        same = same_game(size, options.seed)
        console.print(check_table(same))
        for users in size.users:
            players = (
                measure_rivals(size, users, options.seed, compiled_in),
                measure_jaxrec(size, users, options.seed),
            )
            for one in (one for player in players for one in player):
                measurements.append(one)
                status.update(f"measured {users} users, {one.by}, {one.lanes:,} lanes")
        status.update("asking the compiler about memory")
        copied = None if jax.default_backend() == "cpu" else bandwidth(size)
        needed = memory(size.memory_lanes, size.memory_users, size.method)
    result = to_json(options, same, measurements, copied, needed)
    console.print(speed_table(measurements, copied, describe(result["manifest"]["hardware"])))
    for line in (*crossover_lines(result["crossovers"]), memory_line(needed), LIMITS):
        console.print(line, highlight=False)
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", _cores())
    command.main("rewiring", Options, run)
