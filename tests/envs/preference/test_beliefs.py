"""The best without seeing preferences: between its bounds, held against enumeration and an independent program."""

import jax
import numpy as np
import pytest
from preference_loops import CONSTANTS, MEANS, PARAMS, env_of
from preference_planning import Society

import jaxrec
from jaxrec.envs.preference import exact, fitted_params
from jaxrec.envs.preference.beliefs import belief_optimal


def enumerated(tables, safe):
    """The optimum of two slates: the first one, and the best second one after each choice from it."""
    choice, shift = np.asarray(tables.choice, float), np.asarray(tables.shift, float)  # [a, u, x], [a, u, v]
    each = [np.asarray(one, float) for one in exact.rewards(tables, 2)]
    paid = each[0] + safe[0] * each[1] + safe[1] * each[2]  # [t, a, i, u]
    away = (10 * np.arange(36) - 130 + 180) % 360 - 180
    start = np.exp(-0.5 * (away / 20) ** 2)
    start = np.diag(start / start.sum())
    worth = []
    for slate in range(6):
        after = np.einsum("iu,ux,uv->xiv", start, choice[slate], shift[slate])  # not normalised: weighted by its chance
        worth.append((paid[0, slate] * start).sum() + np.einsum("xiv,aiv->xa", after, paid[1]).max(axis=1).sum())
    return max(worth)


@pytest.mark.parametrize(("fitted", "safe"), [("optima", (0.0, 0.0)), ("beliefs", (1.0, 0.5))])
def test_the_optimum_of_two_slates_lies_between_the_bounds_and_is_reached(fitted, safe):
    params = fitted_params(fitted)
    tables = jax.jit(env_of(fitted).tables)(params)
    found = belief_optimal(tables, 2, params, jax.random.key(0), safe, points=64)
    best = enumerated(tables, safe)
    assert found.reached == pytest.approx(best, abs=2e-3)
    assert found.reached < best + 1e-5
    assert found.bound > best - 1e-5


def test_without_a_point_there_is_no_plan(tables):
    with pytest.raises(jaxrec.InputError, match="points must be"):
        belief_optimal(tables, 2, PARAMS, jax.random.key(0), points=0)


@pytest.mark.slow
@pytest.mark.parametrize(("safe", "best"), [((0.0, 0.0), 6.885), ((1.0, 1.0), 15.47)])
def test_plans_earn_what_those_of_an_independent_program_do(tables, safe, best):
    found = belief_optimal(tables, 10, PARAMS, jax.random.key(0), safe)
    assert found.reached == pytest.approx(best, abs=0.005)
    assert found.bound > best


@pytest.mark.slow
@pytest.mark.parametrize("safe", [(0.0, 0.0), (1.0, 1.0)])
def test_an_independent_program_earns_as_much_from_users_of_the_default_constants(safe):
    """What it earns is simulated as well; and whoever sees preferences, one step late or at once, earns more."""
    society, rng = Society(CONSTANTS["beliefs"], MEANS["beliefs"], safe), np.random.default_rng(0)
    plans = society.rules()
    for _ in range(2):
        plans = society.improved(society.follow(plans, 96, rng, random=0.2)[1])
    earned = np.concatenate([society.follow(plans, 2_000, rng)[0] for _ in range(5)])
    params = fitted_params("beliefs")
    found = belief_optimal(jax.jit(env_of("beliefs").tables)(params), 10, params, jax.random.key(0), safe)
    assert found.reached == pytest.approx(society.earns(plans), abs=0.005)
    assert earned.mean() > found.reached - 4 * earned.std() / 100
    assert found.bound == pytest.approx(society.known(late=True), abs=1e-3)
    assert earned.mean() < found.bound + 4 * earned.std() / 100
    assert max(found.reached, society.earns(plans)) < found.bound < society.known(late=False)
