"""Whole runs at full speed: many societies side by side, each to fixation or the limit.

Societies advance in lanes. Where one has finished, the next run of the queue takes its lane: no lane waits for the
slowest, and a sweep over parameters, recommenders and seeds is one call and one compilation, however long it is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrec import checks
from jaxrec.envs.rewiring import metrics
from jaxrec.envs.rewiring.dynamics import WORDS_PER_STEP, time_step
from jaxrec.envs.rewiring.env import RewiringGame, RewiringParams
from jaxrec.envs.rewiring.graph import bitset
from jaxrec.envs.rewiring.graph.society import Society, stack, unstack
from jaxrec.envs.rewiring.heuristics import Heuristic
from jaxrec.envs.rewiring.rules import Rules, resolve
from jaxrec.envs.rewiring.simulation.competition import Competition, settings
from jaxrec.runtime.progress import Meter, NoMeter

CHECK_EVERY = 5_000
CPU_LANES = (8, 64, 128)  # more no longer fit the cache; few sizes, so that one compilation serves many sweeps
REFILL = 8  # lanes filled at a time
START_BATCH = 256  # societies drawn side by side on a GPU
BLOCK = 50  # time-steps whose random numbers are drawn together


@dataclass(frozen=True)
class Simulation:
    """Where each run ended: NumPy arrays [runs].

    Attributes:
        steps: int, time-steps taken, a multiple of `check_every`.
        fixated: bool, all users had one strategy then.
        cooperation: float, the fraction of cooperators.
        opportunities: int, structural updates.
        requests: int, those in which a user wanted to rewire, executed or not.
        rewires: int, ties that moved.
        degree_variance, max_degree, assortativity: see `metrics`.
        shares: float[runs, kinds], the fraction of users with each recommender; [runs, 0] without competition.
        series: metric -> float[checks, runs], the same along the way (NaN after a run ended); empty unless asked for.
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
    series: dict[str, np.ndarray]

    @property
    def requests_per_opportunity(self) -> np.ndarray:
        """float[runs]; 0 where nobody could rewire."""
        return self.requests / np.maximum(self.opportunities, 1)


class Lanes(struct.PyTreeNode):
    """Societies under way, in the layout for many (see `society`); counts are int32[lanes]."""

    society: Society
    opportunities: Any
    requests: Any
    rewires: Any


