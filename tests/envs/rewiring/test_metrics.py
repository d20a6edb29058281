"""Metrics of societies, held against NetworkX."""

import jax
import networkx as nx
import numpy as np
import pytest
import rewiring_reference as ref
from rewiring_games import many_of, matrix_of, random_state

import jaxrec
from jaxrec.envs.rewiring import CARVALHO, RewiringGame, RewiringMarket, RewiringParams, metrics
from jaxrec.envs.rewiring.graph.society import unstack


def test_metrics_agree_with_networkx(rng):
    states = [random_state(rng, 21, int(rng.integers(10, 150)), 3, rng.choice([0.2, 0.5, 0.8])) for _ in range(60)]
    states += [ref.society([(0, 1), (1, 2)], [value] * 21, [0] * 21) for value in (True, False)]
    society, ties = unstack(many_of(states, 3)), np.array([matrix_of(state).sum() // 2 for state in states])
    measured = jax.tree.map(np.asarray, jax.jit(jax.vmap(metrics.measure))(society, ties))
    params = RewiringParams(temptation=1.7, sucker=-0.3)
    each = (metrics.fitness, metrics.of_kinds, lambda one, *_: metrics.is_fixated(one))
    found = jax.jit(jax.vmap(lambda one: [measure(one, params, CARVALHO) for measure in each]))(society)
    payoffs, of_kinds, fixated = jax.tree.map(np.asarray, found)
    game = ref.Game("printed", temptation=1.7, sucker=-0.3)
    for i, state in enumerate(states):
        graph = nx.from_numpy_array(matrix_of(state).astype(int))
        nx.set_node_attributes(graph, dict(enumerate(state.cooperates)), "strategy")
        degrees = np.array([degree for _, degree in graph.degree()])
        np.testing.assert_allclose(measured["degree_variance"][i], degrees.var(), rtol=1e-5)
        assert measured["max_degree"][i] == degrees.max()
        np.testing.assert_allclose(measured["cooperation"][i], np.mean(state.cooperates), rtol=1e-6)
        np.testing.assert_allclose(measured["shares"][i], np.bincount(state.kinds, minlength=3) / 21, rtol=1e-6)
        ends = {state.cooperates[user] for user in range(21) if state.adjacency[user]}
        expected = nx.attribute_assortativity_coefficient(graph, "strategy") if len(ends) == 2 else 0.0
        np.testing.assert_allclose(measured["assortativity"][i], expected, atol=2e-6)
        np.testing.assert_allclose(payoffs[i], [ref.fitness(state, user, game) for user in range(21)], atol=1e-5)
        users = [[user for user in range(21) if state.kinds[user] == kind] for kind in range(3)]
        a_tie = np.array([ref.fitness(state, user, game) / max(degrees[user], 1) for user in range(21)])
        for kind in (kind for kind in range(3) if users[kind]):
            np.testing.assert_allclose(of_kinds["kind_degree"][i, kind], degrees[users[kind]].mean(), rtol=1e-5)
            np.testing.assert_allclose(of_kinds["kind_payoff"][i, kind], a_tie[users[kind]].mean(), atol=1e-5)
            cooperating = np.mean([state.cooperates[user] for user in users[kind]])
            np.testing.assert_allclose(of_kinds["kind_cooperation"][i, kind], cooperating, atol=1e-6)
        assert fixated[i] == (len(set(state.cooperates)) == 1)


@pytest.mark.parametrize(
    "env",
    [RewiringGame(12, 4, "learning"), RewiringGame(9, 4, graph="uniform"), RewiringMarket(12, 4, rivals=("local",))],
    ids=["regular", "uniform", "market"],
)
def test_societies_measure_by_the_number_of_their_own_ties(env, key):
    steps = jaxrec.rollout(env, env.policy("random"), key, 4, 8, trajectory=("metrics",)).trajectory
    rows = np.ascontiguousarray(steps.next_state.society.adjacency)
    degrees = np.unpackbits(rows.view(np.uint8), axis=-1).sum(axis=-1)
    assert (degrees.sum(axis=-1) == 2 * env.num_ties).all()
    assert degrees.var() > 0
    np.testing.assert_allclose(steps.metrics["degree_variance"], degrees.var(axis=-1), rtol=1e-5, atol=1e-6)
