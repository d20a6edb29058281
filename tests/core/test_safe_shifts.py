"""Users judged by the preferences that they would have had: twins against what the environments themselves know."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain

import jaxrec
from jaxrec.agents import QLearning, VisitStep
from jaxrec.envs.polarising import PolarisingUsers, Random
from jaxrec.envs.preference import PreferenceShift
from jaxrec.testing import api_test
from jaxrec.wrappers import SafeShifts, TimeLimit


@pytest.fixture(scope="module")
def polarised():
    """(wrapped environment, trajectory of 256 polarising users under random recommendations)."""
    env = SafeShifts(PolarisingUsers(reward="penalised"), ("initial", "natural", "random"), (0.5, 0.25, 2.0))
    played = jaxrec.rollout(env, Random(), jax.random.key(0), 256, 30, trajectory=True)
    return env, played.trajectory


@pytest.mark.slow
def test_it_keeps_the_contract():
    env = SafeShifts(PolarisingUsers(reward="penalised"))
    api_test(env, env.default_params)


def test_initial_preferences_stay_and_natural_ones_move_as_without_influence(polarised):
    _, played = polarised
    initial, natural, random = played.next_state.safe
    np.testing.assert_array_equal(initial.theta, np.broadcast_to(played.state.env.theta[0], initial.theta.shape))
    np.testing.assert_array_equal(natural.theta, initial.theta)  # nobody polarises by itself
    assert (played.next_state.env.theta[-1] != initial.theta[-1]).any()
    assert (random.theta[-1] != initial.theta[-1]).any()


def test_engagement_under_initial_preferences_is_the_chance_of_a_click_there(polarised):
    _, played = polarised
    chance = np.take_along_axis(np.asarray(played.state.safe[0].theta), np.asarray(played.action)[..., None], axis=-1)
    clicks = np.asarray(played.next_state.worth)[..., 0]
    assert set(np.unique(clicks)) <= {0.0, 1.0}
    assert abs(clicks.mean() - chance.mean()) < 4 * np.sqrt((chance * (1 - chance)).mean() / clicks.size)


def test_paid_is_engagement_and_weighted_engagement_under_safe_shifts(polarised):
    _, played = polarised
    worth = np.asarray(played.next_state.worth)
    clicked = np.asarray(played.next_state.env.clicked - played.state.env.clicked).sum(axis=-1)
    expected = clicked + worth @ np.array([0.5, 0.25, 2.0])
    np.testing.assert_allclose(played.reward, expected, rtol=1e-6)


def test_where_nothing_shifts_every_shift_is_worth_the_same(polarised):
    env, _ = polarised
    params = env.default_params.replace(influence=0.0)
    played = jaxrec.rollout(env, Random(), jax.random.key(0), 256, 30, params, trajectory=True)
    for safe in ("safe_0", "safe_1"):
        np.testing.assert_allclose(played.per_env[safe], played.per_env["recommender"], rtol=1e-6)


@pytest.mark.slow
def test_it_is_what_the_preference_environment_pays_as_sampled(key):
    inner = PreferenceShift(observe_as="state", paid_for="sampled", reward="penalised")
    env = SafeShifts(inner, ("initial", "natural"))
    played = jaxrec.rollout(env, inner.policy("random"), key, 64, 10, trajectory=True).trajectory
    np.testing.assert_array_equal(played.next_state.safe[1].preference, played.next_state.env.natural)
    own = jax.vmap(jax.vmap(lambda *step: inner.utilities(*step, inner.default_params)))(
        played.state.env, played.action, played.next_state.env
    )
    np.testing.assert_allclose(played.reward, own.recommender + own.user, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_recommender_paid_for_initial_preferences_polarises_less(key):
    """The same learner, paid for clicks, and for clicks as the user would have given them at first.

    The second has no reason to polarise: it shows opposed content about as often as a learner in a world where that
    polarises nobody.
    """
    safe = SafeShifts(PolarisingUsers(reward=lambda worth, _: worth.user), ("initial",), (1.0,))
    opposed, society = {}, {}
    for name, env, influence in (
        ("clicks", PolarisingUsers(), 1.0),
        ("safe", safe, 1.0),
        ("nobody shifts", PolarisingUsers(), 0.0),
    ):
        learner = QLearning(env, 12_000_000, num_steps=30, step_size=VisitStep(4.0), td_lambda=0.6, epsilon_end=0.0)
        params = env.default_params.replace(influence=influence)
        state, _ = jax.jit(learner.train)(key, params)
        played = jaxrec.rollout(env, learner.policy(state), jax.random.key(1), 4096, 30, params)
        opposed[name], society[name] = (float(played.per_env[metric].mean()) for metric in ("opposed", "society"))
    assert opposed["safe"] < opposed["clicks"]
    assert abs(opposed["safe"] - opposed["nobody shifts"]) < 0.5 * abs(opposed["clicks"] - opposed["nobody shifts"])
    assert society["safe"] > society["clicks"]


@pytest.mark.slow
def test_wrappers_go_around_it(key):
    env = TimeLimit(SafeShifts(PolarisingUsers(reward="penalised")), 3)
    played = jaxrec.rollout(env, Random(), key, 2, 6, trajectory=True).trajectory
    assert played.done.reshape(2, 3, 2)[:, 2].all()


@dataclasses.dataclass(unsafe_hash=True)
class Uninfluenced(Chain):
    """An environment whose parameters have no influence."""

    @property
    def default_params(self):
        return jnp.zeros(())


def test_bad_settings_are_refused():
    with pytest.raises(jaxrec.InputError, match="Uninfluenced has none"):
        SafeShifts(Uninfluenced())
    with pytest.raises(jaxrec.InputError, match="one number a safe shift"):
        SafeShifts(PolarisingUsers(), ("initial",), (1.0, 1.0))
    with pytest.raises(jaxrec.InputError, match="natural"):
        SafeShifts(PolarisingUsers(), ("naturally",), (1.0,))
