"""Gradients computed in parts of a minibatch are those of the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain, Cue

import jaxrec
from jaxrec.agents import GAT, LSTM, MLP, PPO, NodeMLP, Ranking, microbatches
from jaxrec.envs.rewiring import RewiringGame

SETTINGS = {"num_envs": 8, "num_steps": 6, "num_minibatches": 2, "num_epochs": 2}
LEARNERS = {
    "samples": (PPO(Chain(), MLP(2, (4,)), 480, **SETTINGS), 3),
    "sequences": (PPO(Cue(3), LSTM(2, 4), 480, **SETTINGS), 2),
    "graphs": (
        PPO(RewiringGame(6, 2, "learning", max_wait=1), Ranking(NodeMLP((4,)), 4), 96, **SETTINGS),
        8,
    ),  # some ask for nothing
}


@pytest.mark.parametrize(
    "name", ["samples", *(pytest.param(one, marks=pytest.mark.slow) for one in ("sequences", "graphs"))]
)
def test_a_batch_is_learned_from_alike_in_parts(name):
    """Up to rounding: the parts of a sum are added up in another order."""
    whole, size = LEARNERS[name]
    params = whole.env.default_params
    learned = []
    count = whole.num_envs * (1 if whole.network.is_recurrent else whole.num_steps) // whole.num_minibatches
    for agent in (whole.replace(microbatch_size=count), whole.replace(microbatch_size=size)):
        state, metrics = jax.jit(agent.advance)(agent.init(jax.random.key(0), params), params, 0, 1)
        learned.append((state.network_params, metrics))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6), *learned)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (5, "microbatch_size must divide a minibatch of 24, got 5"),
        (0, "microbatch_size must be an integer"),
    ],
)
def test_parts_that_do_not_fit_are_refused(size, message):
    with pytest.raises(jaxrec.InputError, match=message):
        LEARNERS["samples"][0].replace(microbatch_size=size)


def _loss(weights, batch):
    return jnp.exp(batch @ weights).sum()


@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize(("count", "kept", "size"), [(24, 6, 6), (24, 7, 6), (24, 100, 24), (24, 0.1, 24), (23, 7, 23)])
def test_as_many_are_taken_at_once_as_the_cache_holds(count, kept, size, cores, monkeypatch):
    """Of each sequence the gradient keeps its 4 numbers and 8 results; 23 has no divisor but 1, which would crawl."""
    monkeypatch.setattr(microbatches, "cores", lambda: cores)
    monkeypatch.setattr(microbatches, "CACHE", kept * (4 + 8) * 4 / cores)
    assert microbatches.fitting(_loss, jnp.ones((4, 8)), jnp.ones((1, 1, 4)), count) == size
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert microbatches.fitting(_loss, jnp.ones((4, 8)), jnp.ones((1, 1, 4)), count) == count


@pytest.mark.parametrize(
    ("agent", "least", "most"),
    [
        (LEARNERS["samples"][0], 24, 24),
        (LEARNERS["sequences"][0], 4, 4),  # recurrent: all at once
        (PPO(RewiringGame(100, 28, "learning"), Ranking(GAT()), 64 * 32, num_envs=64, num_steps=32), 2, 16),
    ],
)
def test_graphs_are_learned_from_in_parts_and_small_networks_at_once(agent, least, most, monkeypatch):
    monkeypatch.setattr(microbatches, "cores", lambda: 1)
    params = agent.env.default_params
    state = jax.eval_shape(agent.init, jax.random.key(0), params)
    batch = jax.eval_shape(lambda state: agent.experience(state, params), state)
    if not agent.network.is_recurrent:
        batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct((1, x.shape[0] * x.shape[1], *x.shape[2:]), x.dtype), batch)
    assert least <= agent._microbatch(state.network_params, batch) <= most
