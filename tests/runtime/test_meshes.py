"""Meshes have as many devices as divide the work."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.runtime import devices


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


def test_what_is_gathered_stays_free_where_it_was_and_is_bound_where_it_comes_from():
    free, bound = jnp.ones(2), jax.device_put(jnp.ones(2), jax.devices()[0])
    found = devices.gathered({"free": free, "bound": bound, "numpy": np.ones(2, np.float32)})
    assert {name: leaf.committed for name, leaf in found.items()} == {"free": False, "bound": True, "numpy": False}
