"""What `materialised` gives back is what it is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.runtime.fusion import materialised

VALUES = {
    "float": np.array([0.0, 1 / 3, np.nextafter(np.float32(1), np.float32(0)), -2.5e-30], np.float32),
    "int": np.array([0, 1, -7, 2**24], np.int32),
    "bool": np.array([True, False, True]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_keeps_its_kind_and_every_bit(kind):
    value = VALUES[kind]
    kept = np.asarray(jax.jit(materialised)(value, jnp.float32(1)))
    assert kept.dtype == value.dtype
    np.testing.assert_array_equal(kept, value)
