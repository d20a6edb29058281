"""What a run was: enough to run it again and to judge its figures."""

import hashlib
import inspect
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jaxrec.runtime.hardware import hardware

PACKAGES = ("jaxrec", "jax", "jaxlib", "flax", "numpy", "scipy", "matplotlib")


def manifest(
    study: str, preset: str | None, config: dict[str, Any], code: Callable[..., object] | None = None
) -> dict[str, Any]:
    """Describes a run.

    Args:
        study: its name.
        preset: the name of its preset, or None.
        config: its settings as JSON knows them, the seed among them.
        code: what measures, whose file is described too if it is none of jaxrec's.

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
        "code": provenance(code),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "hardware": hardware(),
    }


def programs(about: dict[str, Any]) -> dict[str, Any]:
    """The part of a manifest that a run must be resumed with."""
    code = about.get("code") or {}
    return {
        "commit": about["commit"],
        **about["versions"],
        **{f"code's {name}": code[name] for name in ("commit", "sha256") if code},
    }


def machine(about: dict[str, Any]) -> dict[str, Any]:
    """The part of a manifest that rounds the numbers."""
    return {name: about["hardware"].get(name) for name in ("device", "platform", "devices", "cpu")}


def differences(begun: dict[str, Any], now: dict[str, Any]) -> str:
    """Such as "jax 0.10.2, now 0.10.3; ...", or nothing."""
    return "; ".join(f"{name} {begun.get(name)}, now {now[name]}" for name in now if begun.get(name) != now[name])


def provenance(code: Callable[..., object] | None) -> dict[str, str | None] | None:
    """Where a function of somebody else's comes from: its module, the commit of its file, and the file's SHA-256.

    None for a function of jaxrec, and where there is no file, as in a notebook.
    """
    if code is None or code.__module__.partition(".")[0] == "jaxrec":
        return None
    try:
        file = Path(inspect.getsourcefile(code) or "")
        return {
            "module": code.__module__,
            "commit": commit(file),
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
    except (OSError, TypeError):
        return None


def commit(file: Path = Path(__file__)) -> str | None:
    """The commit of the source tree that a file belongs to ("-dirty" if changed since), or None outside one."""
    try:
        _git(file, "ls-files", "--error-unmatch", file.name)  # not the commit of a project that only installed it
        return _git(file, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(file: Path, *arguments: str) -> str:
    git = ["git", "-C", str(file.parent), *arguments]
    return subprocess.run(git, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
