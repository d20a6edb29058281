"""Over which devices work is spread, by JAX's own engine: a mesh, `shard_map`, named sharding.

Runs are independent, and each device takes its own: nothing passes between devices. Environments of one run share what
they learn: XLA divides them (`shard_envs`) and adds the gradients up.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrec import checks
from jaxrec.runtime import processes

RUNS, ENVS = "runs", "envs"


def mesh(runs: int, envs: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """The devices that `runs` runs are trained on, as a mesh with axes `runs` and `envs`.

    As many as divide the runs, as many of each host: runs are not padded, which would train some that nobody asked for.
    Where runs cannot be divided among the hosts, each host trains them all.

    Args:
        runs: how many.
        envs: devices that share the environments of each run. More than 1 changes the order of sums.
        devices: to choose from; all of all hosts if None.

    Raises:
        InputError: if there are not so many devices.
    """
    checks.positive("runs", runs)
    checks.positive("envs", envs)
    by_host: dict[int, list[Any]] = {}
    for device in jax.devices() if devices is None else devices:
        by_host.setdefault(device.process_index, []).append(device)
    for each in range(min(map(len, by_host.values())), 0, -1):
        chosen = np.asarray([device for own in by_host.values() for device in own[:each]])
        if chosen.size % envs == 0 and runs % (chosen.size // envs) == 0:
            return Mesh(chosen.reshape(-1, envs), (RUNS, ENVS))
    if len(by_host) > 1:
        return mesh(runs, envs, jax.local_devices())
    raise checks.InputError(
        f"envs must be at most the devices there are, {sum(map(len, by_host.values()))}, got {envs}"
    )


def put(state: Any, mesh: Mesh) -> Any:
    """`state`, whose leaves begin with an axis of runs, over the devices of `mesh`.

    Raises:
        InputError: if the devices do not divide the environments.
    """
    if mesh.size == 1 and mesh.devices.item() == jax.local_devices()[0]:  # where it is unless it was put elsewhere
        return state
    return jax.tree.map(_put, state, shardings(state, mesh))


def _put(leaf: Any, sharding: NamedSharding) -> Any:
    if not processes.is_distributed():
        return jax.device_put(leaf, sharding)
    if not leaf.is_fully_addressable:  # placed before
        return leaf
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put(jax.random.key_data(leaf), sharding), impl=jax.random.key_impl(leaf))
    values = np.asarray(leaf)
    return jax.make_array_from_callback(values.shape, sharding, lambda part: values[part])


def to_local(state: Any) -> Any:
    """`state` over the devices of this process alone, where it lies on those of several."""
    leaves = jax.tree.leaves(state)
    if all(leaf.is_fully_addressable for leaf in leaves):
        return state
    return put(processes.all_gather(state), mesh(leaves[0].shape[0], devices=jax.local_devices()))


def shardings(state: Any, mesh: Mesh) -> Any:
    """How `state` lies on the devices: by runs, and the fields in `PER_ENV` of its class by environments too."""

    def by(*axes: str) -> Any:
        # XLA gives empty arrays back undivided.
        return lambda leaf: NamedSharding(mesh, PartitionSpec(*axes) if leaf.size else PartitionSpec())

    def by_env(leaf: Any) -> NamedSharding:
        if leaf.shape[1] % mesh.shape[ENVS]:
            raise checks.InputError(
                f"num_envs must be a multiple of envs={mesh.shape[ENVS]} devices, got {leaf.shape[1]}"
            )
        return by(RUNS, ENVS)(leaf)

    by_run = jax.tree.map(by(RUNS), state)
    names = getattr(type(state), "PER_ENV", ()) if mesh.shape[ENVS] > 1 else ()
    return by_run.replace(**{name: jax.tree.map(by_env, getattr(state, name)) for name in names}) if names else by_run


def shard_envs(tree: Any, axis: int = 0) -> Any:
    """`tree` with this axis of its leaves divided among the devices of `envs`, where there are several; traced code."""
    around = jax.sharding.get_abstract_mesh()
    if around.empty or around.shape.get(ENVS, 1) == 1:
        return tree
    spec = PartitionSpec(*[PartitionSpec.UNCONSTRAINED] * axis, ENVS)
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, spec), tree)
