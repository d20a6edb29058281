"""Many devices and many processes give what one gives. Each case is a process of its own: see `spread`."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest
from paths import ROOT, SUPPORT
from probes import Chain
from run_folders import assert_same, status, wait_for_lines

import jaxrec
from jaxrec.agents import QLearning, VisitStep
from jaxrec.runtime import devices, processes
from jaxrec.training import fit
from jaxrec.training.sweeps import sweep

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
    return spread("q:both", "societies", "rollout")


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


def test_environments_of_a_rollout_are_spread_within_a_mesh(eight):
    found = eight["rollout"]
    assert found["devices"] == 8
    assert found["spread"]
    assert found["most"] < ROUNDING


@pytest.fixture(scope="module")
def one():
    return spread("q", "societies", count=1)


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


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"JAX_PROCESS_ID": "0"}, "JAX_PROCESS_ID also needs JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES"),
        (
            dict(zip(processes.VARIABLES, ("here:1", "two", "0"), strict=True)),
            "JAX_NUM_PROCESSES must be an integer, got",
        ),
        (dict(zip(processes.VARIABLES, ("here", "2", "0"), strict=True)), "ADDRESS must be host:port, got 'here'"),
        (
            dict(zip(processes.VARIABLES, ("here:1", "2", "2"), strict=True)),
            "JAX_PROCESS_ID must be .* below .*=2, got 2",
        ),
    ],
)
def test_half_of_an_address_is_refused(environment, message):
    with pytest.raises(jaxrec.InputError, match=message):
        processes.initialize(environment)


def fail():
    raise OSError("disk full")


def test_what_goes_wrong_in_the_first_process_ends_the_others(monkeypatch):
    wire = []
    monkeypatch.setattr(processes, "is_distributed", lambda: True)
    monkeypatch.setattr(processes, "is_main", lambda: True)
    monkeypatch.setattr(processes, "_broadcast", wire.append)
    with pytest.raises(OSError, match="disk full"):
        processes.run_on_main(fail)
    monkeypatch.setattr(processes, "is_main", lambda: False)
    monkeypatch.setattr(processes, "_broadcast", lambda message: wire[0])
    with pytest.raises(RuntimeError, match=re.escape("in the first process: OSError('disk full')")):
        processes.run_on_main(lambda: None)


def test_one_task_of_slurm_joins_nobody(monkeypatch):
    joined = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *args: joined.append(args))
    for environment in ({}, {"SLURM_STEP_NUM_TASKS": "1"}, {"SLURM_NTASKS": "2"}):  # the last: a script without `srun`
        processes.initialize(environment)
    assert joined == []
    processes.initialize({"SLURM_STEP_NUM_TASKS": "2"})
    assert joined == [()], "JAX finds out about the rest"


class Device:
    """As much of a device as a mesh is made of."""

    def __init__(self, host, number):
        self.process_index, self.id = host, number

    def __repr__(self):
        return f"{self.process_index}.{self.id}"


@pytest.mark.parametrize(
    ("per_host", "runs", "envs", "chosen"),
    [
        ([8], 8, 1, 8), ([8], 12, 1, 6), ([8], 5, 1, 5), ([8], 7, 1, 7), ([2], 5, 1, 1), ([8], 1, 1, 1),
        ([8], 1, 8, 8), ([8], 4, 2, 8), ([8], 1, 3, 3), ([4, 4], 6, 1, 6), ([4, 4], 10, 1, 2), ([2, 2], 1, 4, 4),
    ],
)  # fmt: skip
def test_a_mesh_has_as_many_devices_as_divide_the_runs(per_host, runs, envs, chosen):
    every = [Device(host, number) for host, count in enumerate(per_host) for number in range(count)]
    mesh = devices.mesh(runs, envs, every)
    assert dict(mesh.shape) == {"runs": chosen // envs, "envs": envs}
    hosts_of = [device.process_index for device in mesh.devices.flat]
    assert len({hosts_of.count(host) for host in range(len(per_host))}) == 1, "as many of each host"


def test_more_devices_than_there_are_cannot_share_environments():
    with pytest.raises(jaxrec.InputError, match="envs must be at most the devices there are, 2, got 3"):
        devices.mesh(4, 3, [Device(0, 0), Device(0, 1)])


def trained(agent, runs=2, **settings):
    keys = jax.random.split(jax.random.key(0), runs)
    return fit(agent, keys, jaxrec.batched(agent.env.default_params, runs), 2, **settings)


def test_a_swept_hyper_parameter_is_that_of_an_agent_of_its_own():
    agent = QLearning(Chain(), 512, num_envs=32)
    swept = trained(agent, swept={"gamma": np.array([0.5, 0.9])})
    for run, gamma in enumerate((0.5, 0.9)):
        alone = trained(agent.replace(gamma=gamma))
        np.testing.assert_array_equal(swept.q[run], alone.q[run])
    assert (swept.q[0] != swept.q[1]).any()


@pytest.mark.parametrize(
    ("swept", "message"),
    [
        ({"gama": [0.5, 0.9]}, "unknown hyper-parameter that may be swept of QLearning 'gama'. Did you mean 'gamma'"),
        ({"num_envs": [8, 16]}, "unknown hyper-parameter that may be swept of QLearning 'num_envs'"),
        ({"gamma": np.array([0.5])}, r"swept\['gamma'\] must have shape \[2\], got \[1\]"),
        ({"gamma": np.array([0.5, 1.5])}, r"gamma must be within \[0.0, 1.0\], got 1.5"),
    ],
)
def test_what_cannot_be_swept_is_refused(swept, message):
    with pytest.raises(jaxrec.InputError, match=message):
        trained(QLearning(Chain(), 64, num_envs=32), swept=swept)


def test_a_sweep_is_one_table_of_all_combinations_and_seeds(tmp_path):
    agent = QLearning(Chain(), 512, num_envs=32)
    values = {"gamma": [0.5, 0.9], "step_size": [VisitStep(1.0), VisitStep(4.0)]}
    found = sweep(agent, values, 2, jax.random.key(0), num_chunks=2)
    assert [(row["gamma"], row["step_size"], row["seed"]) for row in found.rows[:5]] == [
        (0.5, "VisitStep(weight=1.0)", 0), (0.5, "VisitStep(weight=1.0)", 1), (0.5, "VisitStep(weight=4.0)", 0),
        (0.5, "VisitStep(weight=4.0)", 1), (0.9, "VisitStep(weight=1.0)", 0),
    ]  # fmt: skip
    alone = agent.replace(gamma=0.9, step_size=VisitStep(1.0))
    rewards = []
    state = trained(alone, on_metrics=lambda _, metrics: rewards.append(metrics["reward"]))
    np.testing.assert_array_equal(found.states.q[4:6], state.q)
    assert [row["reward"] for row in found.rows[4:6]] == rewards[-1].tolist()
    summary = found.summary()
    assert [row["seeds"] for row in summary] == [2] * 4
    assert summary[2]["reward"] == pytest.approx(rewards[-1].mean())
    assert summary[2]["reward_low"] <= summary[2]["reward"] <= summary[2]["reward_high"]
    found.write(tmp_path / "sweep.csv")
    with (tmp_path / "sweep.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [float(row["reward"]) for row in read] == [row["reward"] for row in found.rows]
    for name, message in (("sweep.csv", "exists"), ("sweep.txt", "unknown kind of table '.txt'")):
        with pytest.raises(jaxrec.InputError, match=message):
            found.write(tmp_path / name)


@pytest.mark.parametrize(
    ("several", "message"),
    [
        ([], "must have at least one, got none"),
        ("often", "must be a sequence of values, got 'often'"),
        (["often"], "must be numbers, or all of one kind"),
        ([0.5, VisitStep(1.0)], "must be numbers, or all of one kind"),
        ([0.5, 0.9, 0.5], "must have each value once"),
        ([1, 1.0], "must have each value once"),
        ([0.5, 0.5 + 1e-12], "must have each value once"),
    ],
)
def test_what_a_sweep_cannot_be_over_is_refused(several, message):
    with pytest.raises(jaxrec.InputError, match=rf"values\['gamma'\] {message}"):
        sweep(QLearning(Chain(), 64, num_envs=32), {"gamma": several}, 2, jax.random.key(0))


@pytest.mark.parametrize("cluster", [False, True])
def test_the_script_for_slurm_begins_and_goes_on(cluster, tmp_path):
    """With stand-ins for `jaxrec`, `srun` and `scontrol` that write down how they were called."""
    script = ROOT / "examples" / "slurm.sh"
    called = tmp_path / "called"
    for name, then in (("jaxrec", "exit ${CODE:-0}"), ("srun", 'shift; exec "$@"'), ("scontrol", "")):
        stand_in = tmp_path / name
        stand_in.write_text(f'#!/bin/bash\necho {name} "$@" >> {called}\n{then}\n')
        stand_in.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | ({"SLURM_JOB_ID": "7"} if cluster else {})

    def runs(*argv, code=0):
        called.unlink(missing_ok=True)
        done = subprocess.run(["bash", script, *argv], env=environment | {"CODE": str(code)}, cwd=tmp_path, check=False)
        assert done.returncode == code
        return called.read_text().splitlines()

    folder = tmp_path / "my runs"
    words = runs("survivor", folder, "--seeds", "4", code=138)
    assert f"jaxrec run survivor --out {folder} --seeds 4" in words
    assert ("scontrol requeue 7" in words) == cluster
    folder.mkdir()
    (folder / "manifest.json").touch()
    words = runs("survivor", folder, "--seeds", "4")
    assert words[-1] == f"jaxrec run survivor --resume {folder}"
    assert words[0].startswith("srun") == cluster
