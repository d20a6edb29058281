"""Several processes that compute together, one a host or one a device: `jax.distributed` between them.

Every process runs the same program with the same arguments and computes the same results; the first alone writes files
and shows progress. It broadcasts to the others what it alone knows, such as the content of a file.
"""

import os
import pickle
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jaxrec import checks

T = TypeVar("T")

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def initialize(environment: Mapping[str, str] = os.environ) -> None:
    """Joins the other processes that the environment variables name, before JAX uses a device.

    Either the processes are tasks of one `srun`, which JAX detects, or the variables are `JAX_COORDINATOR_ADDRESS`
    (host:port of the first process), `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`.

    Raises:
        InputError: if only some of those variables are set, or one has a wrong value.
    """
    given = {name: environment[name] for name in VARIABLES if name in environment}
    if given:
        missing = [name for name in VARIABLES if name not in given]
        if missing:
            raise checks.InputError(f"{', '.join(given)} also needs {', '.join(missing)}")
        if jax.distributed.is_initialized():
            return
        address = given["JAX_COORDINATOR_ADDRESS"]
        if not re.fullmatch(r".+:\d+", address):
            raise checks.InputError(f"JAX_COORDINATOR_ADDRESS must be host:port, got {address!r}")
        count, number = (_whole(name, given[name]) for name in VARIABLES[1:])
        if not 0 <= number < count:
            raise checks.InputError(
                f"JAX_PROCESS_ID must be at least 0 and below JAX_NUM_PROCESSES={count}, got {number}"
            )
        jax.distributed.initialize(address, count, number)
    elif int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1 and not jax.distributed.is_initialized():
        jax.distributed.initialize()


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise checks.InputError(f"{name} must be an integer, got {text!r}") from None


def is_distributed() -> bool:
    """Tells whether several processes compute together."""
    return jax.process_count() > 1


def is_main() -> bool:
    """Tells whether this process is the first, which writes files and shows progress."""
    return jax.process_index() == 0


def run_on_main(function: Callable[[], T]) -> T:
    """Calls `function` in the first process, and broadcasts its result, which must be picklable, to all.

    This is a collective: every process must call it.

    Raises:
        InputError: if the function raises it, in every process.
        Exception: any other error of the function, in the first process.
        RuntimeError: for such an error, in the other processes.
    """
    if not is_distributed():
        return function()
    message = b""
    if is_main():
        try:
            message = pickle.dumps(function())
        except checks.InputError as error:
            message = pickle.dumps(error)
        except Exception as error:  # the others would wait for ever
            _broadcast(pickle.dumps(RuntimeError(f"in the first process: {error!r}")))
            raise
    result = pickle.loads(_broadcast(message))
    if isinstance(result, Exception):
        raise result
    return result


def _broadcast(message: bytes) -> bytes:
    from jax.experimental import multihost_utils

    length = np.frombuffer(len(message).to_bytes(8, "little"), np.uint8)  # an int32 ends at 2 GiB
    length = int.from_bytes(np.asarray(multihost_utils.broadcast_one_to_all(length)).tobytes(), "little")
    content = np.zeros(length, np.uint8)
    if is_main():
        content[:] = np.frombuffer(message, np.uint8)
    return multihost_utils.broadcast_one_to_all(content).tobytes()


def all_max(value: int) -> int:
    """Gives the largest of the values of all processes. Every process must call it."""
    if not is_distributed():
        return value
    from jax.experimental import multihost_utils

    return int(multihost_utils.process_allgather(np.int32(value)).max())


def all_gather(tree: PyTree) -> PyTree:
    """All-gathers the leaves of `tree` that lie on several hosts. Every process must call it."""
    return jax.tree.map(_whole_leaf, tree) if is_distributed() else tree


def _whole_leaf(leaf: jax.Array) -> jax.Array:
    from jax.experimental import multihost_utils

    if leaf.is_fully_addressable:
        return leaf
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_whole_leaf(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
    return jnp.asarray(multihost_utils.process_allgather(leaf, tiled=True))
