"""Gradients computed in parts of a minibatch are those of the whole."""

import jax
import numpy as np
import pytest
from probes import Chain, Cue

import jaxrec
from jaxrec.agents import LSTM, MLP, PPO, NodeMLP, Ranking
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
    for agent in (whole, whole.replace(microbatch_size=size)):
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
