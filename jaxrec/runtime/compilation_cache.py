"""What JAX compiled, kept on disk: the next process that runs the same program need not compile it."""

import hashlib
import os
from pathlib import Path

import jax

from jaxrec.runtime.hardware import cpu_features


def folder() -> Path:
    """The folder for programs of this machine: `~/.cache/jaxrec/`, or `$XDG_CACHE_HOME/jaxrec/`, and there one a CPU.

    A program for one CPU may hold instructions that another has not, and a home may be shared by a whole cluster.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "jaxrec" / hashlib.sha256(cpu_features().encode()).hexdigest()[:12]


def keep_programs() -> Path | None:
    """Lets JAX keep what it compiles, unless it was told where (`JAX_COMPILATION_CACHE_DIR`), or not to.

    Returns:
        The folder; None where nothing is kept, as where it cannot be made.
    """
    if not jax.config.jax_enable_compilation_cache:  # pyright: ignore[reportAttributeAccessIssue]
        return None
    if chosen := jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue]
        return Path(chosen)
    there = folder()
    try:
        there.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(there))
    return there
