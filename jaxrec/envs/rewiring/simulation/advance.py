"""The time-steps of lanes: by XLA or by a compiled kernel, with random numbers of a small generator or of JAX's own."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import PyTree

from jaxrec import checks, random
from jaxrec.envs.rewiring.dynamics import time_step
from jaxrec.envs.rewiring.meetings import WORDS_PER_STEP
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.envs.rewiring.simulation import compiled
from jaxrec.envs.rewiring.simulation.lanes import Lanes, last_axis, partition

BLOCK = 50  # time-steps whose random numbers are drawn together, by threefry
Generator = Literal["xoshiro", "threefry"]
Engine = Literal["xla", "compiled", "pallas"]


@dataclass(frozen=True)
class Method:
    """How time-steps are computed.

    Attributes:
        generator: "xoshiro", `jaxrec.random`, or "threefry", JAX's own.
        engine: "xla"; or a kernel that draws from xoshiro: "compiled" of a CPU, "pallas" of a GPU.
    """

    generator: Generator = "xoshiro"
    engine: Engine = "xla"


def check_method(generator: str, engine: str) -> None:
    """Raises InputError for an unknown generator or engine, and for a kernel that has not the generator."""
    checks.lookup(dict.fromkeys(get_args(Generator)), generator, "generator")
    checks.lookup(dict.fromkeys(("auto", *get_args(Engine))), engine, "engine")
    if engine in ("compiled", "pallas") and generator != "xoshiro":
        raise checks.InputError(f"engine {engine!r} draws from generator 'xoshiro', got {generator!r}")


def choose_method(generator: str, engine: str) -> Method:
    """Checks the arguments of `simulate` and chooses an engine if it is left open.

    Args:
        generator: "xoshiro" or "threefry".
        engine: "xla", "compiled", "pallas", or "auto": "compiled" where it is available and draws from `generator`.

    Returns:
        How time-steps are computed.

    Raises:
        InputError: for other values, and for a kernel that is not available or has not the generator.
    """
    check_method(generator, engine)
    if generator == "threefry" or engine == "xla":
        return Method("xoshiro" if generator == "xoshiro" else "threefry", "xla")
    if engine == "pallas":
        return Method("xoshiro", "pallas")
    if compiled.is_available():
        return Method("xoshiro", "compiled")
    if engine == "compiled":
        raise checks.InputError("engine 'compiled' needs a CPU and a C++ compiler; 'xla' and 'auto' do without")
    return Method("xoshiro", "xla")


@partial(jax.jit, static_argnames=("rules", "num_steps", "mesh", "method"), donate_argnames="state")
def advance(
    rules: Rules,
    state: Lanes,
    key: Array,
    setting: PyTree,
    num_steps: int,
    mesh: Mesh,
    method: Method = Method(),
) -> Lanes:
    """Advances every lane by `num_steps` time-steps.

    Args:
        rules: which game.
        state: the lanes; donated, so that they are updated in place.
        key: a typed key.
        setting: params, recommenders and competition; leaves have lanes as the last axis.
        num_steps: with threefry, fastest if a multiple of `BLOCK`.
        mesh: devices over which the lanes are sharded.
        method: the random numbers, and what computes.

    Returns:
        The lanes after the time-steps.
    """
    lanes = state.requests.shape[0]
    # Numbers are drawn, or seeded, for all lanes, so that they do not depend on the devices: each takes its shard.
    if method.generator == "xoshiro":
        steps = _sharded(partial(_seeded(method.engine), rules, num_steps), state, setting, mesh, 2)
        return steps(state, random.seed(key, lanes), setting)
    block = math.gcd(BLOCK, num_steps)
    steps = _sharded(partial(_advance_block, rules), state, setting, mesh, 3)

    def body(state: Lanes, key: Array) -> tuple[Lanes, None]:
        words = jax.random.bits(key, (block, WORDS_PER_STEP, lanes), jnp.uint32)
        return steps(state, words, setting), None

    return jax.lax.scan(body, state, jax.random.split(key, num_steps // block))[0]


def _sharded(
    steps: Callable[[Lanes, Array, PyTree], Lanes], state: Lanes, setting: PyTree, mesh: Mesh, axes: int
) -> Callable[[Lanes, Array, PyTree], Lanes]:
    """Lets each device advance its lanes.

    Args:
        steps: advances lanes, given random numbers and a setting.
        state: the lanes.
        setting: their params, recommenders and competition.
        mesh: the devices.
        axes: of the random numbers, the last of them lanes.

    Returns:
        The same function of all lanes.
    """
    if mesh.size == 1:
        return steps
    numbers = PartitionSpec(*[None] * (axes - 1), "lanes")
    return jax.shard_map(
        steps,
        mesh=mesh,
        in_specs=(partition(state), numbers, jax.tree.map(last_axis, setting)),
        out_specs=partition(state),
        check_vma=False,
    )


def _advance_seeded(rules: Rules, num_steps: int, state: Lanes, seeds: Array, setting: PyTree) -> Lanes:
    """Advances the lanes of one device by `num_steps` time-steps; `seeds` is uint32[random.STATE_WORDS, lanes]."""

    def step(carry: tuple[Lanes, Array], _: None) -> tuple[tuple[Lanes, Array], None]:
        numbers, words = random.draw(carry[1], WORDS_PER_STEP)
        return (_advance_once(rules, carry[0], words, setting), numbers), None

    return jax.lax.scan(step, (state, seeds), length=num_steps)[0][0]


def _seeded(engine: str) -> Callable[[Rules, int, Lanes, Array, PyTree], Lanes]:
    """What advances the lanes of one device, given rules, a number of time-steps, lanes, seeds and setting."""
    if engine == "pallas":
        from jaxrec.envs.rewiring.simulation import fused  # not before: not every jaxlib has Triton

        return fused.advance
    return compiled.advance if engine == "compiled" else _advance_seeded


def _advance_block(rules: Rules, state: Lanes, words: Array, setting: PyTree) -> Lanes:
    """Advances the lanes of one device by one time-step for each of `words` (uint32[steps, WORDS_PER_STEP, lanes])."""
    return jax.lax.scan(lambda state, words: (_advance_once(rules, state, words, setting), None), state, words)[0]


def _advance_once(rules: Rules, state: Lanes, words: Array, setting: PyTree) -> Lanes:
    """Advances lanes by one time-step, given uint32[WORDS_PER_STEP, lanes]."""
    society, events = time_step(state.society, words, rules, setting.params, setting.recommenders, setting.competition)
    opportunities = state.opportunities + events.opportunity
    return Lanes(society, opportunities, state.requests + events.request, state.rewires + events.rewire)
