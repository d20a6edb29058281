"""Whether a training fits into memory, before anything is allocated or compiled."""

import contextlib
from collections.abc import Iterator, Sequence
from math import log10, prod
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from jaxrec import checks

NAMED = 5  # arrays, of those that need most
MACHINE = Path("/")  # where /proc and /sys lie
LIMITS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))  # of cgroups 2 and 1
CACHES = ("inactive_file ", "total_inactive_file ")


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
    """Bytes that `devices` can still hold in equal shares; on a CPU, those that this process can. None if unknown.

    On a CPU that is what the machine has left, or what a control group leaves to its processes (a container, a job on a
    cluster) where that is less: the kernel kills whoever takes more.
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
    """The folders of the control groups that limit the memory of this process: its own, and theirs above it."""
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
    """The folder of the group `inside`, and those above it, as far as they lie in what is `mounted`: those in `root`.

    Within a container the group may be outside of what is mounted; that is then the container's own.
    """
    within = Path(inside).relative_to(root) if Path(inside).is_relative_to(root) else Path()
    group = mounted if ".." in within.parts else mounted / within
    for folder in (group, *group.parents):
        yield folder
        if folder == mounted:
            return


def _left(group: Path) -> list[int]:
    """What a control group leaves to its processes, if it limits them; the file cache that nobody uses makes room."""
    for limit, usage in LIMITS:
        with contextlib.suppress(OSError, ValueError):  # the other version; "max", where there is no limit
            left = int((group / limit).read_text()) - int((group / usage).read_text())
            # Cgroups 1 count it without the groups below and with them, which is more and what the usage counts.
            caches = [line.split()[1] for line in _lines(group / "memory.stat") if line.startswith(CACHES)]
            return [max(0, left + max(map(int, caches), default=0))]
    return []


def _lines(file: Path) -> list[str]:
    """The lines of a file of the kernel; none where it cannot be read."""
    try:
        return file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []


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
