import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from jaxrec.cli import main
from jaxrec.runtime import xla_flags
from jaxrec.runtime.xla_flags import LEAST, LEVEL, UNROLL, WIDTH, tune

WIDE, LESS, SHORT = f"{WIDTH}=512", f"{LEVEL}=2", f"{UNROLL}={LEAST}"


@pytest.fixture(autouse=True)
def cpu(monkeypatch):
    """A CPU with AVX-512, no other device, and XLA_FLAGS that are restored afterwards."""
    monkeypatch.setattr(xla_flags, "cpu_features", lambda: "x86_64 Some CPU avx2 avx512f avx512bw")
    monkeypatch.setattr(xla_flags, "entry_points", lambda group: ())
    monkeypatch.setenv("XLA_FLAGS", "")


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ("", (WIDE, LESS, SHORT)),
        ("--xla_dump_to=x", (WIDE, LESS, SHORT)),
        (f"{WIDTH}=256", (LESS, SHORT)),
        (f"{UNROLL}=-time-passes", (WIDE, LESS)),
        (f"{LEVEL}=3 {WIDTH}=256 {SHORT}", ()),
    ],
)
def test_flags_are_added_unless_somebody_chose(given, added, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", given)
    assert tune() == added
    assert os.environ["XLA_FLAGS"] == " ".join([given, *added]).strip()
    assert tune() == (), "once is enough"


@pytest.mark.parametrize(
    ("jaxlib", "asked"), [("0.6.2", False), ("0.7.2", True), ("0.12.0.1", True), ("0.13.0", False)]
)
def test_only_versions_that_know_them_are_asked_for_vectors(jaxlib, asked, monkeypatch):
    monkeypatch.setattr(xla_flags, "version", lambda name: jaxlib)
    assert tune() == ((WIDE, LESS, SHORT) if asked else (LESS,))


def test_a_cpu_without_wide_vectors_is_not_asked_for_them(monkeypatch):
    monkeypatch.setattr(xla_flags, "cpu_features", lambda: "x86_64 Some CPU avx avx2")
    assert tune() == (LESS, SHORT)


def test_what_a_gpu_reads_too_is_left_alone_where_there_may_be_one(monkeypatch):
    monkeypatch.setattr(xla_flags, "entry_points", lambda group: ("jax_cuda12_plugin",) * (group == "jax_plugins"))
    assert tune() == (WIDE,)


def test_the_command_of_a_process_tunes_and_one_called_from_python_does_not(monkeypatch):
    main(["--version"])
    assert os.environ["XLA_FLAGS"] == ""
    monkeypatch.setattr(sys, "argv", ["jaxrec", "--version"])
    main()
    assert os.environ["XLA_FLAGS"] == f"{WIDE} {LESS} {SHORT}"


def test_this_version_of_xla_takes_the_flags_after_jax_is_imported():
    script = f"import os, jax; os.environ['XLA_FLAGS'] = '{WIDE} {LESS} {SHORT}'; print(jax.jit(lambda x: x + 1)(1.0))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"jaxlib {version('jaxlib')}: {done.stderr[-500:]}"
    assert done.stdout.strip() == "2.0"
