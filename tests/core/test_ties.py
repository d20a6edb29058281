"""Equally good choices are equally often made: no index, and no rounding, decides."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from jaxrec.agents import NetworkPolicy, NodeMLP, Ranking
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference.policies import Myopic
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.experiments.preference.estimation.scores import _score
from jaxrec.experiments.rewiring.learning import interpretation
from jaxrec.policy import one_of

KEYS = jax.random.split(jax.random.key(0), 4000)


class Flat(struct.PyTreeNode):
    """A network of five actions, of which three are equally good."""

    def initialize_carry(self):
        return ()

    def apply(self, params, memory, obs):
        return memory, jnp.array([0.0, 1.0, 1.0, -1.0, 1.0]), jnp.zeros(())


class Masked(struct.PyTreeNode):
    action_mask: object


def shares(act, count):
    """How often each action is chosen."""
    chosen = np.asarray(jax.jit(jax.vmap(act))(KEYS))
    return np.bincount(chosen, minlength=count) / len(KEYS)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ([True] * 5, [0, 1 / 3, 1 / 3, 0, 1 / 3]),
        ([True, False, True, True, True], [0, 0, 1 / 2, 0, 1 / 2]),
        ([True, False, False, True, False], [1, 0, 0, 0, 0]),
        ([False] * 5, [0, 1 / 3, 1 / 3, 0, 1 / 3]),
    ],
)
@pytest.mark.parametrize("form", [Masked, lambda mask: {"action_mask": mask}])
def test_a_greedy_network_draws_among_its_equals(mask, expected, form):
    policy = NetworkPolicy({}, Flat())
    found = shares(lambda key: policy.act((), form(jnp.array(mask)), key)[0], 5)
    np.testing.assert_allclose(found, expected, atol=0.03)


@pytest.mark.slow
def test_a_greedy_ranking_does_not_prefer_users_with_low_numbers():
    """Users with equal features have exactly equal scores."""
    env = RewiringGame(10, 4, "learning")
    obs, _ = env.reset(jax.random.key(1))
    obs = obs.replace(nodes=jnp.ones_like(obs.nodes))
    network = Ranking(NodeMLP((4,)))
    policy = NetworkPolicy(network.init(jax.random.key(0), (), obs), network)
    found = shares(lambda key: policy.act((), obs, key)[0], 10)
    valid = np.asarray(obs.action_mask)
    np.testing.assert_allclose(found, valid / valid.sum(), atol=0.04)


def test_a_myopic_recommender_shows_equally_good_slates_equally_often():
    class Believed(struct.PyTreeNode):
        current: object

    worth = jnp.zeros((3, 36)).at[1].set(1.0).at[2].set(1.0 + 1e-7)
    found = shares(lambda key: Myopic(worth).act((), Believed(jnp.full(36, 1 / 36)), key)[0], 3)
    np.testing.assert_allclose(found, [0, 0.5, 0.5], atol=0.03)


def test_a_guess_is_right_as_often_as_a_guess_is():
    """Of 36 equally likely bins one is right; the first of them is not more so."""
    beliefs = jnp.full((4, 3, 36), 1 / 36)
    happened = jnp.array([[0, 5, 7], [0, 0, 0], [1, 2, 3], [35, 35, 0]])
    slates, valid = beliefs, jnp.ones((4, 3), bool)
    for users in (None,):
        scores = _score(users, valid, beliefs, happened, beliefs, slates, happened)
        np.testing.assert_allclose(scores.preference_accuracy, 1 / 36, rtol=1e-5)
        np.testing.assert_allclose(scores.choice_accuracy, 1 / 36, rtol=1e-5)
        np.testing.assert_allclose(scores.preference_loss, np.log(36), rtol=1e-5)


def test_steps_that_are_not_valid_do_not_weigh_in_a_score():
    right = jax.nn.one_hot(jnp.array([[3, 4]]), 36)
    happened, valid = jnp.array([[3, 9]]), jnp.array([[True, False]])
    scores = _score(None, valid, right, happened, right, right, happened)
    np.testing.assert_allclose(scores.preference_accuracy, 1.0)
    np.testing.assert_allclose(scores.preference_loss, 0.0, atol=1e-6)


def test_ties_of_a_myopic_recommender_are_measured_by_what_is_summed_up():
    """Rounding of large values is no difference; a difference of small values is one."""

    class Believed(struct.PyTreeNode):
        current: object

    obs = Believed(jnp.full(36, 1 / 36))
    large = jnp.stack([jnp.full(36, -1e5), jnp.full(36, -1e5 - 0.1), jnp.full(36, -2e5)])
    found = shares(lambda key: Myopic(large).act((), obs, key)[0], 3)
    np.testing.assert_allclose(found, [0.5, 0.5, 0], atol=0.03)
    small = jnp.stack([jnp.full(36, 1e-7), jnp.full(36, 2e-7), jnp.full(36, 3e-7)])
    np.testing.assert_array_equal(shares(lambda key: Myopic(small).act((), obs, key)[0], 3), [0, 0, 1])


def test_one_of_those_allowed():
    uniform = jnp.linspace(0, 1, 1001)[:-1]
    for allowed in ([1, 1, 1], [0, 1, 0], [1, 0, 1, 1, 0, 0, 1]):
        allowed = jnp.array(allowed, bool)
        chosen = np.asarray(jax.vmap(lambda draw, allowed=allowed: one_of(allowed, draw))(uniform))
        counts = np.bincount(chosen, minlength=allowed.size)
        assert (counts[~np.asarray(allowed)] == 0).all()
        assert np.ptp(counts[np.asarray(allowed)]) <= 1
    largest = jnp.nextafter(jnp.float32(1), jnp.float32(0))
    for size in (1, 3, 7, 1000, 16383):
        assert jax.jit(one_of)(jnp.ones(size, bool), largest) == size - 1, "no draw from U[0, 1) is beyond the last"
    assert one_of(jnp.zeros(3, bool), jnp.float32(0.5)) == 0


def test_the_bandit_keeps_the_lowest_index_of_the_published_program():
    env = PolarisingUsers()
    obs = jnp.array([4, 4, 4, 2, 2, 2])
    assert set(np.asarray(jax.vmap(lambda key: env.policy("bandit").act((), obs, key)[0])(KEYS[:50]))) == {0}


@pytest.fixture(scope="module")
def looked():
    """A ranking by features alone, among users of two kinds: (one request, policy)."""
    env = RewiringGame(6, 2, "learning")
    obs, _ = env.reset(jax.random.key(1))
    obs = obs.replace(
        nodes=jnp.array([[1, 1], [0, 1], [1, 1], [0, 1], [1, 1], [0, 1]], jnp.float32),
        focused=jnp.int32(1),
        partner=jnp.int32(3),
        action_mask=jnp.array([True, False, True, True, True, True]),
        requested=jnp.array(True),
    )
    network = Ranking(NodeMLP((4,)))
    return obs, NetworkPolicy(jax.jit(network.init)(jax.random.key(3), (), obs), network)


def test_what_a_ranking_looks_for_is_a_mean_over_the_likeliest(looked):
    """Half of those with the highest score are neighbours of the partner, so half of its choices are local."""
    obs, policy = looked
    scores, salient = jax.jit(interpretation._score)(policy, obs)
    likeliest = np.asarray(interpretation._likeliest(np.asarray(scores), np.asarray(obs.action_mask)))
    assert likeliest.sum() in (2, 3), "users of one kind"
    near = np.flatnonzero(likeliest)[-1]
    graph = jnp.zeros((6, 6), bool).at[3, near].set(True).at[near, 3].set(True)
    seen = obs.replace(graph=graph)
    one = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (seen, scores, salient))
    expected = 1 / likeliest.sum() - 1 / 5  # beyond a random one of the five valid users
    assert interpretation._look(one)["agreement"]["local"] == pytest.approx(expected)


def test_saliency_is_of_the_score_of_each_of_the_likeliest(looked):
    """The slope of a maximum is shared between those who have it: of each, its own is larger."""
    obs, policy = looked
    scores, salient = jax.jit(interpretation._score)(policy, obs)
    likeliest = np.flatnonzero(interpretation._likeliest(np.asarray(scores), np.asarray(obs.action_mask)))
    slopes = jax.jit(
        jax.jacrev(lambda nodes: policy.network.apply(policy.network_params, (), obs.replace(nodes=nodes))[1])
    )
    expected = []
    for user in likeliest:
        slope = np.abs(slopes(obs.nodes)[user]).sum(axis=1)
        own, focused = slope[user], slope[obs.focused]
        expected.append([own, focused, slope.sum() - own - focused])
    np.testing.assert_allclose(salient, np.mean(expected, axis=0), rtol=1e-4, atol=1e-8)
