"""A scan for a GPU gives what one for a CPU gives: outputs are packed without loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.scans import pack, scan_steps, unpack

ENVS = 4


def brought(step):
    """What a step brings, of every kind: numbers, vectors, matrices, and keys."""
    x = jnp.arange(ENVS) + step
    return {
        "flags": (x % 2 == 0, ~(x > 1)),
        "wide": jnp.where(x > 2, jnp.nan, -1e-30 * x).astype(float),  # -0.0 the first
        "long": x.astype(int) + jnp.iinfo(jnp.zeros((), int).dtype).min,
        "whole": [jnp.iinfo(jnp.int32).min + x.astype(jnp.int32), ~x.astype(jnp.uint32), x.astype(jnp.int8)],
        "half": x.astype(jnp.float16) / 3,
        "number": jnp.asarray(step * 1.5, float),
        "count": jnp.asarray(step, jnp.int32),
        "matrix": jnp.ones((ENVS, 2)) * step,
        "key": jax.vmap(jax.random.key)(x),
        "nothing": None,
    }


def assert_equal(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert ours.dtype == theirs.dtype
        if jnp.issubdtype(ours.dtype, jax.dtypes.prng_key):
            ours, theirs = jax.random.key_data(ours), jax.random.key_data(theirs)
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()  # the sign of zero too


@pytest.mark.parametrize("wide", [False, True])
def test_unpacked_is_what_was_packed(wide):
    with jax.enable_x64(wide):
        few = pack(brought(jnp.asarray(1)))
        assert len(jax.tree.leaves(few)) == 2 + 4  # vectors and numbers, int8, float16, matrix and key
        assert_equal(unpack(few), brought(jnp.asarray(1)))


def test_leaves_need_not_be_arrays_of_jax():
    found = unpack(pack({"number": 1.5, "wide": np.arange(3, dtype=np.float64)}))
    assert_equal(found, {"number": jnp.asarray(1.5), "wide": jnp.arange(3, dtype=float)})


@pytest.mark.parametrize("steps", [3, 4])
@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_steps_are_scanned_as_by_jax(monkeypatch, backend, steps):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    total, kept = jax.jit(lambda: scan_steps(lambda total, step: (total + step, brought(step)), 0, jnp.arange(steps)))()
    each = [brought(jnp.asarray(step)) for step in range(steps)]
    assert total == sum(range(steps))
    assert len(jax.tree.leaves(kept)) == (6 if backend == "gpu" else 12)
    assert_equal(unpack(kept), jax.tree.map(lambda *leaves: jnp.stack(leaves), *each))
