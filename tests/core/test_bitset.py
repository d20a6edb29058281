"""Sets as bits beside NumPy's bools; 2100 are too many to write out word by word."""

import jax.numpy as jnp
import numpy as np
import pytest
from societies import as_bits

from jaxrec import bitset


@pytest.mark.parametrize("size", [33, 2100, *[pytest.param(n, marks=pytest.mark.slow) for n in (1, 31, 32, 100)]])
def test_sets(size):
    rng = np.random.default_rng(size)
    sets = 64 if size < 1000 else 3
    members = rng.random((size, sets)) < rng.random(sets)
    words = bitset.pack(jnp.asarray(members))
    np.testing.assert_array_equal(words, as_bits(members.T).T)
    np.testing.assert_array_equal(bitset.unpack(words, size), members)
    np.testing.assert_array_equal(bitset.count(words), members.sum(axis=0))
    np.testing.assert_array_equal(bitset.sizes(words.T), members.sum(axis=0))
    np.testing.assert_array_equal(bitset.everyone(size), as_bits(np.ones(size, bool)))
    users = np.arange(sets) % size
    np.testing.assert_array_equal(bitset.single(jnp.asarray(users), len(words)), as_bits(np.eye(size)[users] > 0).T)
    columns, ranks = np.nonzero(np.arange(size) < members.sum(axis=0)[:, None])
    sorted_members = [np.flatnonzero(members[:, column])[rank] for column, rank in zip(columns, ranks, strict=True)]
    np.testing.assert_array_equal(bitset.select(words[:, columns], jnp.asarray(ranks)), sorted_members)
