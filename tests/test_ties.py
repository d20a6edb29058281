"""Equally good choices are equally often made: no index, and no rounding, decides."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from jaxrec.agents import NetworkPolicy, NodeMLP, Ranking
from jaxrec.envs.preference.policies import Myopic
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.experiments.preference.estimation import _score

KEYS = jax.random.split(jax.random.key(0), 4000)


class Flat(struct.PyTreeNode):
    """A network of five actions, of which three are equally good."""

    def initial_memory(self):
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
