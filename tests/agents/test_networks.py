"""Ranking networks: what a renaming of the users does, and graph attention against plain NumPy and jraph."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from probes import Cue

import jaxrec
from jaxrec import graphs
from jaxrec.agents import GAT, LSTM, MLP, PPO, Neighbourhood, NetworkPolicy, NodeMLP, Ranking
from jaxrec.agents.networks import check_network
from jaxrec.envs.rewiring import RewiringGame

SMALL = {"num_users": 7, "degree": 4, "rules": "learning"}


@pytest.fixture(scope="module")
def requests():
    """The same requests seen in both ways: (dense, GraphsTuple)."""
    return tuple(
        jax.jit(jax.vmap(RewiringGame(**SMALL, observe_as=kind).reset_env, in_axes=(0, None)))(
            jax.random.split(jax.random.key(3), 4), RewiringGame(**SMALL).default_params
        )[0]
        for kind in ("dense", "graphs_tuple")
    )


def first(obs):
    return jax.tree.map(lambda leaf: leaf[0], obs)


@pytest.mark.parametrize("pooling", ["mean", "sum"])
@pytest.mark.parametrize(
    "embed", [NodeMLP((8,)), Neighbourhood(6), GAT(layers=2, heads=2, width=3), GAT(1, 2, 3, residual=False)]
)
def test_renaming_the_users_renames_the_scores(embed, pooling, requests):
    obs = first(requests[0])
    network = Ranking(embed, 8, pooling)
    weights, apply = jax.jit(network.init)(jax.random.key(0), (), obs), jax.jit(network.apply)
    order = np.random.default_rng(0).permutation(7)
    renamed = obs.replace(
        nodes=obs.nodes[order],
        graph=obs.graph[order][:, order],
        action_mask=obs.action_mask[order],
        focused=jnp.asarray(np.flatnonzero(order == obs.focused)[0]),
    )
    _, scores, value = apply(weights, (), obs)
    _, again, same = apply(weights, (), renamed)
    np.testing.assert_allclose(again, scores[order], rtol=1e-4, atol=1e-6)
    assert same == pytest.approx(float(value), rel=1e-4)
    assert np.ptp(scores) > 0


@pytest.mark.slow
@pytest.mark.parametrize("embed", [GAT(2, 2, 4), Neighbourhood()])
def test_a_dense_graph_gives_what_that_of_jraph_gives(embed, requests):
    network = Ranking(embed, 8)
    weights = network.init(jax.random.key(0), (), first(requests[0]))
    shapes = jax.tree.map(jnp.shape, network.init(jax.random.key(0), (), first(requests[1])))
    assert jax.tree.map(jnp.shape, weights) == shapes, "one set of weights serves both"
    apply = jax.jit(jax.vmap(network.apply, in_axes=(None, None, 0)))
    dense, sparse = (apply(weights, (), obs) for obs in requests)
    for one, other in zip(dense[1:], sparse[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)

    def worth(weights, obs):
        _, scores, value = apply(weights, (), obs)
        return (scores**2).sum() + value.sum()

    slope = jax.jit(jax.grad(worth))
    slopes = (jax.tree.leaves(slope(weights, obs)) for obs in requests)
    for one, other in zip(*slopes, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_attention_far_below_the_largest_logit_is_exact():
    """Nobody near the first user asks for attention that floats could tell from none beside the largest logit."""
    graph = jnp.zeros((3, 3), bool).at[0, 1].set(True).at[1, 0].set(True)
    sender = jnp.array([[0.0], [0.0], [500.0]])

    @jax.jit
    def gathered(sent, receiver):
        return graphs.attend(graph, sent, sender, receiver).sum()

    sent = jnp.ones((3, 1, 2))
    for receiver in (jnp.full((3, 1), 10.0), jnp.full((3, 1), -600.0)):
        value, slopes = jax.value_and_grad(gathered, argnums=(0, 1))(sent, receiver)
        np.testing.assert_allclose(value, sent.sum(), rtol=1e-6)
        chex.assert_tree_all_finite(slopes)


def test_attention_is_that_of_the_paper(requests):
    """Velickovic et al. 2018, Eqs. 2 to 4, user by user in NumPy."""
    graph = np.asarray(first(requests[0]).graph)
    rng = np.random.default_rng(1)
    sent, a, b = rng.normal(size=(7, 2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(2, 3))

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    expected = np.zeros_like(sent)
    for user in range(7):
        near = [*np.flatnonzero(graph[user]), user]
        for head in range(2):
            weight = np.exp([leaky(a[head] @ sent[other, head] + b[head] @ sent[user, head]) for other in near])
            expected[user, head] = (weight / weight.sum()) @ sent[near, head]
    given = graphs.attend(*map(jnp.asarray, (graph, sent, (sent * a).sum(axis=-1), (sent * b).sum(axis=-1))))
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def test_users_gather_from_their_neighbours_alone(requests):
    nodes = np.random.default_rng(2).normal(size=(7, 3)).astype(np.float32)
    for obs in map(first, requests):
        network = nx.from_numpy_array(np.asarray(first(requests[0]).graph))
        sums = np.array([nodes[list(network[user])].sum(axis=0) for user in range(7)])
        np.testing.assert_allclose(graphs.gather(obs.graph, jnp.asarray(nodes)), sums / 4, rtol=1e-5, atol=1e-6)


def test_the_value_sees_who_is_tied_to_whom_where_the_score_does_not(requests):
    """A ring of six users and two triangles: the same features and degrees, other ties."""
    threes = nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))
    ring, triangles = (nx.to_numpy_array(graph, nodelist=range(6), dtype=bool) for graph in (nx.cycle_graph(6), threes))
    obs = first(requests[0]).replace(
        nodes=jnp.stack([jnp.arange(6) % 2, jnp.ones(6)], axis=1), focused=jnp.array(0), action_mask=jnp.ones(6, bool)
    )
    network = Ranking(NodeMLP())
    weights = network.init(jax.random.key(0), (), obs.replace(graph=jnp.asarray(ring)))
    (_, scores, value), (_, same, other) = (
        network.apply(weights, (), obs.replace(graph=jnp.asarray(graph))) for graph in (ring, triangles)
    )
    np.testing.assert_array_equal(scores, same)
    assert abs(value - other) > 1e-3


@pytest.mark.slow
def test_one_set_of_weights_plays_societies_of_any_size(requests):
    network = Ranking(GAT(1, 2, 4), 8)
    policy = NetworkPolicy(network.init(jax.random.key(0), (), first(requests[0])), network)
    env = RewiringGame(12, 4, "learning")
    played = jaxrec.rollout(env, policy, jax.random.key(0), 8, 20)
    assert played.per_env["rewires"].sum() > 0
    assert played.per_env["ineligible"].sum() == 0, "masked users are never recommended"


def test_networks_that_do_not_fit_are_refused():
    with pytest.raises(jaxrec.InputError, match="network Ranking does not take what Cue observes"):
        PPO(Cue(), Ranking(NodeMLP()), 1000)
    with pytest.raises(jaxrec.InputError, match=r"logits of shape \(2,\)"):
        check_network(MLP(5), Cue())
    check_network(LSTM(2), Cue())


def test_pooling_that_is_none_is_refused(untyped):
    with pytest.raises(jaxrec.InputError, match=r"unknown pooling 'meen'. Did you mean 'mean'"):
        Ranking(NodeMLP(), pooling="meen")


def decomposes(function, *args):
    """Whether a program takes a QR decomposition."""
    return " qr[" in str(jax.make_jaxpr(function)(*args))


@pytest.mark.parametrize("network", [MLP(2), LSTM(2)])
def test_initialising_a_network_needs_no_lapack(network):
    """A QR batched by `vmap` deadlocks on two cores (jaxlib 0.10)."""
    keys = jax.random.split(jax.random.key(0), 4)
    assert decomposes(jax.vmap(lambda key: nn.initializers.orthogonal()(key, (3, 3))), keys)
    assert not decomposes(jax.vmap(lambda key: network.init(key, network.initialize_carry(), jnp.zeros(3))), keys)


def test_an_agent_gives_its_network_the_number_of_actions():
    rewiring = RewiringGame(**SMALL)
    assert PPO(Cue(), MLP(hidden=(4,)), 64, num_envs=2, num_steps=2).network == MLP(2, (4,))
    assert PPO(rewiring, LSTM(width=4), 64, num_envs=4, num_steps=2).network == LSTM(7, 4)
    with pytest.raises(jaxrec.InputError, match="num_actions must be given where no agent takes it from an environm"):
        MLP().init(jax.random.key(0), (), jnp.zeros(3))


def test_a_network_is_checked_once_however_often_its_agent_is_built_anew(polarising):
    """`jit` and `jax.tree.map` build it anew: each check took a tenth of a second."""
    env, _ = polarising
    traced = []

    class Told(MLP):
        def apply(self, *args, **kwargs):
            traced.append(1)
            return super().apply(*args, **kwargs)

    agent = PPO(env, Told(env.num_actions), 64, num_envs=4, num_steps=8)
    once = len(traced)
    for _ in range(3):
        jax.tree.map(lambda leaf: leaf, agent)
    assert len(traced) == once == 1


def test_a_network_with_a_list_is_checked_too(polarising, untyped):
    env, _ = polarising
    assert PPO(env, MLP(env.num_actions, [4, 4]), 64, num_envs=4, num_steps=8).network.hidden == [4, 4]
    with pytest.raises(jaxrec.InputError, match=r"logits of shape \(3,\)"):
        PPO(env, MLP(env.num_actions + 1, [4, 4]), 64, num_envs=4, num_steps=8)
