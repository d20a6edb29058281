import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.agents.products import Dense


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3)])
@pytest.mark.parametrize("runs", [0, 1, 2])
def test_a_layer_and_its_gradients_are_those_of_flax(shape, runs):
    inputs = jax.random.normal(jax.random.key(0), shape)
    weights = nn.Dense(4).init(jax.random.key(1), inputs)

    def loss(layer, weights, inputs):
        return (layer.apply(weights, inputs) ** 2).sum()

    def slopes(layer, weights, inputs):
        of = jax.grad(lambda *given: loss(layer, *given), argnums=(0, 1))
        return (jax.vmap(of) if runs else of)(weights, inputs)

    if runs:
        weights, inputs = jax.tree.map(lambda leaf: jnp.stack([leaf] * runs), (weights, inputs))
    expected, found = slopes(nn.Dense(4), weights, inputs), slopes(Dense(4), weights, inputs)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5), found, expected)


def test_networks_draw_the_weights_of_flax():
    inputs = jnp.ones(3)
    ours, of_flax = (layer(4).init(jax.random.key(1), inputs) for layer in (Dense, nn.Dense))
    jax.tree.map(np.testing.assert_array_equal, ours, of_flax)