def simulate(
    env: RewiringGame,
    recommenders: Any,
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
) -> Simulation:
    """Runs societies to fixation or `num_steps`.

    Args:
        env: users, degree, rules and start graph; `env.num_users <= 16 383`.
        recommenders: one for all users: a name or a `Heuristic`. A sequence of them: several kinds, each user with one.
            Or a `Heuristic` whose leaves begin with axes [runs, kinds]: see `per_run`.
        key: a typed key. Equal keys and shapes draw equal random numbers, whatever the parameters: as long as there are
            no more runs than lanes, runs that differ in `influence` alone are same-noise twins.
        params: run-time values; each leaf a scalar, or [runs].
        num_steps: the limit, a multiple of `check_every`.
        runs: how many; needed where no parameter says so.
        competition: where there are several kinds, how users come by them; the defaults if None.
        stop_at_fixation: whether runs end there, tested every `check_every` steps.
        check_every: time-steps between the tests.
        lanes: societies side by side; if None, as many as there are runs on a GPU, and 8, 64 or 128 on a CPU. Rounded
            up to a multiple of the devices, over which they are spread.
        series: also record every metric at every test.
        meter: told of the progress.

    Raises:
        InputError: for an unknown recommender, shares that do not sum to 1, counts that are not positive, a limit that
            `check_every` does not divide, parameters out of range, and for what is no environment of this kind, key,
            parameters, recommender or competition.
    """
    checks.positive("check_every", check_every)
    check_limit("num_steps", num_steps, check_every)
    checks.typed_key("key", key)
    queue = Queue(*settings(env, recommenders, params, competition, runs))
    count: int = queue.recommenders.local.shape[0]
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
    )
    return Simulation(**ends, series=_series(course, count, num_steps // check_every) if series else {})


def check_limit(name: str, num_steps: int, check_every: int = CHECK_EVERY) -> None:
    """Raises InputError for a limit that `simulate` refuses; `name` is what the caller calls it."""
    checks.positive(name, num_steps, checks.MOST_STEPS)
    if num_steps % check_every:
        raise checks.InputError(f"{name} must be a multiple of check_every={check_every}, got {num_steps}")


def _series(course: list[dict[str, np.ndarray]], runs: int, tests: int) -> dict[str, np.ndarray]:
    """The metrics at every test of every run: float[tests, runs, ...], NaN after its end."""
    every = int(course[0]["steps"][0])
    names = [name for name in course[0] if name not in ("run", "steps")]
    series = {name: np.full((tests, runs, *course[0][name].shape[1:]), np.nan) for name in names}
    for chunk in course:
        lanes = chunk["run"] >= 0
        place = chunk["steps"][lanes] // every - 1, chunk["run"][lanes]
        for name in names:
            series[name][place] = chunk[name][lanes]
    return series


def start_society(env: RewiringGame, key: Array, shares: Array, by_degree: bool) -> Society:
    """One society at its start: graph, strategies and recommenders of `env`, users of each kind by `shares`."""
    key_env, key_members = jax.random.split(key)
    society = env.start(key_env, with_degrees=by_degree)
    kinds = shares.shape[0]
    if kinds == 1:
        return society
    bounds = jnp.round(jnp.cumsum(shares) * env.num_users).astype(jnp.int32)
    place = jax.random.permutation(key_members, env.num_users)
    kind = jnp.searchsorted(bounds, place, side="right")
    return society.replace(members=bitset.pack(kind[:, None] == jnp.arange(kinds)).T)


class Queue(struct.PyTreeNode):
    """What every run of one call shares; arrays have [runs] first."""

    params: Any
    recommenders: Heuristic
    competition: Competition | None

    def lanes(self, runs: np.ndarray) -> "Queue":
        """What some of the runs were given, lanes last."""
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf[runs], 0, -1), self)

    def start(self, env: RewiringGame, key: Array, runs: np.ndarray) -> "Lanes":
        """Some of the runs at their start."""
        shares = jnp.ones((len(runs), 1)) if self.competition is None else self.competition.shares[runs]
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
) -> dict[str, np.ndarray]:
    """The metrics at the end of each run; `on_test` is told those of all lanes at every test."""
    runs = queue.recommenders.local.shape[0]
    mesh = Mesh(np.asarray(jax.local_devices()), ("lanes",))
    key_start, key = jax.random.split(key)
    lane_run = np.arange(lanes) % runs  # which run each lane works at; spare lanes repeat one
    working = np.arange(lanes) < runs
    waiting = list(range(lanes, runs))
    clock = np.zeros(lanes, int)
    state, setting = place(queue.start(env, key_start, lane_run), mesh), queue.lanes(lane_run)
    ends: dict[str, np.ndarray] = {}
    meter.start("simulating societies", runs)
    while working.any():
        key, key_chunk, key_fresh = jax.random.split(key, 3)
        state = advance(resolve(env.rules), state, key_chunk, setting, chunk, mesh)
        clock += chunk
        measured = {name: np.asarray(value) for name, value in measure_lanes(state).items()} | {"steps": clock}
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
            for first in range(0, refill.size, REFILL):
                into = np.full(REFILL, lanes)  # beyond the last lane: dropped
                into[: len(refill[first : first + REFILL])] = refill[first : first + REFILL]
                fresh = queue.start(env, jax.random.fold_in(key_fresh, first), lane_run[np.minimum(into, lanes - 1)])
                state = _replace(state, fresh, into)
            state, setting = place(state, mesh), queue.lanes(lane_run)
    return ends


@partial(jax.jit, static_argnames=("env", "by_degree"))
def start_lanes(env: RewiringGame, key: Array, shares: Array, by_degree: bool) -> Lanes:
    """Lanes at their start; shares is float[lanes, kinds]."""
    lanes = shares.shape[0]
    start = partial(start_society, env, by_degree=by_degree)
    shapes, structure = jax.tree.flatten(jax.eval_shape(start, key, shares[0]))

    def filled(inputs: tuple[Array, Array]) -> list[Array]:
        return [leaf for leaf in jax.tree.leaves(start(*inputs)) if leaf.size]

    # Not all side by side: drawing a graph takes a table of N x N. (And `map` cannot batch what is empty.)
    batch = None if jax.default_backend() == "cpu" else min(lanes, START_BATCH)
    leaves = iter(jax.lax.map(filled, (jax.random.split(key, lanes), shares), batch_size=batch))
    every = [next(leaves) if shape.size else jnp.zeros((lanes, *shape.shape), shape.dtype) for shape in shapes]
    society = jax.tree.unflatten(structure, every)
    none = jnp.zeros(lanes, jnp.int32)
    return Lanes(stack(society), none, none, none)


