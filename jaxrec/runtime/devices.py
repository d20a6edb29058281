"""The mesh of devices that a training runs on, and arrays on it.

Runs are independent: each device has its own, and no collective joins them. The environments of one run share its
network: XLA divides them (`sharding.shard_envs`) and adds up the gradients.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding
from jax.typing import ArrayLike
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.runtime import processes
from jaxrec.runtime.sharding import ENVS, RUNS, shardings


def mesh(runs: int, envs: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """Chooses the devices that `runs` runs are trained on.

    Their number divides the runs, and each host gives the same number: runs are not padded, since padding would train
    runs that nobody needs. Where the hosts do not divide the runs, each host trains them all.

    Args:
        runs: the number of runs, at least 1.
        envs: devices that share the environments of each run, at least 1. More than 1 changes the order of sums.
        devices: to choose from; all devices of all hosts if None.

    Returns:
        A mesh with axes `runs` and `envs`.

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


def put(state: PyTree, mesh: Mesh, beside: PyTree = ()) -> PyTree:
    """Puts `state`, whose leaves have a leading axis of runs, on the devices of `mesh`.

    Args:
        state: of all runs.
        mesh: the devices.
        beside: what it will be computed with.

    Returns:
        `state`; what belongs on the default device is left free to move, unless something `beside` it is not.

    Raises:
        InputError: if the devices do not divide the environments.
    """
    if mesh.size == 1 and mesh.devices.item() == jax.local_devices()[0]:  # its default place
        return bound_like(state, beside)
    return jax.tree.map(_put, state, shardings(state, mesh))


def _put(leaf: Array, sharding: NamedSharding) -> Any:
    if not processes.is_distributed():
        return jax.device_put(leaf, sharding)
    if not leaf.is_fully_addressable:  # on its devices already
        return leaf
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put(jax.random.key_data(leaf), sharding), impl=jax.random.key_impl(leaf))
    values = np.asarray(leaf)
    return jax.make_array_from_callback(values.shape, sharding, lambda part: values[part])


def bound_like(state: PyTree, beside: PyTree) -> PyTree:
    """`state`, bound to the device that something `beside` it is bound to, if that is one device.

    What is computed of both is bound then. A loop that began with a state that is not would compile its step twice.
    """
    bound = {at for leaf in jax.tree.leaves(beside) if getattr(leaf, "committed", False) for at in leaf.devices()}
    return jax.device_put(state, bound.pop()) if len(bound) == 1 else state


def to_local(state: PyTree) -> PyTree:
    """Puts a `state` that lies on devices of several processes on those of this process alone."""
    leaves = jax.tree.leaves(state)
    if all(leaf.is_fully_addressable for leaf in leaves):
        return state
    return put(processes.all_gather(state), mesh(leaves[0].shape[0], devices=jax.local_devices()))


def gathered(state: PyTree) -> PyTree:
    """Puts a `state` of this process on its first device.

    What takes one run after another out of a sharded state would be computed on every device, the same on each. What is
    there already is not bound to it: programs that were compiled for what is free would be compiled again.
    """
    first = jax.local_devices()[0]

    def there(leaf: ArrayLike) -> bool:
        return not isinstance(leaf, Array) or leaf.devices() == {first}

    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if there(leaf) else jax.device_put(leaf, first), state)
