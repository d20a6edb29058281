"""A random order is one, and every order is as likely."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxrec import random


@pytest.mark.parametrize("count", [0, 1, 2, 7, 1024, 1500, 2**16, 2**16 + 1])
def test_a_random_order_has_everything_once(count, key):
    order = random.order(key, count)
    np.testing.assert_array_equal(np.sort(order), np.arange(count))
    assert order.dtype == jnp.int32
    assert count < 7 or not jnp.array_equal(order, random.order(jax.random.key(1), count))


@pytest.mark.parametrize("count", [40, 1024, 1500, 4096])
def test_a_random_order_has_each_in_each_minibatch_as_often(count):
    """Over orders, the places of one index, of neighbours together, and of all, against what chance gives."""
    orders = np.asarray(
        jax.jit(jax.vmap(lambda key: random.order(key, count)))(jax.random.split(jax.random.key(0), 2000))
    )
    minibatch = np.argsort(orders, axis=1) * 4 // count  # [orders, index]
    for index in (0, 1, count // 2, count - 1):
        assert scipy.stats.chisquare(np.bincount(minibatch[:, index], minlength=4)).pvalue > 1e-4
    together = (minibatch[:, 1:] == minibatch[:, :-1]).mean(axis=1)
    expected, error = (count / 4 - 1) / (count - 1), together.std() / np.sqrt(len(orders))
    assert abs(together.mean() - expected) < 4 * error
    overall = np.stack([np.bincount(of_index, minlength=4) for of_index in minibatch.T])
    pearson = ((overall - 500.0) ** 2 / 500).sum()  # of each order the places are used once: 3 (count - 1) free
    assert scipy.stats.chi2.sf(pearson * (count - 1) / count, 3 * (count - 1)) > 1e-4


def test_every_order_of_four_is_as_likely():
    orders = np.asarray(jax.vmap(lambda key: random.order(key, 4))(jax.random.split(jax.random.key(0), 24_000)))
    _, counts = np.unique(orders @ np.array([64, 16, 4, 1]), return_counts=True)
    assert len(counts) == 24
    assert scipy.stats.chisquare(counts).pvalue > 1e-4
