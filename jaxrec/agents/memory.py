"""Whether a training fits into memory, before anything is allocated or compiled."""

from collections.abc import Sequence
from math import log10, prod
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from jaxrec import checks

NAMED = 5  # arrays, of those that need most


def check_fits(state: Any, batch: Any, mesh: Mesh) -> None:
    """Raises InputError if what a training holds at once is more than there is, and names the largest arrays.

    Args:
        state: of all runs, as shapes.
        batch: what they learn from at once, as shapes; () where that is not known.
        mesh: the devices that hold it, each its share.

    What is compiled needs more, for what it computes on the way: a training that passes may still not fit. It leaves
    out of a batch what the network never reads of observations, which counts here.
    """
    held, there = jax.tree_util.tree_leaves_with_path({"state": state, "batch": batch}), available(mesh.local_devices)
    needed = sum(map(_size, (leaf for _, leaf in held))) * len(mesh.local_devices) // mesh.size
    if there is None or needed <= there:
        return
    largest = sorted(held, key=lambda each: -_size(each[1]))[:NAMED]
    listed = "; ".join(f"{_named(path)} {_shaped(leaf)} {_readable(_size(leaf))}" for path, leaf in largest)
    raise checks.InputError(
        f"this training would hold {_readable(needed)}, and there are {_readable(there)}: give it fewer "
        f"runs, num_envs or num_steps. The largest arrays, with the axis of runs first: {listed}"
    )


def available(devices: Sequence[Any]) -> int | None:
    """Bytes that `devices` can still hold in equal shares; on a CPU, the machine. None if unknown."""
    stats = [device.memory_stats() for device in devices]
    if all(each and "bytes_limit" in each for each in stats):
        return len(stats) * min(each["bytes_limit"] - each.get("bytes_in_use", 0) for each in stats)
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _size(leaf: Any) -> int:
    return prod(leaf.shape) * leaf.dtype.itemsize


def _named(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _shaped(leaf: Any) -> str:
    return f"{leaf.dtype}[{', '.join(map(str, leaf.shape))}]"


def _readable(size: float) -> str:
    """Such as 1.3 GB."""
    unit = min(int(log10(max(size, 1)) // 3), 4)
    return f"{size / 1000**unit:,.1f} {('B', 'kB', 'MB', 'GB', 'TB')[unit]}"
