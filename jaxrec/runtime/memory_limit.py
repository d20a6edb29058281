"""Checks that a training fits into memory, before JAX allocates or compiles anything."""

import contextlib
from collections.abc import Iterator, Sequence
from math import log10, prod
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh
from jax.tree_util import KeyPath
from jaxtyping import PyTree

from jaxrec import checks

NUM_LISTED = 5  # largest arrays in the message
MACHINE = Path("/")  # the folder of /proc and /sys
LIMITS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))  # of cgroups 2 and 1
CACHES = ("inactive_file ", "total_inactive_file ")


def check_fits(state: PyTree, batch: PyTree, mesh: Mesh) -> None:
    """Refuses a training whose arrays need more memory than there is.

    The compiled program needs more, for intermediate arrays: a training that passes may still not fit. It needs less
    where the network does not read all fields of observations, which count here.

    Args:
        state: of all runs, as shapes.
        batch: the data of one update of all runs, as shapes; () if unknown.
        mesh: the devices, each of which holds an equal share.

    Raises:
        InputError: if they do not fit; the message lists the largest arrays.
    """
    held, there = jax.tree_util.tree_leaves_with_path({"state": state, "batch": batch}), available(mesh.local_devices)
    needed = sum(map(_size, (leaf for _, leaf in held))) * len(mesh.local_devices) // mesh.size
    if there is None or needed <= there:
        return
    largest = sorted(held, key=lambda each: -_size(each[1]))[:NUM_LISTED]
    listed = "; ".join(f"{_named(path)} {_shaped(leaf)} {_readable(_size(leaf))}" for path, leaf in largest)
    raise checks.InputError(
        f"this training would hold {_readable(needed)}, and there are {_readable(there)}: give it fewer "
        f"runs, num_envs or num_steps. The largest arrays, with the axis of runs first: {listed}"
    )


def available(devices: Sequence[Any]) -> int | None:
    """Counts the bytes that `devices` can still hold in equal shares; on a CPU, this process. None if unknown.

    On a CPU this is the free memory of the machine, or the rest of a control group's limit (a container, a job on a
    cluster) if that is less: the kernel kills a process that takes more.
    """
    stats = [device.memory_stats() for device in devices]
    if all(each and "bytes_limit" in each for each in stats):
        return len(stats) * min(each["bytes_limit"] - each.get("bytes_in_use", 0) for each in stats)
    machine = [line.split()[1] for line in _lines(MACHINE / "proc/meminfo") if line.startswith("MemAvailable:")]
    left = [1024 * int(kilobytes) for kilobytes in machine]
    for group in _groups():
        left += _left(group)
    return min(left, default=None)


def _groups() -> Iterator[Path]:
    """Finds the folders of the control groups that limit the memory of this process: its own, and those above it."""
    mounts = [line.split(" - ") for line in _lines(MACHINE / "proc/self/mountinfo")]
    for line in _lines(MACHINE / "proc/self/cgroup"):
        number, controllers, inside = line.split(":", 2)
        kind, option = ("cgroup2", "") if number == "0" else ("cgroup", "memory")
        if option not in controllers.split(","):
            continue
        for place, system in mounts:
            root, point = place.split()[3:5]
            found, *_, options = system.split()
            if found == kind and (not option or option in options.split(",")):
                yield from _upwards(MACHINE / point.lstrip("/"), inside, root)


def _upwards(mounted: Path, inside: str, root: str) -> Iterator[Path]:
    """Gives the folder of the group `inside`, and those above it up to the mount point `mounted`, which shows `root`.

    Within a container the group may lie outside of the mount; the mount is then the container's own group.
    """
    within = Path(inside).relative_to(root) if Path(inside).is_relative_to(root) else Path()
    group = mounted if ".." in within.parts else mounted / within
    for folder in (group, *group.parents):
        yield folder
        if folder == mounted:
            return


def _left(group: Path) -> list[int]:
    """Counts the bytes that a control group has left, if it has a limit; unused file cache counts as free."""
    for limit, usage in LIMITS:
        with contextlib.suppress(OSError, ValueError):  # the other version; "max" for no limit
            left = int((group / limit).read_text()) - int((group / usage).read_text())
            # Cgroups 1 count the cache without and with the groups below; the usage includes them.
            caches = [line.split()[1] for line in _lines(group / "memory.stat") if line.startswith(CACHES)]
            return [max(0, left + max(map(int, caches), default=0))]
    return []


def _lines(file: Path) -> list[str]:
    """Reads the lines of a file of the kernel; none if it cannot be read."""
    try:
        return file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _size(leaf: PyTree) -> int:
    return prod(leaf.shape) * leaf.dtype.itemsize


def _named(path: KeyPath) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _shaped(leaf: PyTree) -> str:
    return f"{leaf.dtype}[{', '.join(map(str, leaf.shape))}]"


def _readable(size: float) -> str:
    """Writes a number of bytes with its unit, such as 1.3 GB."""
    unit = min(int(log10(max(size, 1)) // 3), 4)
    return f"{size / 1000**unit:,.1f} {('B', 'kB', 'MB', 'GB', 'TB')[unit]}"
