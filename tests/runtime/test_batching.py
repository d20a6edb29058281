"""A map over an axis of one is the map over an axis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.runtime.batching import vmap


def products(nothing, tree, key):
    drawn = jax.random.normal(key, (3,))
    return {"product": tree["matrix"] @ drawn, "key": jax.random.fold_in(key, 1), "number": 2, "none": nothing}


@pytest.mark.parametrize("length", [1, 2])
def test_it_gives_what_jax_gives(length):
    tree, keys = {"matrix": jnp.arange(6.0 * length).reshape(length, 2, 3)}, jax.random.split(jax.random.key(0), length)
    found, expected = (jax.jit(over(products))({}, tree, keys) for over in (vmap, jax.vmap))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    np.testing.assert_allclose(found["product"], expected["product"], rtol=1e-6)
    np.testing.assert_array_equal(jax.random.key_data(found["key"]), jax.random.key_data(expected["key"]))
    np.testing.assert_array_equal(found["number"], expected["number"])


def test_an_axis_of_one_is_not_there():
    seen = []
    vmap(lambda x: seen.append(type(x).__name__) or x)(jnp.ones((1, 3)))
    vmap(lambda x: seen.append(type(x).__name__) or x)(jnp.ones((2, 3)))
    assert "BatchTracer" not in seen[0]
    assert "BatchTracer" in seen[1]
