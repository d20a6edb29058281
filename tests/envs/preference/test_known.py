"""A user whose preference is seen: the same user, seen otherwise; and what policies of slates say of themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.preference import KnownPreference, PreferenceShift, RandomSlate, Table, policies
from jaxrec.policy import Stochastic
from jaxrec.testing import api_test

KNOWN, WHOLE = KnownPreference(horizon=4), PreferenceShift(horizon=4, observe_as="state")


@pytest.mark.slow
def test_the_user_is_the_same_on_the_same_draws(key):
    """Only what is observed of it differs."""
    known, whole = (jaxrec.rollout(env, RandomSlate(env.slates), key, 20, 4, trajectory=True) for env in (KNOWN, WHOLE))
    np.testing.assert_array_equal(known.trajectory.reward, whole.trajectory.reward)
    np.testing.assert_array_equal(known.trajectory.obs, whole.trajectory.obs[..., [0, 2]])
    jax.tree.map(np.testing.assert_array_equal, known.trajectory.state, whole.trajectory.state)


@pytest.mark.parametrize("other", ["choices", "beliefs"])
def test_what_is_observed_is_fixed(other):
    with pytest.raises(jaxrec.InputError, match="observe_as"):
        KnownPreference(observe_as=other)


def test_observations_are_indexed_without_gaps():
    index = [int(KNOWN.observation_index(jnp.array([time, user]))) for time in range(5) for user in range(36)]
    assert index == list(range(KNOWN.num_observations))


@pytest.mark.slow
def test_it_is_an_environment():
    api_test(KNOWN, KNOWN.default_params)


SHARES = np.random.default_rng(0).dirichlet(np.ones(6), (4, 36, 36)).transpose(0, 3, 1, 2).astype(np.float32)
POLICIES = {
    "random": lambda: (RandomSlate(KNOWN.slates), jnp.array([0, 1])),
    "table": lambda: (Table(jnp.asarray(SHARES)), jnp.array([2, 13, 8])),
    "myopic": lambda: (
        policies.Myopic(jnp.array([[1.0] * 36, [0.0] * 36, [1.0] * 36])),
        {"current": jnp.full(36, 1 / 36)},
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_slates_are_shown_as_often_as_policies_say(name, key):
    policy, obs = POLICIES[name]()
    assert isinstance(policy, Stochastic)
    given, carry = policy.probabilities((), obs)
    shown, _ = jax.vmap(policy.act, in_axes=(None, None, 0))((), obs, jax.random.split(key, 8000))
    assert carry == ()
    np.testing.assert_allclose(given, np.bincount(shown, minlength=policy.num_actions) / 8000, atol=0.02)
