"""Many devices and many processes give what one gives. Each case is a process of its own: see `spread`."""

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest
from paths import ROOT, SUPPORT
from run_folders import assert_same, status, wait_for_lines

# Of numbers of the order of 1: a matrix product of fewer runs, or of fewer environments, adds up otherwise.
ROUNDING = 1e-5
LONGER = 1e-3  # the same, after more updates, some of them by Adam's normalised steps


def start(program, *argv, **environment):
    """A process of its own."""
    command = [sys.executable, str(SUPPORT / program), *map(str, argv)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def together(program, *argv, number=2, **environment):
    """Processes that compute together, with a device each."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    joined = environment | {
        "JAX_COORDINATOR_ADDRESS": f"localhost:{port}", "JAX_NUM_PROCESSES": str(number), "JAX_NUM_CPU_DEVICES": "1",
    }  # fmt: skip
    return [start(program, *argv, **joined, JAX_PROCESS_ID=str(i)) for i in range(number)]


def said(process, timeout=300):
    """What it printed, once it has ended well."""
    out, errors = process.communicate(timeout=timeout)
    assert process.returncode == 0, errors
    return out


def all_said(processes):
    """What each printed, all read at once: they end together, so one whose pipe is full would hold up the others."""
    with ThreadPoolExecutor(len(processes)) as readers:
        return list(readers.map(said, processes))


def _found(out):
    return json.loads(out.splitlines()[-1])  # other lines are of those that connect processes


def spread(*wanted, count=8):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    return _found(said(start("spread.py", *wanted, XLA_FLAGS=flags)))


@pytest.fixture(scope="module")
def eight():
    return spread("q:both", "societies", "rollout", "evaluation")


@pytest.mark.slow
def test_a_table_is_the_same_bit_for_bit_on_eight_devices(eight):
    assert eight["q both"]["devices"] == eight["devices"] == 8
    assert eight["q both"]["bitwise"]
    assert eight["q both"]["compiled"] == 1, "chunks are compiled once"


@pytest.mark.slow
def test_runs_and_environments_on_eight_devices():
    found = spread("q:runs", "ppo:both")
    assert found["q runs"]["devices"] == found["ppo both"]["devices"] == 8
    assert found["q runs"]["compiled"] == found["ppo both"]["compiled"] == 1
    assert found["q runs"]["bitwise"]
    assert found["ppo both"]["most"] < ROUNDING


@pytest.mark.slow
def test_environments_of_a_rollout_are_spread_within_a_mesh(eight):
    found = eight["rollout"]
    assert found["devices"] == 8
    assert found["spread"]
    assert found["most"] < ROUNDING


@pytest.mark.slow
def test_a_policy_earns_the_same_wherever_it_lies(eight):
    assert len(eight["evaluation"]) == 3
    assert len(set(eight["evaluation"])) == 1


@pytest.fixture(scope="module")
def one():
    return spread("q", "societies", count=1)


@pytest.mark.slow
def test_societies_are_the_same_bit_for_bit_on_eight_devices(eight, one):
    assert (one["devices"], eight["devices"]) == (1, 8)
    assert one["societies"] == eight["societies"]
    assert len(set(one["societies"]["rewires"])) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ppo", "ranking", "gat"])
def test_every_network_is_the_same_on_eight_devices_but_for_rounding(name):
    found = spread(f"{name}:runs,both")
    for mesh in ("runs", "both"):
        assert found[f"{name} {mesh}"]["most"] < LONGER
        assert found[f"{name} {mesh}"]["compiled"] == 1


@pytest.mark.slow
def test_two_processes_train_the_same_model(one):
    first, second = map(_found, all_said(together("spread.py", "q", "q*2")))
    assert (first["devices"], first["processes"]) == (2, 2)
    assert first == second, "every process has all states"
    assert one["q"] == first["q"] == first["q*2"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ppo", "ranking"])
def test_two_processes_train_the_same_network(name):
    first, second = map(_found, all_said(together("spread.py", name)))
    assert first == second
    one = spread(name, count=1)
    for mine, other in zip(one[name], first[name], strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=LONGER), mine, other)


@pytest.mark.slow
def test_two_processes_write_one_run_stop_together_and_go_on(tmp_path):
    whole, run = tmp_path / "whole", tmp_path / "run"
    said(start("survivor.py", "run", "survivor", "--seeds", 4, "--out", whole))
    pair = together("survivor.py", "run", "survivor", "--seeds", 4, "--out", run, SURVIVOR_PAUSE="0.2")
    wait_for_lines(pair[0], run, 4)
    pair[1].send_signal(signal.SIGTERM)  # the one that writes nothing
    errors = [process.communicate(timeout=60)[1] for process in pair]
    assert [process.returncode for process in pair] == [143, 143], errors
    assert status(run) == "interrupted"
    first, second = all_said(together("survivor.py", "run", "survivor", "--resume", run))
    assert f"report: {run / 'report.md'}" in first
    assert "report" not in second
    assert_same(run, whole)


@pytest.mark.slow
def test_what_the_first_process_refuses_ends_them_all(tmp_path):
    (tmp_path / "precious").write_text("data")
    pair = together("survivor.py", "run", "survivor", "--out", tmp_path)
    errors = [process.communicate(timeout=60)[1] for process in pair]
    assert [process.returncode for process in pair] == [2, 2], errors
    assert all("a run never overwrites another" in error for error in errors)


@pytest.mark.parametrize("cluster", [False, True])
def test_the_script_for_slurm_begins_and_goes_on(cluster, tmp_path):
    """With stand-ins for `jaxrec`, `srun` and `scontrol` that write down how they were called."""
    script = ROOT / "examples" / "slurm.sh"
    called, cache = tmp_path / "called", tmp_path / "cache"
    for name, then in (("jaxrec", "exit ${CODE:-0}"), ("srun", 'shift; exec "$@"'), ("scontrol", "")):
        stand_in = tmp_path / name
        stand_in.write_text(
            f'#!/bin/bash\necho {name} "$@" >> {called}\necho $JAX_COMPILATION_CACHE_DIR > {cache}\n{then}\n'
        )
        stand_in.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | ({"SLURM_JOB_ID": "7"} if cluster else {})
    environment = {name: value for name, value in environment.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    environment["SCRATCH"] = str(tmp_path)

    def runs(*argv, code=0):
        called.unlink(missing_ok=True)
        done = subprocess.run(["bash", script, *argv], env=environment | {"CODE": str(code)}, cwd=tmp_path, check=False)
        assert done.returncode == code
        return called.read_text().splitlines()

    folder = tmp_path / "my runs"
    words = runs("survivor", folder, "--seeds", "4", code=138)
    assert f"jaxrec run survivor --out {folder} --seeds 4" in words
    assert ("scontrol requeue 7" in words) == cluster
    assert Path(cache.read_text()).parent == tmp_path / ".cache" / "jaxrec", "a folder for each kind of CPU"
    folder.mkdir()
    (folder / "manifest.json").touch()
    words = runs("survivor", folder, "--seeds", "4")
    assert words[-1] == f"jaxrec run survivor --resume {folder}"
    assert words[0].startswith("srun") == cluster
    (folder / "manifest.json").write_text('{\n "status": "complete"\n}')
    called.unlink()
    done = subprocess.run(
        ["bash", script, "survivor", folder], env=environment, cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stdout.decode() == f"{folder} is complete: see {folder}/report.md\n"
    assert not called.exists(), "a job that is done begins nothing"
