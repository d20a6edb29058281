"""Games beyond the dilemma: fixation on the complete graph in closed form, and public goods against a plain loop."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import rewiring_reference as ref
from rewiring_games import RULES, many_of, random_state

from jaxrec import InputError
from jaxrec.envs.rewiring import PRINTED, Pairwise, PublicGoods, RewiringGame, metrics, simulate
from jaxrec.envs.rewiring.graph.society import unstack
from jaxrec.envs.rewiring.meetings import user_at

USERS, RUNS, BETA = 20, 1024, 0.05
HALF = replace(PRINTED, name="half", strategies="half")
"""The printed formula, from exactly half of the users."""
GAMES = {  # T, S
    "stag hunt": (0.5, -0.3),
    "harder stag hunt": (0.8, -0.8),
    "snowdrift": (1.4, 0.4),
    "prisoner's dilemma": (1.2, -0.2),
    "harmony": (0.8, 0.3),
}


def fixation(lead, start):
    """The probability that cooperators take over by Eq. 1, given beta times their lead with 1 ... N - 1 of them."""
    ratios = np.cumprod([1.0, *np.exp(-lead)])  # of a step down to a step up
    return ratios[:start].sum() / ratios.sum()


def pairwise_lead(t, s):
    cooperators = np.arange(1, USERS)
    return (cooperators - 1) + (USERS - cooperators) * s - cooperators * t


def share_all_cooperating(game, engine, beta=BETA, **params):
    """Of runs from half of the users, on the complete graph, none rewiring; and its start."""
    env = RewiringGame(USERS, USERS - 1, HALF, game=game)
    given = env.default_params.replace(beta=beta, timescale=0.0, **params)
    ends = simulate(env, "null", jax.random.key(1), given, 200_000, runs=RUNS, check_every=2_000, engine=engine)
    assert ends.fixated.all()
    return ends.cooperation.mean()


def assert_share(found, expected):
    assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / RUNS) + 1e-3


@pytest.mark.parametrize("name", GAMES)
def test_fixation_in_five_games_is_that_of_the_closed_form(name):
    t, s = GAMES[name]
    expected = fixation(BETA * pairwise_lead(t, s), USERS // 2)
    assert 0.01 < expected < 0.995
    assert_share(share_all_cooperating(Pairwise(), "auto", temptation=t, sucker=s), expected)


@pytest.mark.parametrize("engine", ["auto", pytest.param("xla", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("factor", "cost", "lead"), [(1.5, "game", -USERS), (9.0, "game", -USERS), (5.0, "player", -1.0)]
)
def test_fixation_with_public_goods_does_not_depend_on_the_factor(factor, cost, lead, engine):
    """On the complete graph all share all groups alike: a cooperator loses what it gives, N or 1, for every factor."""
    scale = 0.1
    expected = np.expm1(scale * USERS / 2) / np.expm1(scale * USERS)
    np.testing.assert_allclose(expected, fixation(np.full(USERS - 1, -scale), USERS // 2))
    assert_share(share_all_cooperating(PublicGoods(factor, cost), engine, scale / -lead), expected)


@pytest.mark.parametrize("preset", ["average", "goods", "goods by player"])
def test_fitness_is_that_of_a_plain_loop(preset):
    rng, rules = np.random.default_rng(2), RULES[preset]
    states = [random_state(rng, 21, int(rng.integers(10, 150)), 1, 0.5) for _ in range(20)]
    params = RewiringGame(21, 4).default_params
    game = ref.Game(preset)
    expected = np.array([[ref.fitness(state, user, game) for user in range(21)] for state in states])
    many = many_of(states, 1)
    found = jax.vmap(lambda one: metrics.fitness(one, params, rules))(unstack(many))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    users = rng.integers(0, 21, len(states)).astype(np.int32)
    one = user_at(many, jax.numpy.asarray(users), params, rules)
    np.testing.assert_allclose(one.fitness, expected[np.arange(len(states)), users], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_step_pays_users_what_the_game_does():
    env = RewiringGame(12, 4, "learning", game=PublicGoods(3.0))
    obs, state = env.reset(jax.random.key(0))
    step = env.step(jax.random.key(1), state, obs.focused)
    payoffs = metrics.fitness(step[1].society, env.default_params, env.law)
    assert abs(float(payoffs.sum())) > 0
    np.testing.assert_allclose(env.utilities(state, obs.focused, step[1], env.default_params).user, payoffs)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PublicGoods(0.0), "game.factor must be within"),
        (lambda: PublicGoods(-2.0), "game.factor must be within"),
        (lambda: PublicGoods(2.0, "users"), "game.cost must be one of|unknown game.cost"),
        (lambda: RewiringGame(10, 4, game="public goods"), r"game must be Pairwise\(\) or PublicGoods"),
    ],
)
def test_games_that_cannot_be(build, message, untyped):
    with pytest.raises(InputError, match=message):
        build()


def test_payoffs_that_public_goods_do_not_read_are_refused():
    env = RewiringGame(10, 4, game=PublicGoods(2.0))
    with pytest.raises(InputError, match="temptation is not read by public goods"):
        env.check_params(env.default_params.replace(temptation=1.5))
