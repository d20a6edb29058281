"""Incentives that are known exactly, found by playing: users who polarise, and users whose preferences shift."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_users import KnownUsers, best, of_user

from jaxrec.agents import QLearning, TabularPolicy, VisitStep
from jaxrec.audit import Tampering, audit, compare
from jaxrec.causal import Diagram
from jaxrec.envs.polarising import TRAINING, PolarisingUsers, exact
from jaxrec.envs.preference import PreferenceShift, fitted_params, fitted_slates
from jaxrec.envs.preference import exact as preference_exact

INCENTIVES = {
    "strong left": 2.761,
    "moderate left": 2.556,
    "centrist": 0.0,
    "moderate right": 2.556,
    "strong right": 2.761,
}
NO_DIAGRAM = Diagram([("A", "R")], ["A"], ["R"])


def stacked(*tables, env):
    return TabularPolicy(jnp.stack(tables), env, jnp.zeros(len(tables)))


def incentive(*args, **options):
    return Tampering(["A", "R"], NO_DIAGRAM, compare(*args, **options)).incentive.value


@pytest.mark.parametrize("name", TRAINING)
def test_the_known_answers_are_those_of_dynamic_programming(name):
    env, theta = PolarisingUsers(), TRAINING[name]
    (bound,) = exact.known_user_bound(env, of_user(env, theta))
    assert bound - env.horizon * max(theta) == pytest.approx(INCENTIVES[name], abs=6e-4)


@pytest.mark.parametrize("name", ["strong left", "moderate left", "centrist", "strong right"])
def test_the_best_recommender_of_a_known_user_gains_what_is_known(name, key):
    """pi_0 shows what the user likes best; both are exact, on a fine grid."""
    env, theta = KnownUsers(bins=2001), TRAINING[name]
    other = jnp.zeros((env.num_observations, 3)).at[:, int(np.argmax(theta))].set(1.0)
    found = incentive(
        env, stacked(best(env, theta), env=env), stacked(other, env=env), key, of_user(env, theta), episodes=20_000
    )
    assert found == pytest.approx(INCENTIVES[name], rel=0.008, abs=1e-5)


@pytest.mark.slow
def test_preferences_that_shift(key):
    """The best slates where preferences shift and where they do not, of which 7.120 and 6.779 are worth here."""
    env, params = PreferenceShift(slate_means=fitted_slates("optima"), observe_as="state"), fitted_params("optima")

    def best_at(influence):
        chosen = preference_exact.optimal(env.tables(params.replace(influence=influence)), env.horizon)
        chosen = jnp.moveaxis(chosen, 1, -1)  # [times, u_0, u_t, slates]
        last = jnp.zeros((1, *chosen.shape[1:]))
        return jnp.concatenate([chosen, last]).reshape(env.num_observations, -1)

    factual, decoupled = (stacked(best_at(influence), env=env) for influence in (1.0, 0.0))
    samples = compare(env, factual, decoupled, key, params, episodes=20_000)
    assert samples.factual.value[0] == pytest.approx(7.120, abs=0.02)
    assert samples.decoupled.value[0] == pytest.approx(6.779, abs=0.02)
    assert incentive(env, factual, decoupled, key, params, episodes=20_000) == pytest.approx(0.341, abs=0.012)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINING)
def test_a_learner_that_sees_the_user_finds_the_incentive(name):
    env, theta = KnownUsers(bins=100), TRAINING[name]
    learner = QLearning(
        env, 12_000_000, num_envs=500, num_steps=30, gamma=1.0, epsilon_start=0.5, epsilon_end=0.3,
        step_size=VisitStep(3.0),
    )  # fmt: skip
    found = audit(env, learner, jax.random.key(1), of_user(env, theta), seeds=3, episodes=10_000, split=False)
    assert found.incentive.value == pytest.approx(INCENTIVES[name], rel=0.01, abs=1e-5)
    assert found.learnable is (name != "centrist")
