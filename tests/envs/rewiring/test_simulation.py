"""Whole runs of `simulate`. All share one shape, and so one compilation: twelve users, sixteen lanes, two kinds."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rewiring_reference as ref
from rewiring_games import NAMES, PRESETS, setting_of
from scipy import stats

from jaxrec.envs.rewiring import (
    Competition,
    RewiringGame,
    heuristics,
    per_run,
    rules,
    simulate,
)
from jaxrec.envs.rewiring.graph.society import Society
from jaxrec.envs.rewiring.simulation import advance as simulation
from jaxrec.envs.rewiring.simulation.lanes import Lanes
from jaxrec.envs.rewiring.simulation.simulator import Queue

GAME = RewiringGame(num_users=12, degree=11 - 2)
WIDTH, CHECK = 16, 50


def run(kinds, key=0, num_steps=1000, runs=WIDTH, env=GAME, second=0.0, shares=None, **options):
    """`simulate`; `kinds` is a pair of heuristics, or one name for each of the pair."""
    changes = {name: options.pop(name) for name in list(options) if hasattr(env.default_params, name)}
    kinds = (kinds, kinds) if isinstance(kinds, str) else kinds
    return simulate(
        env,
        [heuristics.heuristic(kind) if isinstance(kind, str) else kind for kind in kinds],
        jax.random.key(key),
        env.default_params.replace(**({"beta": 0.5} | changes)),
        num_steps=num_steps,
        runs=runs,
        competition=Competition(shares, second, 0.5),
        check_every=CHECK,
        lanes=WIDTH,
        **options,
    )


def assert_same(one, two):
    for name in ("steps", "cooperation", "opportunities", "requests", "rewires", "degree_variance", "assortativity"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


@pytest.mark.parametrize(
    "name",
    ["random", *(pytest.param(name, marks=pytest.mark.slow) for name in ("null", "local", "fair", "good", "bad"))],
)
def test_runs_of_a_recommender(name):
    usual = run(name, runs=40, timescale=2.0)
    assert (usual.steps % CHECK == 0).all()
    assert (usual.fixated | (usual.steps == 1000)).all()
    assert (usual.fixated == np.isin(usual.cooperation, (0, 1))).all()
    assert (usual.requests <= usual.opportunities).all()
    assert (usual.rewires <= usual.requests).all()
    assert (usual.opportunities <= usual.steps).all()
    assert (usual.rewires.sum() == 0) == (name == "null")
    np.testing.assert_allclose(usual.shares.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(usual.shares, 0.5)
    if name == "null":
        np.testing.assert_allclose(usual.degree_variance, 0, atol=1e-6)
    never = run(name, runs=40, timescale=0.0)
    assert not never.opportunities.any()
    assert not never.rewires.any()
    frozen = run(name, timescale=np.inf)
    np.testing.assert_array_equal(frozen.opportunities, frozen.steps)
    still = run(name, timescale=np.inf, num_steps=CHECK, stop_at_fixation=False)
    np.testing.assert_array_equal(still.cooperation, frozen.cooperation)


@pytest.mark.parametrize("name", [name for name in NAMES if "low" not in name and "high" not in name])
def test_without_influence_every_recommender_is_the_local_heuristic(name):
    local = run("local", influence=0.0, runs=30)
    assert_same(run(name, influence=0.0, runs=30), local)
    assert_same(run("local", influence=1.0, runs=30), local)


@pytest.mark.slow
def test_a_long_queue_is_as_good_as_many_lanes():
    queue = run("local", runs=600, timescale=2.0)
    lanes = np.concatenate([run("local", key, timescale=2.0).cooperation for key in range(1, 13)])
    assert queue.steps.min() >= CHECK
    assert stats.ttest_ind(queue.cooperation, lanes).pvalue > 1e-3


def test_recommenders_in_competition():
    kept = run(("local", "good"), shares=np.array([0.75, 0.25]), timescale=2.0)
    np.testing.assert_allclose(kept.shares, [[0.75, 0.25]] * WIDTH)
    only = run(("local", "good"), second=np.inf, stop_at_fixation=False)
    assert not only.opportunities.any()
    assert not only.requests.any()
    start = run(("local", "good"), second=np.inf, num_steps=CHECK, stop_at_fixation=False)
    np.testing.assert_array_equal(only.cooperation, start.cooperation)
    assert np.ptp(only.shares[:, 0]) > 0
    np.testing.assert_allclose(only.shares.sum(axis=1), 1, rtol=1e-6)


def test_the_series_ends_where_the_run_does():
    result = run("good", runs=40, series=True)
    tests = result.steps // CHECK - 1
    assert result.series["cooperation"].shape == (1000 // CHECK, 40)
    for name in ("cooperation", "requests", "degree_variance"):
        series = result.series[name]
        np.testing.assert_array_equal(series[tests, np.arange(40)], getattr(result, name))
        np.testing.assert_array_equal(np.isnan(series), np.arange(1000 // CHECK)[:, None] > tests)
    assert (
        np.diff(result.series["requests"], axis=0)[~np.isnan(np.diff(result.series["requests"], axis=0))] >= 0
    ).all()


def test_a_sweep_neither_compiles_again_nor_copies_the_societies():
    run("random")
    compiled = simulation.advance._cache_size()
    run(("good", "bad"), key=3, runs=50, beta=0.1, temptation=1.2, influence=0.3, second=0.4)
    assert simulation.advance._cache_size() == compiled


def test_the_carried_state_is_updated_in_place(key):
    # Lanes of 500 users: what is not the state is small beside it.
    shape = partial(jax.ShapeDtypeStruct, dtype=jnp.int32)
    bits = partial(jax.ShapeDtypeStruct, dtype=jnp.uint32)
    society = Society(bits((8, 500, 16)), bits((16, 8)), bits((0, 16, 8)), shape((8, 0, 2)), shape((0, 8)))
    lanes = Lanes(society, shape((8,)), shape((8,)), shape((8,)))
    params, kinds, _ = setting_of([ref.Game("carvalho", second=0.0)] * 8)
    setting = Queue(params, kinds, None)
    mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), ("lanes",))
    method = simulation.Method()
    lowered = simulation.advance.lower(rules.CARVALHO, lanes, key, setting, 100, mesh, method)
    memory = lowered.compile().memory_analysis()
    assert memory.alias_size_in_bytes >= 8 * 500 * 16 * 4
    assert memory.temp_size_in_bytes < 8 * 500 * 16 * 4 / 4


@pytest.mark.slow
def test_all_time_steps_are_taken():
    result = simulate(
        GAME,
        ["null", "null"],
        jax.random.key(0),
        GAME.default_params.replace(timescale=float("inf")),
        num_steps=75,
        runs=WIDTH,
        check_every=75,
        stop_at_fixation=False,
        lanes=WIDTH,
    )
    np.testing.assert_array_equal(result.opportunities, 75)


def test_threefry_draws_the_numbers_that_were_recorded():
    """Recorded when one sort of words began to pair the stubs of start graphs."""
    result = simulate(
        RewiringGame(num_users=12, degree=9), ["local", "low"], jax.random.key(7),
        GAME.default_params.replace(beta=0.5), num_steps=200, runs=6, competition=Competition(None, 0.5, 0.5),
        check_every=50, lanes=4, stop_at_fixation=False, generator="threefry",
    )  # fmt: skip
    assert (result.generator, result.engine) == ("threefry", "xla")
    np.testing.assert_array_equal(result.opportunities, [64, 70, 71, 69, 79, 66])
    np.testing.assert_array_equal(result.requests, [57, 54, 53, 63, 69, 40])
    np.testing.assert_array_equal(result.rewires, [52, 46, 49, 54, 57, 36])
    np.testing.assert_allclose(result.cooperation * 12, [0, 1, 2, 0, 0, 0], atol=1e-5)
    np.testing.assert_allclose(result.shares[:, 0] * 12, [3, 6, 3, 5, 2, 2], atol=1e-5)
    np.testing.assert_array_equal(result.max_degree, [10, 11, 11, 10, 11, 11])


METHODS = [("xoshiro", "xla"), ("xoshiro", "auto"), ("threefry", "xla")]


@pytest.mark.parametrize(("generator", "engine"), METHODS)
def test_twins_meet_on_the_same_draws(generator, engine):
    """Runs that differ in influence alone are the same until it matters: until the first rewire."""
    method = {"generator": generator, "engine": engine, "num_steps": CHECK, "stop_at_fixation": False}
    one, other = (run("good", influence=influence, timescale=0.02, **method) for influence in (0.0, 1.0))
    np.testing.assert_array_equal(one.opportunities, other.opportunities)
    alike = (one.rewires == 0) & (other.rewires == 0)
    assert alike.sum() > 3
    np.testing.assert_array_equal(one.cooperation[alike], other.cooperation[alike])
    assert len(set(one.cooperation.tolist())) > 3


@pytest.mark.slow
@pytest.mark.parametrize(("generator", "engine"), METHODS)
@pytest.mark.parametrize("preset", PRESETS)
def test_absorption_of_four_users(preset, generator, engine):
    """All cooperate in the end, from a ring of four with fair coins, by solving the enumerated chain."""
    env = RewiringGame(num_users=4, degree=2, rules=preset)
    names, runs = ["local", "good", "bad", "random", "fair"], 2000
    params = env.default_params.replace(beta=1.0, temptation=1.4, sucker=-0.2, timescale=1.0)
    result = simulate(
        env,
        jax.tree.map(lambda leaf: jnp.repeat(leaf, runs, axis=0), per_run(names)),
        jax.random.key(0),
        params,
        num_steps=5000,
        runs=len(names) * runs,
        check_every=50,
        lanes=len(names) * runs,
        generator=generator,
        engine=engine,
    )
    assert result.fixated.mean() > 0.999
    ring = [(0, 1), (1, 2), (2, 3), (3, 0)]
    for name, ended in zip(names, result.cooperation.reshape(len(names), runs), strict=True):
        game = ref.Game(preset, 1.0, 1.4, -0.2, 1.0, heuristics=((name, False),))
        found, rows = {}, []
        starts_at = [ref.society(ring, cs) for cs in itertools.product((True, False), repeat=4)]
        if preset == "santos":
            starts_at = [state for state in starts_at if sum(state.cooperates) == 2]
        queue = list(starts_at)
        for state in queue:
            if state not in found:
                found[state] = len(found)
                rows.append({})
                for p, after, _ in ref.outcomes(state, game):
                    if p > 0:
                        rows[-1][after] = rows[-1].get(after, 0.0) + p
                        queue.append(after)
        system, right = np.eye(len(found)), np.zeros(len(found))
        for state, i in found.items():
            if len(set(state.cooperates)) == 1:
                right[i] = state.cooperates[0]
            else:
                for after, p in rows[i].items():
                    system[i, found[after]] -= p
        exact = np.mean(np.linalg.solve(system, right)[[found[state] for state in starts_at]])
        error = np.sqrt(exact * (1 - exact) / runs)
        assert abs((ended == 1).mean() - exact) < 4.5 * error, name