@jax.jit
def measure_lanes(state: Lanes) -> dict[str, Array]:
    """Metric -> [lanes, ...]: those of `metrics.measure`, the counts so far, and whether each has fixated."""
    society = unstack(state.society)
    counts = {name: getattr(state, name) for name in ("opportunities", "requests", "rewires")}
    return jax.vmap(metrics.measure)(society) | {"fixated": jax.vmap(metrics.is_fixated)(society)} | counts


@partial(jax.jit, donate_argnames="state")
def _replace(state: Lanes, fresh: Lanes, into: Array) -> Lanes:
    """`state` with lanes `into` (int[fresh lanes]) taken by `fresh`; a lane that does not exist takes nothing."""
    old, new = (lanes.replace(society=unstack(lanes.society)) for lanes in (state, fresh))
    mixed = jax.tree.map(lambda a, b: a.at[into].set(b, mode="drop"), old, new)
    return mixed.replace(society=stack(mixed.society))


@partial(jax.jit, static_argnames=("rules", "num_steps", "mesh"), donate_argnames="state")
def advance(rules: Rules, state: Lanes, key: Array, setting: Any, num_steps: int, mesh: Mesh) -> Lanes:
    """`state` after `num_steps` time-steps of every lane; the carried state is updated in place.

    Args:
        rules: which game.
        state: the lanes.
        key: a typed key.
        setting: params, recommenders and competition; leaves have lanes last.
        num_steps: best a multiple of `BLOCK`.
        mesh: devices over which the lanes are spread.
    """
    lanes = state.requests.shape[0]
    block = math.gcd(BLOCK, num_steps)
    steps = partial(_advance_block, rules)
    if mesh.size > 1:
        steps = jax.shard_map(
            steps,
            mesh=mesh,
            in_specs=(_spread(state), PartitionSpec(None, None, "lanes"), jax.tree.map(_last_axis, setting)),
            out_specs=_spread(state),
            check_vma=False,
        )

    def body(state: Lanes, key: Array) -> tuple[Lanes, None]:
        # Drawn for all lanes, so that numbers do not depend on the devices: each draws its part of them.
        words = jax.random.bits(key, (block, WORDS_PER_STEP, lanes), jnp.uint32)
        return steps(state, words, setting), None

    return jax.lax.scan(body, state, jax.random.split(key, num_steps // block))[0]


def place(state: Lanes, mesh: Mesh) -> Lanes:
    """`state` where `advance` leaves it, over the devices: otherwise a second call would compile again."""
    return (
        state if mesh.size == 1 else jax.device_put(state, jax.tree.map(partial(NamedSharding, mesh), _spread(state)))
    )


def _spread(state: Lanes) -> Any:
    """How the axis of lanes of each leaf lies on the devices."""
    spec = jax.tree.map(_last_axis, state)
    leading = {name: PartitionSpec("lanes") for name in ("adjacency", "edges") if getattr(state.society, name).size}
    return spec.replace(society=spec.society.replace(**leading))


def _last_axis(leaf: Array) -> PartitionSpec:
    return PartitionSpec(*[None] * (leaf.ndim - 1), "lanes") if leaf.size else PartitionSpec()


def _advance_block(rules: Rules, state: Lanes, words: Array, setting: Any) -> Lanes:
    """`state` after as many time-steps as there are `words` (uint32[steps, WORDS_PER_STEP, lanes]), on one device."""

    def step(state: Lanes, words: Array) -> tuple[Lanes, None]:
        society, events = time_step(
            state.society, words, rules, setting.params, setting.recommenders, setting.competition
        )
        opportunities = state.opportunities + events.opportunity
        return Lanes(society, opportunities, state.requests + events.request, state.rewires + events.rewire), None

    return jax.lax.scan(step, state, words)[0]
