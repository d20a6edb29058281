"""Named policies say how likely each of their actions is, and logs have what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.learned import BeliefTransformer
from jaxrec.estimation import record
from jaxrec.policy import Random, Stochastic
from jaxrec.runtime.jit_by_class import jit
from jaxrec.spaces import Box, Discrete

SMALLER = {
    "LearnedUsers-v0": {"horizon": 3, "network": BeliefTransformer(width=4, heads=1, layers=0, mixtures=1)},
    "RewiringGame-v0": {"num_users": 8, "degree": 2},
    "RewiringMarket-v0": {"num_users": 8, "degree": 2, "rivals": ("local",)},
}
MODERATE = {"RewiringMarket-v0": {"beta": 1.0}, "RewiringGame-v0": {"beta": 1.0}}  # of which more ask
HEAVY = ("LearnedUsers-v0", "RewiringGame-v0", "RewiringMarket-v0")
EVERY = [
    pytest.param(env_id, marks=[pytest.mark.slow] * (env_id in HEAVY)) for env_id in sorted(jaxrec.registered_envs())
]
USERS, STEPS, DRAWS, SEEN = 8, 5, 2000, 12


@jit()  # told apart by class
def drawn(policy, obs, keys):
    """(int[observations, draws], float[observations, actions]): what it does at each observation, and says it does."""
    carry = policy.init(keys[0])
    act = jax.vmap(lambda obs, key: policy.act(carry, obs, key)[0], in_axes=(None, 0))
    chances = jax.vmap(lambda obs: policy.probabilities(carry, obs)[0])(obs)
    return jax.vmap(act, in_axes=(0, None))(obs, keys), chances


@jit()  # told apart by class
def said_to_be(policy, obs):
    """float[steps, users, actions]."""
    return jax.vmap(jax.vmap(lambda obs: policy.probabilities((), obs)[0]))(obs)


def made(env_id):
    env, params = jaxrec.make(env_id, **SMALLER.get(env_id, {}))
    if env_id == "LearnedUsers-v0":  # beliefs that differ from user to user
        weights = jax.tree.map(lambda leaf: leaf + 0.3 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape),
                               params.weights)  # fmt: skip
        params = params.replace(weights=weights)
    return env, params.replace(**MODERATE.get(env_id, {}))


def played(env, params, policy, key):
    """The steps of the users that `record` logs with this key."""
    return jaxrec.rollout(env, policy, key, USERS, STEPS, params, trajectory=True).trajectory


def assert_as_frequent(actions, chances):
    """Nothing that cannot be, and nothing more often or less often than five standard errors."""
    for did, chance in zip(np.asarray(actions), np.asarray(chances, float), strict=True):
        counts = np.bincount(did, minlength=len(chance))
        assert not counts[chance == 0].any()
        assert (abs(counts / DRAWS - chance) <= 5 * np.sqrt(chance * (1 - chance) / DRAWS) + 1e-6).all()


@pytest.mark.parametrize("env_id", EVERY)
def test_actions_are_as_frequent_as_their_probabilities(env_id, key):
    env, params = made(env_id)
    keys = jax.random.split(key, DRAWS)
    for name in env.policies:
        policy = env.policy(name, params)
        assert isinstance(policy, Stochastic), name
        obs = played(env, params, policy, key).obs
        obs = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:: USERS * STEPS // SEEN], obs)
        actions, chances = drawn(policy, obs, keys)
        assert chances.shape[1] == env.num_actions
        np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
        assert_as_frequent(actions, chances)


@pytest.mark.parametrize("env_id", EVERY)
def test_records_have_the_probabilities_of_what_was_done(env_id, key):
    env, params = made(env_id)
    for name in env.policies:
        policy = env.policy(name, params)
        steps = played(env, params, policy, key)
        logs, _ = record(env, policy, key, USERS, params, max_steps=STEPS)
        chances = said_to_be(policy, steps.obs)
        said = np.take_along_axis(np.asarray(chances), np.asarray(steps.action)[..., None], axis=-1)[..., 0].T
        valid = np.asarray(logs.valid)
        assert valid.sum() >= USERS
        np.testing.assert_array_equal(np.asarray(logs.actions)[valid], np.asarray(steps.action).T[valid])
        np.testing.assert_allclose(np.asarray(logs.propensities)[valid], said[valid], rtol=1e-6)
        assert (said[valid] > 0).all()


def test_the_polarising_recommenders_are_those_of_the_paper():
    env, _ = jaxrec.make("PolarisingUsers-v0")
    obs = jnp.zeros(6, jnp.int32)
    for number, name in enumerate(("always-left", "always-centre", "always-right")):
        np.testing.assert_array_equal(env.policy(name).probabilities((), obs)[0], np.eye(3)[number])
    np.testing.assert_allclose(env.policy("random").probabilities((), obs)[0], 1 / 3)


def test_random_actions_of_any_discrete_space_have_probabilities(key):
    policy = Random(Discrete(7))
    actions, chances = drawn(policy, jnp.zeros((1, 2)), jax.random.split(key, DRAWS))
    np.testing.assert_allclose(chances, np.full((1, 7), 1 / 7))
    assert_as_frequent(actions, chances)
    with pytest.raises(jaxrec.InputError, match=r"space must be Discrete, of a known size, to have .* got Box"):
        Random(Box(0, 1, (2,))).probabilities((), None)
