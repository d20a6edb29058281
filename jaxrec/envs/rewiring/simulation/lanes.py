"""Societies side by side on one machine: their start, their metrics, and how they lie on the devices."""

from functools import partial
from typing import no_type_check

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int, PyTree

from jaxrec.envs.rewiring import metrics
from jaxrec.envs.rewiring.env import RewiringGame, RewiringParams
from jaxrec.envs.rewiring.graph import starts
from jaxrec.envs.rewiring.graph.society import Society, stack, unstack
from jaxrec.envs.rewiring.rules import Rules

START_BATCH = 256  # societies drawn at once on a GPU


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Lanes(struct.PyTreeNode):
    """Societies in the layout for many (`graph.society`), and counts since their start: int32[lanes] each."""

    society: Society
    opportunities: Int[Array, " lanes"]
    requests: Int[Array, " lanes"]
    rewires: Int[Array, " lanes"]


def start_society(env: RewiringGame, key: Array, shares: Array, by_degree: bool) -> Society:
    """Draws one society at its start.

    Args:
        env: gives graph and strategies.
        key: a typed key.
        shares: float[kinds], the fraction of users of each recommender; rounded to whole users and shuffled.
        by_degree: whether a recommender reads degrees.

    Returns:
        One society; without members if there is one kind.
    """
    key_env, key_members = jax.random.split(key)
    society = env.start(key_env, with_degrees=by_degree)
    if shares.shape[0] == 1:
        return society
    return society.replace(members=starts.members(key_members, shares, env.num_users))


@partial(jax.jit, static_argnames=("env", "by_degree"))
def start_lanes(env: RewiringGame, key: Array, shares: Array, by_degree: bool) -> Lanes:
    """Draws lanes at their start.

    Args:
        env: gives graph and strategies.
        key: a typed key, split over the lanes.
        shares: float[lanes, kinds], the fraction of users of each recommender.
        by_degree: whether a recommender reads degrees.

    Returns:
        Lanes whose counts are 0.
    """
    lanes = shares.shape[0]
    start = partial(start_society, env, by_degree=by_degree)
    shapes, structure = jax.tree.flatten(jax.eval_shape(start, key, shares[0]))

    def filled(inputs: tuple[Array, Array]) -> list[Array]:
        return [leaf for leaf in jax.tree.leaves(start(*inputs)) if leaf.size]

    # Not all at once: drawing a graph takes a table of N x N. (`map` cannot batch empty leaves.)
    batch = None if jax.default_backend() == "cpu" else min(lanes, START_BATCH)
    leaves = iter(jax.lax.map(filled, (jax.random.split(key, lanes), shares), batch_size=batch))
    every = [next(leaves) if shape.size else jnp.zeros((lanes, *shape.shape), shape.dtype) for shape in shapes]
    society = jax.tree.unflatten(structure, every)
    none = jnp.zeros(lanes, jnp.int32)
    return Lanes(stack(society), none, none, none)


@partial(jax.jit, static_argnames="rules")
def measure_lanes(state: Lanes, params: RewiringParams, rules: Rules, ties: Array | int) -> dict[str, Array]:
    """Computes metrics of lanes.

    Args:
        state: the lanes.
        params: run-time values, [lanes].
        rules: which game.
        ties: int[], E.

    Returns:
        Metrics, the counts so far and `fixated`: metric -> [lanes, ...].
    """
    society = unstack(state.society)
    counts = {name: getattr(state, name) for name in ("opportunities", "requests", "rewires")}
    of_kinds = jax.vmap(partial(metrics.of_kinds, rules=rules))(society, params)
    measured = jax.vmap(partial(metrics.measure, ties=ties))(society) | of_kinds
    return measured | {"fixated": jax.vmap(metrics.is_fixated)(society)} | counts


@partial(jax.jit, donate_argnames="state")
def replace_lanes(state: Lanes, fresh: Lanes, into: Array) -> Lanes:
    """Replaces some lanes.

    Args:
        state: the lanes; donated.
        fresh: the lanes that replace them.
        into: int[fresh lanes], the lane that each takes; beyond the last lane it is dropped.

    Returns:
        The lanes after the replacement.
    """
    old, new = (lanes.replace(society=unstack(lanes.society)) for lanes in (state, fresh))
    mixed = jax.tree.map(lambda a, b: a.at[into].set(b, mode="drop"), old, new)
    return mixed.replace(society=stack(mixed.society))


def place(state: Lanes, mesh: Mesh) -> Lanes:
    """Shards lanes over the devices as `advance` returns them, so that a second call does not compile again."""
    if mesh.size == 1:
        return state
    return jax.device_put(state, jax.tree.map(partial(NamedSharding, mesh), partition(state)))


def partition(state: Lanes) -> PyTree:
    """The partition of each leaf: its axis of lanes is sharded."""
    spec = jax.tree.map(last_axis, state)
    leading = {name: PartitionSpec("lanes") for name in ("adjacency", "edges") if getattr(state.society, name).size}
    return spec.replace(society=spec.society.replace(**leading))


def last_axis(leaf: Array) -> PartitionSpec:
    """The partition of an array whose last axis is lanes; an empty one is replicated."""
    return PartitionSpec(*[None] * (leaf.ndim - 1), "lanes") if leaf.size else PartitionSpec()
