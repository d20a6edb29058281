"""Terminals that cannot write everything: names of folders and what is drawn with lines come out, not a traceback."""

import io
import json
import os
import subprocess
import sys

import pytest
from paths import SUPPORT
from rich.console import Console

from jaxrec.cli import main
from jaxrec.runtime.progress import RichMeter

NAME = "dír ü"


def on_ascii(folder, *argv):
    """What `jaxrec`, with the small studies, says on an ASCII terminal: the finished process."""
    surroundings = os.environ | {"PYTHONIOENCODING": "ascii", "LANG": "C", "PYTHONPATH": os.pathsep.join(sys.path)}
    surroundings.pop("LC_ALL", None)
    return subprocess.run(
        [sys.executable, str(SUPPORT / "survivor.py"), *argv],
        capture_output=True,
        cwd=folder,
        env=surroundings,
        check=False,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(Where it ran, the finished process) of a run in a folder whose name is not ASCII."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, on_ascii(folder, "run", "survivor", "--out", NAME)


@pytest.mark.slow
def test_the_last_line_of_a_run_names_its_report(run):
    folder, done = run
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / NAME / "manifest.json").read_text())["status"] == "complete"
    assert done.stdout.decode("ascii").splitlines()[-1] == r"report: d\xedr \xfc/report.md"
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
def test_a_run_that_is_reproduced_is_named(run):
    folder, _ = run
    done = on_ascii(folder, "reproduce", NAME, "--out", "nóch")
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode("ascii").splitlines()[-1] == r"identical, bit for bit: n\xf3ch"
    assert b"+---" in done.stdout, "a table with lines that an ASCII terminal can draw"


@pytest.mark.slow
def test_what_is_refused_is_one_line_on_stderr(run):
    folder, _ = run
    done = on_ascii(folder, "run", "survivor", "--resume", NAME)
    assert done.returncode == 2
    assert done.stderr.decode("ascii") == "jaxrec: 'd\\xedr \\xfc' is complete: see d\\xedr \\xfc/report.md\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_no_character_is_too_much_for_a_stream(encoding, stream, tmp_path, monkeypatch):
    """Nor half of one, as in the name of a file that is no UTF-8."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, stream, io.TextIOWrapper(written, encoding=encoding))
    main([])
    getattr(sys, stream).write("Ωμέγα\udcff")
    getattr(sys, stream).flush()
    assert written.getvalue().endswith("Ωμέγα\udcff".encode(encoding, errors="backslashreplace"))


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_streams_that_encode_nothing_are_left_alone(stream, monkeypatch):
    """Such as those of a notebook, or of a process without a terminal."""
    monkeypatch.setattr(sys, "stderr", stream)
    main([])


def test_bars_are_of_what_the_terminal_can_write():
    for encoding, drawn in (("ascii", "---"), ("utf-8", "━━━")):
        written = io.BytesIO()
        stream = io.TextIOWrapper(written, encoding=encoding)
        with RichMeter(Console(file=stream, force_terminal=True, width=80)) as meter:
            meter.start("training", 2)
            meter.advance("reward 0.5")
        stream.flush()
        assert drawn in written.getvalue().decode(encoding)


@pytest.mark.slow
def test_a_reader_that_goes_is_no_mistake(tmp_path):
    command = [sys.executable, "-m", "jaxrec", "run", "tampering", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert (said, process.returncode) == (b"", 141)
