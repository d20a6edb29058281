"""Time-steps by a compiled kernel (`kernel/`) in place of XLA's program, on a CPU where there is a C++ compiler."""

import dataclasses
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec.envs.rewiring.games import PublicGoods
from jaxrec.envs.rewiring.graph.society import stack, unstack
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.envs.rewiring.simulation.lanes import Lanes
from jaxrec.runtime import native

TARGET = "jaxrec_rewiring_advance"
SOURCE = Path(__file__).parent / "kernel" / "advance.cc"


@cache
def is_available() -> bool:
    """Whether JAX computes on a CPU and the kernel is built, which is done on the first call."""
    if jax.default_backend() != "cpu" or (library := native.library(SOURCE)) is None:
        return False
    jax.ffi.register_ffi_target(TARGET, jax.ffi.pycapsule(library.RewiringAdvance), platform="cpu")
    return True


def advance(rules: Rules, num_steps: int, state: Lanes, seeds: Array, setting: PyTree) -> Lanes:
    """Advances the lanes of one device.

    The law of the result is that of `dynamics.time_step`. Given the same seeds the results are the same too, but for
    decisions that hang on the last digit of a float.

    Args:
        rules: which game.
        num_steps: time-steps.
        state: the lanes, updated in place.
        seeds: uint32[4, lanes], from `random.seed`.
        setting: params, recommenders and competition; leaves have lanes as the last axis.

    Returns:
        The lanes after the time-steps.
    """
    society = unstack(state.society)
    counts = jnp.stack([state.opportunities, state.requests, state.rewires], axis=-1)
    inputs = (society.adjacency, society.cooperators, society.members, society.edges, society.degrees, counts)
    call = jax.ffi.ffi_call(
        TARGET,
        [jax.ShapeDtypeStruct(one.shape, one.dtype) for one in inputs],
        input_output_aliases={index: index for index in range(len(inputs))},
    )
    *arrays, counts = call(*inputs, seeds.T, _params(setting), _kinds(setting), **_attributes(rules, num_steps))
    names = [field.name for field in dataclasses.fields(society)]
    return Lanes(stack(society.replace(**dict(zip(names, arrays, strict=True)))), *counts.T)


def _attributes(rules: Rules, num_steps: int) -> dict[str, np.bool_ | np.int32 | np.float32]:
    """The attributes of the call, with the types that the kernel expects."""
    flags = {
        "clipped": rules.imitation == "clipped",
        "self_gate": rules.gate == "self",
        "single_clock": rules.single_clock,
        "edge": rules.pair == "edge",
        "focal": rules.initiative == "focal",
        "average": rules.fitness == "average",
    }
    goods = rules.game if isinstance(rules.game, PublicGoods) else None
    flags |= {"goods": goods is not None, "by_player": goods is not None and goods.cost == "player"}
    attributes: dict[str, np.bool_ | np.int32 | np.float32] = {name: np.bool_(flag) for name, flag in flags.items()}
    attributes["factor"] = np.float32(0 if goods is None else goods.factor)
    return attributes | {"num_steps": np.int32(num_steps), "unfocused": np.int32(rules.unfocused)}


def _params(setting: PyTree) -> Array:
    """float32[lanes, 7]: `Params` of the kernel."""
    params, rivalry = setting.params, setting.competition
    own = [params.influence, params.beta, params.temptation, params.sucker, params.timescale]
    rivals = [jnp.zeros_like(params.beta)] * 2 if rivalry is None else [rivalry.timescale, rivalry.beta]
    return jnp.stack([jnp.asarray(leaf, jnp.float32) for leaf in own + rivals], axis=-1)


def _kinds(setting: PyTree) -> Array:
    """int32[lanes, kinds, 7]: `Kind` of the kernel."""
    one = setting.recommenders
    accepts = one.accepts.reshape(one.accepts.shape[0], 4, -1)
    columns = [*jnp.moveaxis(accepts, 1, 0), one.local, one.degree, one.exclusive]
    return jnp.stack([jnp.asarray(leaf, jnp.int32) for leaf in columns], axis=-1).swapaxes(0, 1)
