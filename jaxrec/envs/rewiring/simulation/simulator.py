"""Whole runs at full speed: many societies side by side, each to fixation or the limit.

Societies advance in lanes. If one has finished, the next run of the queue takes its lane: no lane waits for the
slowest, and a sweep over parameters, recommenders and seeds is one call and one compilation, however long it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.sharding import Mesh

from jaxrec import checks
from jaxrec.envs.rewiring.env import RewiringGame, RewiringParams
from jaxrec.envs.rewiring.heuristics import Heuristic
from jaxrec.envs.rewiring.simulation.advance import Method, advance, choose_method
from jaxrec.envs.rewiring.simulation.competition import Competition, settings
from jaxrec.envs.rewiring.simulation.lanes import (
    Lanes,
    measure_lanes,
    place,
    replace_lanes,
    start_lanes,
)
from jaxrec.runtime.progress import Meter, NoMeter

CHECK_EVERY = 5_000
CPU_LANES = (8, 64, 128)  # more exceed the cache; few sizes, so that one compilation serves many sweeps
REFILL_LANES = 8  # refilled at a time


@dataclass(frozen=True)
class Simulation:
    """The end of each run: NumPy arrays [runs].

    Attributes:
        steps: int, time-steps taken, a multiple of `check_every`.
        fixated: bool, all users had one strategy at the end.
        cooperation: float, the fraction of cooperators.
        opportunities: int, structural updates.
        requests: int, structural updates in which a user wanted to rewire, executed or not.
        rewires: int, ties that moved.
        degree_variance, max_degree, assortativity: float, int, float; `metrics.measure` defines them.
        shares: float[runs, kinds], the fraction of users with each recommender; [runs, 0] without competition.
        kind_degree, kind_payoff, kind_cooperation: float[runs, kinds], of the users of each recommender
            (`metrics.of_kinds`); NaN where it has none.
        series: metric -> float[tests, runs], the metrics at every test (NaN after the end); empty unless requested.
        generator, engine: the random numbers, and what computed: "xla", "compiled" or "pallas".
    """

    steps: np.ndarray
    fixated: np.ndarray
    cooperation: np.ndarray
    opportunities: np.ndarray
    requests: np.ndarray
    rewires: np.ndarray
    degree_variance: np.ndarray
    max_degree: np.ndarray
    assortativity: np.ndarray
    shares: np.ndarray
    kind_degree: np.ndarray
    kind_payoff: np.ndarray
    kind_cooperation: np.ndarray
    series: dict[str, np.ndarray]
    generator: str
    engine: str

    @property
    def requests_per_opportunity(self) -> np.ndarray:
        """float[runs]; 0 in runs without opportunities."""
        return self.requests / np.maximum(self.opportunities, 1)


def simulate(
    env: RewiringGame,
    recommenders: str | Heuristic | Sequence[str | Heuristic],
    key: Array,
    params: RewiringParams | None = None,
    num_steps: int = 500_000,
    runs: int | None = None,
    competition: Competition | None = None,
    stop_at_fixation: bool = True,
    check_every: int = CHECK_EVERY,
    lanes: int | None = None,
    series: bool = False,
    meter: Meter | None = None,
    generator: str = "xoshiro",
    engine: str = "auto",
) -> Simulation:
    """Runs societies to fixation or `num_steps`.

    Args:
        env: gives the number of users, the degree, rules and start graph.
        recommenders: one for all users, a name or a `Heuristic`; a sequence of them, of which each user has one; or a
            `Heuristic` whose leaves have leading axes [runs, kinds], as `per_run` returns.
        key: a typed key. Equal keys and shapes draw equal random numbers, for any parameters: as long as there are
            no more runs than lanes, runs that differ in `influence` alone are same-noise twins.
        params: run-time values; each leaf a scalar, or [runs].
        num_steps: the limit in time-steps, a multiple of `check_every`.
        runs: their number, from 1; inferred from leaves [runs] if None, else 1.
        competition: how several kinds of recommenders share the users; the defaults if None.
        stop_at_fixation: whether runs end at fixation, tested every `check_every` steps.
        check_every: time-steps between two tests, from 1.
        lanes: societies side by side; if None, one for each run on a GPU, and 8, 64 or 128 on a CPU. Rounded up to a
            multiple of the devices, over which they are sharded.
        series: whether every metric is recorded at every test.
        meter: shows the progress.
        generator: of the random numbers after the start: "xoshiro", `jaxrec.random`; or "threefry", JAX's own.
        engine: "xla"; "compiled", a kernel for CPUs that the C++ compiler of the machine builds once, with the
            generator xoshiro; "auto", that kernel where it can be had, else XLA; or "pallas", one kernel for GPUs that
            no GPU has timed yet (a CPU interprets it, slowly), for games of two players with one recommender that reads
            no degrees. The law of the runs is the same.

    Returns:
        The end of each run, in order.

    Raises:
        InputError: for an unknown recommender, shares that do not sum to 1, counts that are not positive, a limit that
            `check_every` does not divide, parameters out of range, arguments of another type, an unknown generator or
            engine, and a kernel that cannot be had or does not cover the game.
    """
    checks.positive("check_every", check_every)
    check_limit("num_steps", num_steps, check_every)
    checks.typed_key("key", key)
    method = choose_method(generator, engine)
    queue = Queue(*settings(env, recommenders, params, competition, runs))
    if method.engine == "pallas":
        from jaxrec.envs.rewiring.simulation import fused

        fused.check_covered(env.law, queue.recommenders)
    count = np.shape(queue.recommenders.local)[0]
    devices = jax.local_device_count()
    width = count if jax.default_backend() != "cpu" else next((n for n in CPU_LANES if n >= count), CPU_LANES[-1])
    if lanes is not None:
        checks.positive("lanes", lanes)
        width = lanes
    width = -(-width // devices) * devices
    course: list[dict[str, np.ndarray]] = []
    ends = _run(
        env,
        queue,
        key,
        width,
        num_steps,
        check_every,
        stop_at_fixation,
        course.append if series else lambda measured: None,
        NoMeter() if meter is None else meter,
        method,
    )
    every_test = _series(course, count, num_steps // check_every) if series else {}
    return Simulation(**ends, series=every_test, **vars(method))


def check_limit(name: str, num_steps: int, check_every: int = CHECK_EVERY) -> None:
    """Checks a limit of `simulate`.

    Args:
        name: of the limit, for the message.
        num_steps: the limit in time-steps.
        check_every: time-steps between two tests.

    Raises:
        InputError: unless the limit is a positive multiple of `check_every`.
    """
    checks.positive(name, num_steps, checks.MOST_STEPS)
    if num_steps % check_every:
        raise checks.InputError(f"{name} must be a multiple of check_every={check_every}, got {num_steps}")


def _series(course: list[dict[str, np.ndarray]], runs: int, tests: int) -> dict[str, np.ndarray]:
    """Sorts metrics of lanes by test and run: metric -> float[tests, runs, ...], NaN after the end of a run."""
    every = int(course[0]["steps"][0])
    names = [name for name in course[0] if name not in ("run", "steps")]
    series = {name: np.full((tests, runs, *course[0][name].shape[1:]), np.nan) for name in names}
    for chunk in course:
        lanes = chunk["run"] >= 0
        place = chunk["steps"][lanes] // every - 1, chunk["run"][lanes]
        for name in names:
            series[name][place] = chunk[name][lanes]
    return series


class Queue(struct.PyTreeNode):
    """The settings of every run of one call; arrays have a leading axis of runs."""

    params: RewiringParams
    recommenders: Heuristic
    competition: Competition | None

    def lanes(self, runs: np.ndarray) -> "Queue":
        """Returns the settings of some of the runs, with lanes as the last axis."""
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf[runs], 0, -1), self)

    def start(self, env: RewiringGame, key: Array, runs: np.ndarray) -> Lanes:
        """Draws some of the runs at their start.

        Args:
            env: gives graph and strategies.
            key: a typed key, split over the runs.
            runs: int[lanes], which of them.

        Returns:
            Lanes whose counts are 0.
        """
        shares = jnp.ones((len(runs), 1)) if self.competition is None else self.competition.shares[runs]  # type: ignore
        return start_lanes(env, key, shares, bool((np.asarray(self.recommenders.degree) != 0).any()))


def _run(
    env: RewiringGame,
    queue: Queue,
    key: Array,
    lanes: int,
    limit: int,
    chunk: int,
    stop_at_fixation: bool,
    on_test: Callable[[dict[str, np.ndarray]], None],
    meter: Meter,
    method: Method,
) -> dict[str, np.ndarray]:
    """Runs every society of the queue to its end, and gives the metrics there: metric -> [runs, ...].

    There are `lanes` societies side by side, tested every `chunk` time-steps; `on_test` is called with the metrics of
    all lanes.
    """
    runs = np.shape(queue.recommenders.local)[0]
    mesh = Mesh(np.asarray(jax.local_devices()), ("lanes",))
    key_start, key = jax.random.split(key)
    lane_run = np.arange(lanes) % runs  # the run of each lane; spare lanes repeat one
    working = np.arange(lanes) < runs
    waiting = list(range(lanes, runs))
    clock = np.zeros(lanes, int)
    state, setting = place(queue.start(env, key_start, lane_run), mesh), queue.lanes(lane_run)
    ends: dict[str, np.ndarray] = {}
    meter.start("simulating societies", runs)
    while working.any():
        key, key_chunk, key_fresh = jax.random.split(key, 3)
        state = advance(env.law, state, key_chunk, setting, chunk, mesh, method)
        clock += chunk
        found = measure_lanes(state, setting.params, env.law, env.num_ties)
        measured = {name: np.asarray(value) for name, value in found.items()} | {"steps": clock}
        done = working & ((clock >= limit) | (stop_at_fixation & measured["fixated"]))
        for name, value in measured.items():
            ends.setdefault(name, np.zeros((runs, *value.shape[1:]), value.dtype))[lane_run[done]] = value[done]
        on_test(measured | {"steps": clock.copy(), "run": np.where(working, lane_run, -1)})
        for _ in range(done.sum()):
            meter.advance()
        working &= ~done
        refill = np.flatnonzero(done)[: len(waiting)]
        if refill.size:
            lane_run[refill], waiting = waiting[: refill.size], waiting[refill.size :]
            clock[refill], working[refill] = 0, True
            state = _refilled(env, queue, state, key_fresh, lane_run, refill)
            state, setting = place(state, mesh), queue.lanes(lane_run)
    return ends


def _refilled(
    env: RewiringGame, queue: Queue, state: Lanes, key: Array, lane_run: np.ndarray, refill: np.ndarray
) -> Lanes:
    """Starts the runs `lane_run` in the lanes `refill`, `REFILL_LANES` at a time."""
    lanes = len(lane_run)
    for first in range(0, refill.size, REFILL_LANES):
        into = np.full(REFILL_LANES, lanes)  # beyond the last lane: dropped
        into[: len(refill[first : first + REFILL_LANES])] = refill[first : first + REFILL_LANES]
        fresh = queue.start(env, jax.random.fold_in(key, first), lane_run[np.minimum(into, lanes - 1)])
        state = replace_lanes(state, fresh, into)
    return state
