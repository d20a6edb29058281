"""What a run was: enough to run it again and to judge its figures."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jaxrec.runtime.hardware import hardware

PACKAGES = ("jaxrec", "jax", "jaxlib", "flax", "numpy", "scipy", "matplotlib")


def manifest(study: str, preset: str | None, config: dict[str, Any]) -> dict[str, Any]:
    """Describes a run.

    Args:
        study: its name.
        preset: the name of its preset, or None.
        config: its settings as JSON knows them, the seed among them.

    Returns:
        Settings, versions, hardware, commit, command and time.
    """
    return {
        "study": study,
        "preset": preset,
        "config": config,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "hardware": hardware(),
    }


def programs(about: dict[str, Any]) -> dict[str, Any]:
    """The part of a manifest that a run must be resumed with."""
    return {"commit": about["commit"], **about["versions"]}


def machine(about: dict[str, Any]) -> dict[str, Any]:
    """The part of a manifest that rounds the numbers."""
    return {name: about["hardware"].get(name) for name in ("device", "platform", "devices", "cpu")}


def differences(begun: dict[str, Any], now: dict[str, Any]) -> str:
    """Such as "jax 0.10.2, now 0.10.3; ...", or nothing."""
    return "; ".join(f"{name} {begun.get(name)}, now {now[name]}" for name in now if begun.get(name) != now[name])


def commit() -> str | None:
    """The commit of the source tree jaxrec runs from ("-dirty" if changed since), or None outside one."""
    try:
        _git("ls-files", "--error-unmatch", Path(__file__).name)  # not the commit of a project that only installed it
        return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    git = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(git, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
