"""Trainings whose policies are kept, for tests of what is kept."""

import jax
import numpy as np

import jaxrec
from jaxrec.training import fit

RUNS = 2
KEYS = jax.random.split(jax.random.key(3), RUNS)


def trained(agent, folder, num_chunks=4, **settings):
    params = jaxrec.batched(agent.env.default_params, RUNS)
    return fit(agent, KEYS, params, num_chunks, checkpoints=folder, **settings)


def same(tree, other):
    assert jax.tree.structure(tree) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, tree, other)
