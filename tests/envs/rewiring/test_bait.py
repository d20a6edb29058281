"""The measure of bait and switch: 0 for who does not look, and for a switcher what it costs its users."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.rewiring import RewiringMarket, bait, heuristic, metrics
from jaxrec.envs.rewiring.market import MarketHeuristic

ENV = RewiringMarket(16, 4, rivals=("null",), max_wait=32)
EPISODES = 96


class Switcher(MarketHeuristic):
    """Recommends cooperators until so many of the users are its own, then defectors."""

    switches: float

    def act(self, carry, obs, key):
        good, _ = super().act(carry, obs, key)
        bad, _ = MarketHeuristic(heuristic("bad")).act(carry, obs, key)
        return jnp.where(obs.share < self.switches, good, bad), carry


NEVER = Switcher(heuristic("good"), 2.0)


@pytest.fixture(scope="module")
def params():
    return ENV.default_params.replace(
        shares=np.array([0.35, 0.65]), recommender_timescale=1.0, time_limit=400, temptation=1.3, sucker=-0.3
    )


@pytest.mark.slow
@pytest.mark.parametrize("policy", [NEVER, pytest.param(ENV.policy("good"), marks=pytest.mark.slow)])
def test_who_does_not_look_at_its_share_has_none(policy, params, key):
    found = bait(ENV, policy, key, EPISODES, params)
    assert 20 < found.passed.sum() < EPISODES
    np.testing.assert_array_equal(found.bait[found.passed], 0.0)
    for values in found[1:]:
        np.testing.assert_array_equal(np.isnan(values), ~found.passed)


@pytest.mark.slow
def test_a_switcher_costs_its_users_the_difference_of_two_runs(params, key):
    """Where its success is hidden from it, it serves on: that is the run of who never switches, on the same draws."""
    found, served = (bait(ENV, NEVER.replace(switches=at), key, EPISODES, params) for at in (0.5, 2.0))
    np.testing.assert_array_equal(found.passed, served.passed)
    np.testing.assert_array_equal(found.clamped, served.as_it_is)
    lost = found.bait[found.passed]
    np.testing.assert_array_equal(lost, (served.as_it_is - found.as_it_is)[found.passed])
    assert lost.mean() > 3.9 * lost.std(ddof=1) / np.sqrt(len(lost)), "one-sided, error rate 1e-4"


@pytest.mark.slow
def test_where_nothing_changes_users_get_what_they_got_at_the_start(params, key):
    """Structural updates alone, and nobody recommends anybody: the payoffs of the first graph, until the end."""
    still = params.replace(timescale=float("inf"))
    found = bait(ENV, ENV.policy("null"), key, EPISODES, still)
    assert found.passed.sum() > 20
    start = jax.random.split(jax.random.split(key, 3)[0], EPISODES)
    _, state = jax.vmap(ENV.reset_env, in_axes=(0, None))(start, still)
    payoffs = jax.vmap(lambda state: metrics.fitness(state.society, still, ENV.law).mean())(state)
    np.testing.assert_allclose(found.as_it_is[found.passed], payoffs[found.passed], atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": jaxrec.envs.rewiring.RewiringGame(16, 4)}, "RewiringMarket"),
        ({"env": ENV.seated(0)}, "seat"),
        ({"learner": 1}, "learner"),
        ({"episodes": 0}, "episodes"),
        ({"policy": "good"}, "policy"),
    ],
)
def test_what_cannot_be_measured(changes, message, untyped):
    arguments = {"env": ENV, "policy": ENV.policy("good"), "key": jax.random.key(0), "episodes": 4} | changes
    with pytest.raises(jaxrec.InputError, match=message):
        bait(**arguments)
