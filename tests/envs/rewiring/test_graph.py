"""Draws, sets of users, and the graphs that societies start from."""

from functools import partial

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from scipy import stats

from jaxrec.envs.rewiring.graph import draws, starts


@pytest.mark.parametrize("n", [1, 2, 3, 7, 31, 32, 33, 500, 16_383, 65_535])
def test_choose_is_the_high_half_of_the_product(n):
    words = np.concatenate([np.arange(2**16, dtype=np.uint64) * 65_537, [0, 1, 2**31, 2**32 - 1]]).astype(np.uint32)
    chosen, left = draws.choose(jnp.asarray(words), n)
    product = words.astype(object) * n
    np.testing.assert_array_equal(chosen, (product >> 32).astype(np.int64))
    np.testing.assert_array_equal(left, (product & 0xFFFFFFFF).astype(np.int64))
    if n <= 500:
        counts = np.bincount(chosen, minlength=n)
        assert counts.shape == (n,)
        assert counts.max() - counts.min() <= 6


def test_choose_among_none():
    assert draws.choose(jnp.uint32(2**32 - 1), 0)[0] == 0


@partial(jax.jit, static_argnums=(0, 2, 3))
def draw_graphs(starter, keys, users, number):
    return jax.vmap(lambda key: starter(key, users, number))(keys)


def codes_of_graphs(ties, users):
    """Each graph as one number, after checking that it is simple."""
    ties = np.sort(np.asarray(ties).astype(np.int64), axis=2)
    assert (ties[..., 0] < ties[..., 1]).all(), "a loop"
    assert (ties >= 0).all()
    assert (ties < users).all()
    pairs = np.sort(ties[..., 0] * users + ties[..., 1], axis=1)
    assert (np.diff(pairs, axis=1) > 0).all(), "a tie twice"
    return pairs


@pytest.mark.parametrize(
    ("users", "k"),
    [
        (4, 3),
        (5, 4),
        (33, 6),
        (6, 3),
        *[
            pytest.param(users, k, marks=pytest.mark.slow)
            for users, k in zip(
                [2, 3, 4, 4, 6, 6, 6, 8, 9, 10, 12, 12, 16, 30, 31, 100, 101],
                [1, 2, 1, 2, 1, 4, 5, 3, 4, 9, 5, 6, 15, 8, 14, 28, 50],
                strict=True,
            )
        ],
    ],
)
def test_regular_graphs_are_simple_and_regular(users, k):
    ties = draw_graphs(starts.k_regular, jax.random.split(jax.random.key(users * k), 200), users, k)
    assert ties.shape == (200, users * k // 2, 2)
    codes_of_graphs(ties, users)
    for graph in np.asarray(ties):
        np.testing.assert_array_equal(np.bincount(graph.ravel(), minlength=users), k)


def test_small_regular_graphs_are_found():
    ties = jnp.asarray([[user, user] for user in range(6)], jnp.int32)
    state = (jax.random.key(0), ties, starts._bad(ties, 6), jnp.zeros((), jnp.int32))
    state = jax.jit(lambda state: jax.lax.fori_loop(0, 100, lambda _, s: starts._exchange(6, s), state))(state)
    assert not (state[1] == ties).all()


def test_half_of_all_ties_are_found():
    """Where a new tie is as likely to repeat another as not, rounds must be left alone for long."""

    def rounds(key):
        ties = jax.random.permutation(key, jnp.repeat(jnp.arange(101, dtype=jnp.int32), 50)).reshape(-1, 2)
        state = (key, ties, starts._bad(ties, 101), jnp.zeros((), jnp.int32))
        return jax.lax.while_loop(
            lambda state: state[2].any() & (state[3] < 2000), lambda state: starts._exchange(101, state), state
        )[3]

    assert (jax.jit(jax.vmap(rounds))(jax.random.split(jax.random.key(0), 4)) < 1000).all()


@pytest.mark.parametrize(
    ("starter", "users", "number", "graphs"),
    [
        pytest.param("k_regular", 6, 2, 70, id="6 users, 2 neighbours", marks=pytest.mark.slow),
        pytest.param("uniform_random", 4, 3, 20, id="4 users, 3 ties"),
        pytest.param("k_regular", 4, 1, 3, id="4 users, 1 neighbour", marks=pytest.mark.slow),
        pytest.param("k_regular", 6, 1, 15, id="6 users, 1 neighbour", marks=pytest.mark.slow),
        pytest.param("k_regular", 4, 2, 3, id="4 users, 2 neighbours", marks=pytest.mark.slow),
        pytest.param("k_regular", 5, 2, 12, id="5 users, 2 neighbours", marks=pytest.mark.slow),
        pytest.param("k_regular", 6, 3, 70, id="6 users, 3 neighbours", marks=pytest.mark.slow),
        pytest.param("uniform_random", 5, 7, 120, id="5 users, 7 ties", marks=pytest.mark.slow),
        pytest.param("uniform_random", 5, 5, 252, id="5 users, 5 ties", marks=pytest.mark.slow),
    ],
)
def test_start_graphs_are_uniform(starter, users, number, graphs, key):
    ties = draw_graphs(getattr(starts, starter), jax.random.split(key, 400 * graphs), users, number)
    found, counts = np.unique(codes_of_graphs(ties, users), axis=0, return_counts=True)
    assert len(found) == graphs
    assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("starter", [starts.k_regular, starts.uniform_random])
def test_graphs_are_the_same_in_float64(starter, key):
    number = 4 if starter is starts.k_regular else 20
    single = starter(key, 10, number)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(starter(key, 10, number), single)


@pytest.mark.parametrize("devices", [1, 2])
def test_what_is_drawn_in_turn_is_what_each_key_draws(devices, key, monkeypatch):
    """Under one `vmap` or two, over either axis, and where devices share the environments."""
    monkeypatch.setattr(starts, "env_devices", lambda: devices)

    def drawn(key):
        return {"ties": starts.k_regular(key, 8, 3), "none": jnp.zeros((0, 2)), "key": jax.random.fold_in(key, 1)}

    in_turn, keys = starts.in_turn(drawn), jax.random.split(key, (2, 3))
    found, turned = jax.vmap(jax.vmap(in_turn))(keys), jax.vmap(jax.vmap(in_turn), in_axes=1, out_axes=1)(keys)
    loops = str(jax.make_jaxpr(jax.vmap(in_turn))(keys[0])).count("scan[")
    assert loops == (devices == 1)
    for i, j in np.ndindex(2, 3):
        for each in (found, turned):
            np.testing.assert_array_equal(each["ties"][i, j], drawn(keys[i, j])["ties"])
            assert each["key"][i, j] == in_turn(keys[i, j])["key"]
    assert found["none"].shape == (2, 3, 0, 2)


@pytest.mark.slow
def test_uniform_graphs_have_all_their_ties():
    ties = draw_graphs(starts.uniform_random, jax.random.split(jax.random.key(0), 50), 40, 100)
    assert ties.shape == (50, 100, 2)
    codes_of_graphs(ties, 40)


@pytest.mark.slow
def test_regular_graphs_have_as_many_triangles_as_networkx_ones(key):
    users, k = 30, 8
    ties = np.asarray(draw_graphs(starts.k_regular, jax.random.split(key, 2000), users, k))

    def triangles(graph):
        return sum(nx.triangles(graph).values()) / 3

    ours = [triangles(nx.Graph(graph.tolist())) for graph in ties]
    theirs = [triangles(nx.random_regular_graph(k, users, seed=seed)) for seed in range(2000)]
    assert stats.ttest_ind(ours, theirs).pvalue > 1e-3
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
