"""What is compiled is kept for the next process, in a folder of the machine, unless somebody has said otherwise."""

import os
import subprocess
import sys

from jaxrec.runtime import compilation_cache, hardware

KEEPS = """
import jax
from jaxrec.runtime.compilation_cache import keep_programs
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(keep_programs())
jax.jit(lambda x: x + 1)(1.0)
"""


def kept(tmp_path, **variables):
    """What `keep_programs` said in a process of its own, and the files in the cache of the user afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache")} | variables
    command = [sys.executable, "-W", "error", "-c", KEEPS]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    return said.stdout.strip(), [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_programs_are_kept_in_the_folder_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    where, files = kept(tmp_path)
    assert where == str(compilation_cache.folder())
    assert files
    assert kept(tmp_path)[1], "and read again without a word"


def test_what_was_said_holds(tmp_path):
    where, files = kept(tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine"))
    assert (where, files) == (str(tmp_path / "mine"), [])
    assert kept(tmp_path, JAX_ENABLE_COMPILATION_CACHE="false") == ("None", [])


def test_a_folder_that_cannot_be_made_is_none(tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert kept(tmp_path)[0] == "None"


def test_another_cpu_has_another_folder(monkeypatch):
    mine = compilation_cache.folder()
    monkeypatch.setattr(compilation_cache, "cpu_features", lambda: hardware.cpu_features() + " avx1024")
    assert compilation_cache.folder() != mine
    assert compilation_cache.folder().parent == mine.parent
