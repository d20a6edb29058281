"""C++ that the compiler of this machine builds when it is first needed; where there is none, it is absent."""

import ctypes
import hashlib
import os
import shutil
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import jax

from jaxrec.runtime import compilation_cache
from jaxrec.runtime.atomic_files import replacing

COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-DNDEBUG", "-w", "-fPIC", "-shared")
TIMEOUT = 120  # seconds of compilation


@cache
def library(source: Path) -> ctypes.CDLL | None:
    """Builds and loads a library, once for each version of its folder, of jaxlib and of the CPU.

    Args:
        source: the C++ file; the headers that it includes lie in the same folder, or are those of `jax.ffi`.

    Returns:
        The library; None without a compiler, where it fails, and where the user's cache folder cannot be written.
    """
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    texts = [file.read_bytes() for file in sorted(source.parent.iterdir()) if file.suffix in (".cc", ".h")]
    about = (source.name, version("jaxlib"), compiler, *FLAGS)
    digest = hashlib.sha256(b"\0".join([*texts, *map(str.encode, about)])).hexdigest()[:16]
    built = compilation_cache.folder() / f"{source.parent.name}-{digest}.so"
    try:
        if not built.exists():
            built.parent.mkdir(parents=True, exist_ok=True)
            with replacing(built) as temporary:
                command = (compiler, *FLAGS, "-I", jax.ffi.include_dir(), str(source), "-o", str(temporary))
                subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT)
        return ctypes.CDLL(os.fspath(built))
    except (OSError, subprocess.SubprocessError):
        return None
