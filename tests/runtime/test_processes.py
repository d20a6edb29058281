"""Processes that compute together: who they are, and what ends them all."""

import re

import jax
import pytest

import jaxrec
from jaxrec.runtime import processes


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
