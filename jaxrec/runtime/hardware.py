"""The machine that this process runs on."""

import os
import platform
from pathlib import Path
from typing import TypedDict

import jax


class Hardware(TypedDict):
    """A machine, as manifests keep it.

    Attributes:
        device, platform: kind and platform of the first device of JAX.
        devices: the number of devices.
        cpu: the model of the CPU.
        cores: the cores that the process may use.
        system: the operating system.
    """

    device: str
    platform: str
    devices: int
    cpu: str
    cores: int
    system: str


def hardware() -> Hardware:
    """Describes the machine and JAX's devices."""
    devices = jax.devices()
    return {
        "device": devices[0].device_kind,
        "platform": devices[0].platform,
        "devices": len(devices),
        "cpu": _cpu(),
        "cores": cores(),
        "system": platform.platform(),
    }


def cores() -> int:
    """Counts the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(hardware: Hardware) -> str:
    """Writes a machine in one line."""
    accelerator = "" if hardware["platform"] == "cpu" else f"{hardware['devices']} x {hardware['device']}, "
    return f"{accelerator}{hardware['cores']} core{'s' * (hardware['cores'] != 1)} of {hardware['cpu']}"


def cpu_features() -> str:
    """What tells apart CPUs that run different machine code: the model and its instruction sets."""
    return f"{platform.machine()} {_cpu()} {_cpuinfo('flags') or _cpuinfo('Features')}"


def _cpu() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(name: str) -> str:
    """The first line of Linux's description of the CPU that is called so; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(name))
    except (OSError, StopIteration):
        return ""
