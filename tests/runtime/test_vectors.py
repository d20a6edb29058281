import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from jaxrec.cli import main
from jaxrec.runtime import vectors
from jaxrec.runtime.vectors import FLAG, widen

WIDE = f"{FLAG}=512"


@pytest.fixture(autouse=True)
def cpu(monkeypatch):
    """A CPU with AVX-512, and XLA_FLAGS that are restored afterwards."""
    monkeypatch.setattr(vectors, "cpu_features", lambda: "x86_64 Some CPU avx2 avx512f avx512bw")
    monkeypatch.setenv("XLA_FLAGS", "")


@pytest.mark.parametrize(
    ("given", "asked", "then"),
    [
        ("", True, WIDE),
        ("--xla_dump_to=x", True, f"--xla_dump_to=x {WIDE}"),
        (f"{FLAG}=256", False, f"{FLAG}=256"),
    ],
)
def test_vectors_are_wide_unless_somebody_chose(given, asked, then, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", given)
    assert widen() is asked
    assert os.environ["XLA_FLAGS"] == then
    assert not widen(), "once is enough"


@pytest.mark.parametrize(
    ("jaxlib", "asked"), [("0.6.2", False), ("0.7.2", True), ("0.12.0.1", True), ("0.13.0", False)]
)
def test_only_versions_that_know_the_flag_get_it(jaxlib, asked, monkeypatch):
    monkeypatch.setattr(vectors, "version", lambda name: jaxlib)
    assert widen() is asked


def test_a_cpu_without_such_vectors_is_left_alone(monkeypatch):
    monkeypatch.setattr(vectors, "cpu_features", lambda: "x86_64 Some CPU avx avx2")
    assert not widen()
    assert os.environ["XLA_FLAGS"] == ""


def test_the_command_of_a_process_widens_and_one_called_from_python_does_not(monkeypatch):
    main(["--version"])
    assert os.environ["XLA_FLAGS"] == ""
    monkeypatch.setattr(sys, "argv", ["jaxrec", "--version"])
    main()
    assert os.environ["XLA_FLAGS"] == WIDE


def test_this_version_of_xla_takes_the_flag_after_jax_is_imported():
    script = f"import os, jax; os.environ['XLA_FLAGS'] = '{WIDE}'; print(jax.jit(lambda x: x + 1)(1.0))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"jaxlib {version('jaxlib')}: {done.stderr[-500:]}"
    assert done.stdout.strip() == "2.0"
