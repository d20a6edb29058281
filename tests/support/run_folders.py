"""Folders of runs, held against each other, and processes that write them."""

import json
import os
import subprocess
import sys
import time

import jax
from paths import ROOT, SUPPORT


def files(run):
    """What a run wrote, but for its own story and the states of its trainings."""
    paths = (path for path in run.rglob("*") if path.is_file())
    return {name: run / name for name in (str(path.relative_to(run)) for path in paths)
            if name != "manifest.json" and not name.startswith("checkpoints")}  # fmt: skip


def assert_same(run, other):
    """Bit for bit, but for the line of the report that has the seconds."""
    assert files(run).keys() == files(other).keys()
    for name, path in files(run).items():
        mine, theirs = path.read_bytes().split(b"\n"), files(other)[name].read_bytes().split(b"\n")
        if name == "report.md":
            mine, theirs = ([line for line in lines if b" s on " not in line] for lines in (mine, theirs))
        assert mine == theirs, name


def status(run):
    return json.loads((run / "manifest.json").read_text())["status"]


def child(*argv, **environment):
    """`jaxrec` with the study, as a process on as many devices as this one has."""
    environment |= {"JAX_NUM_CPU_DEVICES": str(len(jax.devices()))}
    command = [sys.executable, str(SUPPORT / "survivor.py"), *map(str, argv)]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def wait_for_lines(process, run, number):
    """Until so many lines of metrics are written."""
    metrics = run / "metrics.jsonl"
    while not metrics.exists() or metrics.read_text().count("\n") < number:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
