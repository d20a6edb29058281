"""States and metrics as orbax and JSON write them, and what remains of a write that failed."""

import shutil
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree


class _Unchanging(np.ndarray):
    """A copy already: of other arrays orbax makes one before it writes them, which for large tables takes long."""

    def __deepcopy__(self, memo: dict[int, Any] | None) -> "_Unchanging":
        return self


def remove(folder: Path, patience: float = 10.0) -> None:
    """Removes what a process left that was killed, or that found the disk full.

    If that was this process, a write may still be under way into the folder, which orbax's own removal fails on.
    """
    until = time.monotonic() + patience
    if folder.is_file():
        folder.unlink()
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < until)
        time.sleep(0.01)


def host_copy(leaf: ArrayLike) -> np.ndarray:
    """On the host: the training gives its arrays away before they are written."""
    array = np.asarray(leaf)  # a copy, unless all of it is in the memory of the host
    return (array if array.flags.owndata else array.copy()).view(_Unchanging)


def to_json(updates: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
    """A chunk as JSON, which gives every bit back: floats are written with as many digits as they need."""
    return {
        "updates": updates,
        "metrics": {name: {"type": str(value.dtype), "values": value.tolist()} for name, value in metrics.items()},
    }


def from_json(chunk: dict[str, Any]) -> tuple[int, dict[str, np.ndarray]]:
    """A chunk from JSON: (updates done, its metrics)."""
    metrics = {name: np.array(each["values"], each["type"]) for name, each in chunk["metrics"].items()}
    return chunk["updates"], metrics


def first_error(error: BaseException) -> BaseException:
    """What went wrong on the disk before what then went wrong, such as the removal of what was begun."""
    while error.__context__:
        error = error.__context__
    return error


def brief(error: BaseException) -> str:
    """One line of what may be many; of a long one the ends: what failed, and why."""
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    return line if len(line) <= 200 else f"{line[:97]} ... {line[-98:]}"


def numbered(raw: PyTree) -> dict[str, Any]:
    """The leaves by their number; without empty ones, which orbax refuses to write."""
    return {str(i): leaf for i, leaf in enumerate(jax.tree.leaves(raw)) if leaf.size}


def _is_key(leaf: Array | np.ndarray) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def without_keys(state: PyTree) -> PyTree:
    """With the words of typed keys in their place."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, state)


def with_key(like: Array | np.ndarray, leaf: Array) -> Array:
    """`leaf` as a typed key where `like` is one."""
    return jax.random.wrap_key_data(leaf, impl=jax.random.key_impl(like)) if _is_key(like) else leaf
