"""What `api_test` must notice of an environment that breaks the contract."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import pytest
from probes import Chain

import jaxrec
from jaxrec import testing
from jaxrec.envs.learned import BeliefTransformer
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.testing import api_test
from jaxrec.wrappers import SafeShifts

SMALL = {
    "PolarisingUsers-v0": {"horizon": 4},
    "RewiringGame-v0": {"num_users": 6, "degree": 2, "rules": "learning"},
    "RewiringMarket-v0": {"num_users": 6, "degree": 2},
    "PreferenceShift-v0": {"horizon": 4, "observe_as": "state"},
    "LearnedUsers-v0": {"horizon": 2, "network": BeliefTransformer(4, 1, 1, 1)},
}


HEAVY = dict.fromkeys(("RewiringGame-v0", "RewiringMarket-v0", "LearnedUsers-v0"), pytest.mark.slow)  # to compile


@pytest.mark.parametrize("env_id", [pytest.param(e, marks=HEAVY.get(e, ())) for e in jaxrec.registered_envs()])
def test_at_influence_0_no_recommendation_reaches_the_users(env_id):
    """Every society names its users, and keeps the promise; at influence 1 what is shown does change them."""
    env, params = jaxrec.make(env_id, **SMALL[env_id])
    assert env.preferences
    testing._check_influence(env, params, 8, 16)


@dataclasses.dataclass(unsafe_hash=True)
class Deaf(PolarisingUsers):
    """Polarises its users whatever `influence` says."""

    def transition(self, key, state, action, params):
        return super().transition(key, state, action, params.replace(influence=1.0))


def test_an_environment_that_ignores_influence_fails():
    with pytest.raises(AssertionError, match="at influence 0 what is recommended changes theta"):
        api_test(Deaf(horizon=4), num_envs=4, num_steps=8)


def test_a_wrapper_around_one_that_ignores_influence_fails_too():
    env = SafeShifts(Deaf(reward="penalised"))
    with pytest.raises(AssertionError, match="at influence 0"):
        testing._check_influence(env, env.default_params, 8, 16)


def test_users_whom_nothing_changes_are_spoken_of():
    class Untouched(PolarisingUsers):
        preferences: ClassVar[tuple[str, ...]] = ("initial_theta",)

    with pytest.warns(UserWarning, match="the same at influence 1 too"):
        testing._check_influence(Untouched(), Untouched().default_params, 8, 16)


def test_an_environment_that_names_no_users_is_spoken_of(caplog):
    testing._check_influence(Chain(), Chain().default_params, 2, 2)
    assert "Chain names no preferences" in caplog.text


class Unknown(PolarisingUsers):
    """Has NaN in its state, which no observation shows."""

    def transition(self, key, state, action, params):
        state, terminated = super().transition(key, state, action, params)
        return state.replace(initial_theta=state.initial_theta * jnp.nan), terminated


def test_nan_in_a_state_is_named():
    with pytest.raises(AssertionError, match="NaN in a state, at which trainings stop"):
        api_test(Unknown(horizon=4), num_envs=2, num_steps=3)


class Heedless(Chain):
    """No dataclass: what it adds to the settings is left out where two are compared."""

    bonus: float

    def __init__(self, bonus: float):
        super().__init__()
        self.bonus = bonus


def test_a_subclass_whose_settings_do_not_count_is_refused(key):
    """Two with other settings are equal, and the second ran the first one's program."""
    assert Heedless(1.0) == Heedless(2.0)
    with pytest.raises(AssertionError, match="Heedless must be a dataclass"):
        api_test(Heedless(1.0))
    with pytest.raises(jaxrec.InputError, match="Heedless must be a dataclass"):
        jaxrec.rollout(Heedless(1.0), PolarisingUsers().policy("random"), key, 1, 1)


def test_a_subclass_that_only_changes_methods_needs_no_decorator(key):
    class Quiet(PolarisingUsers):
        def metrics(self, state: Any, action: Any, next_state: Any, params: Any):
            return {}

    jaxrec.rollout(Quiet(), Quiet().policy("random"), key, 1, 1)


@dataclasses.dataclass(unsafe_hash=True)
class Colliding(Chain):
    """Two places share an index."""

    def observation_index(self, obs):
        return jnp.minimum(obs, 1)


@dataclasses.dataclass(unsafe_hash=True)
class Gapped(Chain):
    """Says that there are more observations than there are."""

    @property
    def num_observations(self):
        return self.length + 2


@pytest.mark.parametrize(
    ("env", "message"), [(Colliding(), "different observations have the same index"), (Gapped(), "has gaps")]
)
def test_an_index_tells_observations_apart_and_leaves_none_out(env, message, random_starts):
    with pytest.raises(AssertionError, match=message):
        api_test(env, num_envs=4, num_steps=8)


@pytest.fixture
def random_starts(monkeypatch):
    """`Chain` begins anywhere, so that different keys give different episodes."""

    def reset_env(self, key, params):
        _, state = plain(self, key, params)
        state = state.replace(place=jax.random.randint(key, (), 0, self.length - 1))
        return self.observe(state, params), state

    plain = Chain.reset_env
    monkeypatch.setattr(Chain, "reset_env", reset_env)
