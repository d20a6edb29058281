"""What the hints to the compiler give back is what they are given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec import Box, random
from jaxrec.fusion import LARGEST, apart, by_platform, key_at_once, keys_once, materialised, once, unit

VALUES = {
    "float": np.array([0.0, 1 / 3, np.nextafter(np.float32(1), np.float32(0)), -2.5e-30], np.float32),
    "int": np.array([0, 1, -7, 2**24], np.int32),
    "bool": np.array([True, False, True]),
}
INTEGERS = {
    "int8": np.arange(-128, 128, dtype=np.int8),
    "uint8": np.arange(256, dtype=np.uint8),
    "int32": np.array([0, 1, -1, 2, -2, 3, LARGEST, -LARGEST, LARGEST - 1], np.int32),
    "uint32": np.array([0, 1, 2, LARGEST], np.uint32),
}


@pytest.mark.parametrize("hint", [materialised, apart])
@pytest.mark.parametrize("kind", VALUES)
def test_a_value_keeps_its_kind_and_every_bit(kind, hint):
    value = VALUES[kind]
    kept = np.asarray(jax.jit(lambda value, influence: hint(value, unit(influence)))(value, 0.0))
    assert kept.dtype == value.dtype
    np.testing.assert_array_equal(kept, value)


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_need_no_unit(kind):
    value = INTEGERS[kind]
    kept = np.asarray(jax.jit(once)(value))
    assert kept.dtype == value.dtype
    np.testing.assert_array_equal(kept, value)


@pytest.mark.parametrize("generator", random.GENERATORS)
def test_keys_keep_every_bit(generator):
    words = np.array([0, 1, 0xFFFF, 0x10000, 0x55555555, 0xAAAAAAAB, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)
    pairs = np.stack(np.meshgrid(words, words), axis=-1).reshape(9, 9, 2)
    keys = jax.random.wrap_key_data(pairs, impl=random.GENERATORS[generator])
    kept = jax.jit(keys_once)(keys)
    assert kept.dtype == keys.dtype
    np.testing.assert_array_equal(jax.random.key_data(kept), pairs)


def test_rows_from_a_table_are_not_gathered_in_the_kernel_that_reads_them():
    table, index, influence = jnp.zeros((100, 3)), jnp.zeros(64, jnp.int32), jnp.float32(0.5)

    def kernels(hint):
        def step(table, index, influence):
            rows = hint(table[index], unit(influence))
            return jnp.exp(rows[:, 0]) + jnp.exp(rows[:, 1]) * rows[:, 2]

        program = jax.jit(step).lower(table, index, influence).compile().as_text()
        return [body for body in program.split("\n\n") if " exponential(" in body and " gather(" in body]

    assert kernels(lambda rows, one: rows)  # else the hint is not needed any more
    assert not kernels(apart)


@pytest.mark.parametrize(
    ("low", "high", "dtype", "given", "nearest"),
    [
        (0, np.inf, "uint64", 2**63 + 7, 2**63 + 7),
        (0, 2**64 - 1, "uint64", 2**63, 2**63),
        (-np.inf, 10, "int64", -(2**62) - 5, -(2**62) - 5),
        (0, 5, "int64", 9, 5),
    ],
)
def test_the_nearest_integer_is_itself_however_large(low, high, dtype, given, nearest):
    with jax.enable_x64(True):
        space = Box(low, high, (), jnp.dtype(dtype))
        assert int(jax.jit(space.nearest)(jnp.asarray(given, dtype))) == nearest


@pytest.mark.parametrize("generator", random.GENERATORS)
def test_a_key_at_once_is_the_key(generator):
    keys = jax.random.split(random.key(3, generator), 4)
    kept = jax.jit(jax.vmap(key_at_once))(keys)
    assert ("optimization_barrier" in str(jax.make_jaxpr(key_at_once)(keys[0]))) == (generator == "threefry")
    assert kept.dtype == keys.dtype
    np.testing.assert_array_equal(*(jax.random.key_data(each) for each in (kept, keys)))


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_a_branch_of_another_platform_is_not_traced_on_a_cpu(monkeypatch, backend):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    traced = []

    def branch(name, value):
        traced.append(name)
        return value

    def compute(x):
        return by_platform(x, cpu=lambda x: branch("cpu", 2 * x), default=lambda x: branch("elsewhere", 3 * x))

    assert jax.jit(compute).trace(1.0).lower(lowering_platforms=("cpu",)).compile()(1.0) == 2
    assert set(traced) == ({"cpu"} if backend == "cpu" else {"cpu", "elsewhere"})
