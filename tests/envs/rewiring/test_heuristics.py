"""Heuristics as policies: they recommend whom the reference's pools hold, as they observe the society."""

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
import rewiring_reference as ref
from rewiring_games import NAMES, many_of, matrix_of, random_state, random_words, ties_of
from scipy import stats

from jaxrec.envs.rewiring import (
    HeuristicPolicy,
    RewiringParams,
    heuristics,
    meetings,
    observation,
    rules,
)
from jaxrec.envs.rewiring.graph.society import unstack


@pytest.mark.parametrize("observe_as", ["dense", "graphs_tuple"])
def test_a_heuristic_policy_recommends_whom_the_heuristic_does(observe_as, key):
    rng = np.random.default_rng(6)
    states = [random_state(rng, 14, 40, 1) for _ in range(40)]
    many = many_of(states, 0, [ties_of(state) for state in states])
    societies = unstack(many)
    words = jnp.asarray(random_words(rng, 40, 3))
    params = RewiringParams()

    @jax.jit
    def draw(society, words, heuristics, keys):
        def one(society, words, keys):
            met = meetings.meet(society, words, rules.CARVALHO, params)
            obs = observation.observe(society, met, 40, observe_as)
            act = jax.vmap(lambda heuristic, key: HeuristicPolicy(heuristic).act((), obs, key)[0], in_axes=(0, None))
            chances = jax.vmap(lambda heuristic: HeuristicPolicy(heuristic).probabilities((), obs)[0])(heuristics)
            return obs, jax.vmap(act, in_axes=(None, 0))(heuristics, keys), chances

        return jax.vmap(one, in_axes=(0, 0, None))(society, words, keys)

    every = heuristics.stack_kinds([heuristics.heuristic(name) for name in NAMES])
    obs, actions, chances = jax.tree.map(np.asarray, draw(societies, words, every, jax.random.split(key, 400)))
    for i, state in enumerate(states):
        focused, partner = int(obs.focused[i]), int(obs.partner[i])
        np.testing.assert_array_equal(
            obs.action_mask[i], [z != focused and z not in state.adjacency[focused] for z in range(14)]
        )
        if observe_as == "dense":
            np.testing.assert_array_equal(obs.graph[i], matrix_of(state))
        else:
            assert len(obs.graph.senders[i]) == 80
            graph = nx.DiGraph(zip(obs.graph.senders[i].tolist(), obs.graph.receivers[i].tolist(), strict=True))
            np.testing.assert_array_equal(nx.to_numpy_array(graph, nodelist=range(14)) > 0, matrix_of(state))
        np.testing.assert_array_equal(obs.nodes[i, :, 0], state.cooperates)
        np.testing.assert_allclose(obs.nodes[i, :, 1], matrix_of(state).sum(axis=0) / (80 / 14), rtol=1e-5)
        for j, name in enumerate(NAMES):
            pool = ref.pool(state, focused, partner, ref.Game("carvalho", heuristics=((name, False),)))
            values, counts = np.unique(actions[i, :, j], return_counts=True)
            assert values.tolist() == (pool or [focused]), name
            np.testing.assert_allclose(chances[i, j, values], 1 / len(values), rtol=1e-6)
            assert np.count_nonzero(chances[i, j]) == len(values)
            assert len(values) == 1 or stats.chisquare(counts).pvalue > 1e-6
