"""One agent for each run: its methods, jitted over an axis of runs, which is spread over devices."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, PartitionSpec

from jaxrec import checks
from jaxrec.runtime import sharding
from jaxrec.runtime.jit_by_class import jit
from jaxrec.training.best_policy import Evaluate, evaluated


def check_swept(agent: Any, swept: dict[str, Any], runs: int) -> None:
    """Raises InputError unless each is a hyper-parameter that is no static field, with a value for each run."""
    leaves = {field.name: None for field in dataclasses.fields(agent) if field.metadata.get("pytree_node", True)}
    for name, values in swept.items():
        checks.lookup(leaves, name, f"hyper-parameter that may be swept of {type(agent).__name__}")
        for leaf in jax.tree.leaves(values):
            checks.shaped(f"swept[{name!r}]", leaf, (runs, *leaf.shape[1:]))


def with_swept(agent: Any, swept: dict[str, Any]) -> Any:
    """`agent` with the hyper-parameters of one run, or of all."""
    return agent.replace(**swept) if swept else agent


@jit()
def experience(agent: Any, state: Any, params: Any) -> Any:
    """What the first batch will be learned from."""
    return jax.vmap(agent.experience)(state, params)


@jit(static_argnames=("evaluate", "mesh"))
def scores(evaluate: Evaluate, policy: Any, params: Any, keys: Array, mesh: Mesh) -> Array:
    """float[runs]: of a policy each."""
    return _by_runs(lambda _, *each: evaluated(evaluate, *each), mesh)((), policy, params, keys)


@jit(static_argnames="mesh")
def init(agent: Any, swept: dict[str, Any], keys: Array, params: Any, mesh: Mesh) -> Any:
    """The start of every training."""

    def init(agent: Any, swept: dict[str, Any], keys: Array, params: Any) -> Any:
        return jax.vmap(lambda swept, *run: with_swept(agent, swept).init(*run))(swept, keys, params)

    return _laid(_by_runs(init, mesh)(agent, swept, keys, params), mesh)


@jit()
def copied(state: Any) -> Any:
    """Every leaf in memory of its own, as `advance` takes them: outside `jit`, `init` may give the same array twice."""
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype, copy=True), state)


@jit(static_argnames="mesh", donate_argnames="state")
def advance(
    agent: Any, swept: dict[str, Any], state: Any, params: Any, first: Any, last: Any, mesh: Mesh
) -> tuple[Any, dict[str, Array]]:
    """Every training on by updates `first` ... `last` - 1; `state` is given away."""

    def advance(shared: Any, swept: dict[str, Any], state: Any, params: Any) -> Any:
        # The updates are counted outside the `vmap`: what depends on them alone, such as a reset, stays a branch.
        agent, first, last = shared
        return jax.vmap(lambda swept, *run: with_swept(agent, swept).advance(*run, first, last))(swept, state, params)

    state, metrics = _by_runs(advance, mesh)((agent, first, last), swept, state, params)
    return _laid(state, mesh), metrics


def _laid(state: Any, mesh: Mesh) -> Any:
    """`state` as `devices.put` lays it out: otherwise a second call would compile again."""
    return jax.lax.with_sharding_constraint(state, sharding.shardings(state, mesh)) if mesh.size > 1 else state


def _by_runs(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """`function` of what runs share, and of what has an axis of runs: each device takes its own."""
    if mesh.size == 1:
        return function

    def spread(shared: Any, *per_run: Any) -> Any:
        specs = (PartitionSpec(), *[PartitionSpec(sharding.RUNS)] * len(per_run))
        mapped = jax.shard_map(
            function,
            mesh=mesh,
            in_specs=specs,
            out_specs=PartitionSpec(sharding.RUNS),
            axis_names={sharding.RUNS},
            check_vma=False,
        )
        return mapped(shared, *per_run)

    return spread


@jax.jit
def nan_within(state: Any) -> Array:
    """float[runs]: 0, or NaN where NaN is anywhere in the state: the last update of a chunk is in no metric yet."""
    floats = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.size]
    found = (jnp.where(jnp.isnan(leaf).reshape(len(leaf), -1).any(axis=1), jnp.nan, 0.0) for leaf in floats)
    return sum(found, start=jnp.zeros(()))
