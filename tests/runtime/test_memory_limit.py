"""Memory: what a training needs, what the machine, its container or its devices have, and who is refused."""

import dataclasses
import os
import time
from unittest import mock

import jax
import jax.numpy as jnp
import pytest
from probes import Chain

import jaxrec
from jaxrec import InputError
from jaxrec.agents import MLP, PPO, QLearning
from jaxrec.runtime import devices, memory_limit
from jaxrec.training import fit

resource = pytest.importorskip("resource")
HUGE = {
    "ppo": PPO(Chain(), MLP(2, (4,)), total_timesteps=1, num_envs=10**7, num_steps=10**6),
    "table": QLearning(Chain(), total_timesteps=1, num_envs=10**8, num_steps=40),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_training_that_cannot_fit_is_refused_before_anything_is_allocated(name):
    agent, keys = HUGE[name], jax.random.split(jax.random.key(0), 3)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    shape = f"[3, {agent.num_steps}, {agent.num_envs}]"
    with pytest.raises(InputError, match=r"would hold .* [GT]B, and there are .*largest arrays") as error:
        fit(agent, keys, jaxrec.batched(agent.env.default_params, 3))
    assert shape in str(error.value)
    assert str(error.value).count("batch.") == memory_limit.NUM_LISTED
    assert time.monotonic() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kilobytes"


def test_what_fits_is_counted_in_full(monkeypatch):
    """Worked by hand: 3 runs of 5 floats and a key, and updates of 7 bytes."""
    state = {"w": jax.ShapeDtypeStruct((3, 5), jnp.float32), "key": jax.random.split(jax.random.key(0), 3)}
    batch = jax.ShapeDtypeStruct((3, 7), jnp.int8)
    needed, mesh = 3 * (5 * 4 + 8 + 7), devices.mesh(3)
    monkeypatch.setattr(memory_limit, "available", lambda _: needed)
    memory_limit.check_fits(state, batch, mesh)
    monkeypatch.setattr(memory_limit, "available", lambda _: needed - 1)
    with pytest.raises(InputError) as error:
        memory_limit.check_fits(state, batch, mesh)
    assert "would hold 105.0 B, and there are 104.0 B" in str(error.value)
    assert "state.w float32[3, 5] 60.0 B; state.key key<fry>[3] 24.0 B; batch int8[3, 7] 21.0 B" in str(error.value)
    monkeypatch.setattr(memory_limit, "available", lambda _: None)
    memory_limit.check_fits(state, batch, mesh)


def test_memory_of_the_machine():
    """Between what is free and all there is."""
    page = os.sysconf("SC_PAGE_SIZE")
    assert 0 < memory_limit.available(jax.devices()) <= page * os.sysconf("SC_PHYS_PAGES")


def machine(folder, files, version=2, root="/", inside="/"):
    """Makes a tree of the kernel's files with 8 GB available, one group of memory mounted; `files` of it by name."""
    point = "/sys/fs/cgroup" if version == 2 else "/sys/fs/cgroup/memory"
    system = "cgroup2 cgroup rw,nsdelegate" if version == 2 else "cgroup cgroup rw,memory"
    mounts = f"30 1 0:28 / /sys/fs rw - tmpfs tmpfs rw\n31 30 0:29 {root} {point} ro shared:1 - {system}\n"
    groups = f"0::{inside}\n" if version == 2 else f"5:cpu,cpuacct:/elsewhere\n4:memory:{inside}\n0::/\n"
    kernel = {"proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n"}
    kernel |= {"proc/self/mountinfo": mounts, "proc/self/cgroup": groups}
    for name, content in (kernel | {f"{point[1:]}/{name}": f"{content}\n" for name, content in files.items()}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def limited(limit, used, *cache, group="", version=2):
    """The files of one group; `cache`: the lines of its memory.stat."""
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    return {f"{group}{names[0]}": limit, f"{group}{names[1]}": used, f"{group}memory.stat": "\n".join(cache)}


JOB = {"root": "/", "inside": "/slurm/job_7/step_0"}
DOCKER = {"root": "/docker/1f", "inside": "/docker/1f"}
UNLIMITED = 9223372036854771712
"""As cgroups 1 say it."""
GROUPS = {
    "a container": (2 * 10**9, limited(3 * 10**9, 10**9), {}),
    "its cache": (2 * 10**9 + 500, limited(3 * 10**9, 10**9, "anon 7", "inactive_file 500", "active_file 9"), {}),
    "no limit": (8_192_000_000, limited("max", 10**9), {}),
    "more than the machine has": (8_192_000_000, limited(10**12, 10**9), {}),
    "more used than allowed": (0, limited(10**9, 10**9 + 5), {}),
    "a job": (500, limited(900, 400, group="slurm/job_7/step_0/") | limited("max", 3, group="slurm/"), JOB),
    "the job above": (100, limited("max", 400, group="slurm/job_7/step_0/") | limited(600, 500, group="slurm/"), JOB),
    "a group that is gone": (100, limited(600, 500, group="slurm/"), JOB),
    "another job": (8_192_000_000, limited(600, 500, group="slurm/job_8/"), JOB),
    "a container that sees the machine's names": (300, limited(700, 400), DOCKER),
    "a group outside": (300, limited(700, 400), {"root": "/", "inside": "/../../other"}),
    "cgroups 1": (300, limited(700, 400, version=1), {"version": 1}),
    "cgroups 1, cache of groups below": (
        330, limited(700, 400, "inactive_file 5", "total_inactive_file 30", version=1), {"version": 1},
    ),
    "cgroups 1, no limit": (8_192_000_000, limited(UNLIMITED, 400, version=1), {"version": 1}),
    "cgroups 1, a job": (60, limited(100, 40, group="slurm/", version=1), {"version": 1} | JOB),
    "cgroups 1, docker": (60, limited(100, 40, version=1), {"version": 1} | DOCKER),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_the_limit_of_a_container_or_a_job_counts(name, tmp_path, monkeypatch):
    """Whichever is the least: what the machine has, the process's own group or one above it leaves."""
    left, files, options = GROUPS[name]
    monkeypatch.setattr(memory_limit, "MACHINE", machine(tmp_path, files, **options))
    assert memory_limit.available(jax.devices()) == left


def test_a_training_beyond_the_limit_of_its_container_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_limit, "MACHINE", machine(tmp_path, limited(3000, 1000)))
    memory_limit.check_fits(jax.ShapeDtypeStruct((2, 1000), jnp.int8), (), devices.mesh(2))
    with pytest.raises(InputError, match=r"would hold 2.0 kB, and there are 2.0 kB"):
        memory_limit.check_fits(jax.ShapeDtypeStruct((1, 2001), jnp.int8), (), devices.mesh(1))


def test_a_machine_that_says_nothing_refuses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_limit, "MACHINE", tmp_path)
    assert memory_limit.available(jax.devices()) is None


def test_memory_of_devices_that_tell(monkeypatch):
    @dataclasses.dataclass
    class Device:
        used: int

        def memory_stats(self):
            return {"bytes_limit": 100, "bytes_in_use": self.used}

    assert memory_limit.available([Device(10), Device(25)]) == 150, "in equal shares"


@pytest.mark.parametrize(("local", "size", "share"), [(1, 1, 1), (1, 2, 0.5), (4, 8, 0.5), (8, 8, 1)])
def test_each_host_holds_its_share(local, size, share, monkeypatch):
    """Stand-ins for meshes: of several hosts, and of fewer devices than there are."""
    mesh = mock.Mock(spec=jax.sharding.Mesh, local_devices=[None] * local, size=size)
    state, needed = jax.ShapeDtypeStruct((8, 100), jnp.int8), int(800 * share)
    monkeypatch.setattr(memory_limit, "available", lambda devices: needed if len(devices) == local else None)
    memory_limit.check_fits(state, (), mesh)
    monkeypatch.setattr(memory_limit, "available", lambda _: needed - 1)
    with pytest.raises(InputError, match="would hold"):
        memory_limit.check_fits(state, (), mesh)
