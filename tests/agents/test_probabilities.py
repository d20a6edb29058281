"""The probabilities that policies give of their actions are the frequencies of those actions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import LSTM, MLP, NetworkPolicy, TabularPolicy
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.policy import Stochastic

ENV = PolarisingUsers(horizon=3)
OBS = jnp.array([1, 0, 0, 1, 0, 0])


def table(epsilon):
    """Two of three actions are equally good."""
    return TabularPolicy(jnp.tile(jnp.array([1.0, 0.0, 1.0]), (ENV.num_observations, 1)), ENV, epsilon)


def network(kind, greedy):
    return NetworkPolicy(kind.init(jax.random.key(3), kind.initialize_carry(), OBS), kind, greedy)


POLICIES = {
    "table": lambda: table(0.0),
    "exploring table": lambda: table(0.3),
    "greedy MLP": lambda: network(MLP(3, (4,)), True),
    "drawing MLP": lambda: network(MLP(3, (4,)), False),
    "drawing LSTM": lambda: network(LSTM(3, 4), False),
}


@pytest.mark.parametrize("name", POLICIES)
def test_actions_are_as_frequent_as_probable(name, key):
    policy = POLICIES[name]()
    assert isinstance(policy, Stochastic)
    carry = policy.init(key)
    _, carry = policy.act(carry, OBS, key)  # of an LSTM no longer zeros
    given, after = policy.probabilities(carry, OBS)
    actions, acted = jax.vmap(policy.act, in_axes=(None, None, 0))(carry, OBS, jax.random.split(key, 8000))
    np.testing.assert_allclose(given, np.bincount(actions, minlength=3) / 8000, atol=0.02)
    np.testing.assert_allclose(given.sum(), 1, rtol=1e-6)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other[0], rtol=1e-6), after, acted)


def test_of_a_table_by_hand():
    np.testing.assert_allclose(table(0.0).probabilities((), OBS)[0], [0.5, 0, 0.5])
    np.testing.assert_allclose(table(0.3).probabilities((), OBS)[0], [0.45, 0.1, 0.45], rtol=1e-6)


def test_a_masked_action_has_none(key):
    """The one valid action of a request has all of the probability."""
    env, params = jaxrec.make("RewiringGame-v0", num_users=6, degree=2)
    obs, _ = env.reset(key, params)
    obs = obs.replace(action_mask=jnp.arange(6) == 4)
    kind = jaxrec.agents.Ranking(jaxrec.agents.NodeMLP((4,)), 4)
    for greedy in (True, False):
        policy = NetworkPolicy(kind.init(key, (), obs), kind, greedy)
        np.testing.assert_allclose(policy.probabilities((), obs)[0], [0, 0, 0, 0, 1, 0], atol=1e-6)
