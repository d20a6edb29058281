"""The compiled kernel of `simulate`: against XLA given the same seeds, and against exact enumeration."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rewiring_reference as ref
from rewiring_exact import CASES, COPIES, assert_follows, codes_of, copies_of, exact_cases
from rewiring_games import NAMES, PRESETS, RULES, SIZES, VARIANTS, games_for, many_of, random_state, setting_of, ties_of

import jaxrec
from jaxrec.envs.rewiring import RewiringGame, rules, simulate
from jaxrec.envs.rewiring.simulation import advance, compiled, lanes
from jaxrec.envs.rewiring.simulation.simulator import Queue
from jaxrec.runtime import native

needs_compiler = pytest.mark.skipif(not compiled.is_available(), reason="there is no C++ compiler")
EVENTS = ("opportunities", "requests", "rewires")


def lanes_of(society):
    none = jnp.zeros(society.adjacency.shape[0], jnp.int32)
    return lanes.Lanes(society, none, none, none)


def advanced(engine, preset, state, setting, num_steps, seed=0):
    """The lanes after `num_steps` by an engine."""
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("lanes",))
    method = advance.Method("xoshiro", engine)
    copy = jax.tree.map(jnp.copy, state)
    after = advance.advance(RULES[preset], copy, jax.random.key(seed), setting, num_steps, mesh, method)
    return jax.tree.map(np.asarray, after)


def lanes_that_differ(one, other):
    """bool[lanes]."""
    differs = np.zeros(len(one.requests), bool)
    for name in ("adjacency", "edges"):
        differs |= (getattr(one.society, name) != getattr(other.society, name)).any(axis=(1, 2))
    for name in ("cooperators", "members", "degrees"):
        unequal = getattr(one.society, name) != getattr(other.society, name)
        differs |= unequal.any(axis=tuple(range(unequal.ndim - 1)))
    for name in EVENTS:
        differs |= getattr(one, name) != getattr(other, name)
    return differs


@needs_compiler
@pytest.mark.parametrize("preset", PRESETS)
def test_equals_xla_given_the_same_seeds(preset):
    rng, (users, ties) = np.random.default_rng(1), SIZES[preset]
    games = games_for(preset, rng)
    states = [random_state(rng, users, ties, 3, rng.choice([0.3, 0.6])) for _ in games]
    edges = [ties_of(state) for state in states] if preset == "santos" else None
    state, setting = lanes_of(many_of(states, 3, edges)), Queue(*setting_of(games))
    xla, kernel = (advanced(engine, preset, state, setting, 300) for engine in ("xla", "compiled"))
    # A decision that hangs on the last digit of a float may fall either way, and changes all that follows.
    assert lanes_that_differ(xla, kernel).sum() <= 1
    assert (kernel.rewires > 0).mean() > 0.5
    assert (kernel.society.cooperators != np.asarray(state.society.cooperators)).any()


@needs_compiler
@pytest.mark.parametrize(
    ("users", "unfocused", "recommender"),
    [
        (40, 0, "fair"),
        (64, 1, "local"),
        (100, 0, "good"),
        (100, 0, "high-cooperators"),
        (100, 1, "local"),
        pytest.param(500, 0, "local", marks=pytest.mark.slow),
        pytest.param(500, 0, "high-cooperators", marks=pytest.mark.slow),
        pytest.param(1000, 0, "bad", marks=pytest.mark.slow),
    ],
)
def test_equals_xla_in_societies_of_other_sizes(users, unfocused, recommender):
    """Of sets of whole words, of sizes and of rules that the compiler knows or not; one kind, which has no members."""
    env = RewiringGame(users, 10, rules.Rules("own", "clipped", "imitation", "neighbour", "focal", "coins", unfocused))
    params = env.default_params.replace(beta=0.1)
    one, other = (
        simulate(
            env, recommender, jax.random.key(0), params, 400, runs=8, check_every=200, stop_at_fixation=False,
            engine=engine,
        )
        for engine in ("xla", "compiled")
    )  # fmt: skip
    assert (one.engine, other.engine) == ("xla", "compiled")
    different = sum(getattr(one, name) != getattr(other, name) for name in (*EVENTS, "cooperation", "max_degree"))
    assert (different > 0).sum() <= 1
    assert one.rewires.min() > 10


@needs_compiler
@pytest.mark.parametrize("preset", [*PRESETS, *VARIANTS])
def test_one_step_probabilities_are_exact(preset):
    rng = np.random.default_rng(6)
    cases = exact_cases(preset, rng, (1.0, 0.0) if preset == "santos" else (1.0, 0.5, 0.75, 0.0))
    start, setting = copies_of(preset, cases)
    drawn = []
    for seed in range(4):
        after = advanced("compiled", preset, lanes_of(start), Queue(*setting), 1, seed)
        events = jax.tree.map(lambda leaf: leaf[None], [getattr(after, name) for name in EVENTS])
        drawn.append(codes_of(after.society, events).reshape(CASES, COPIES))
    assert_follows(cases, np.concatenate(drawn, axis=1))


@needs_compiler
def test_the_kernel_changes_the_state_in_place():
    shape = partial(jax.ShapeDtypeStruct, dtype=jnp.int32)
    bits = partial(jax.ShapeDtypeStruct, dtype=jnp.uint32)
    society = lanes.Society(bits((8, 500, 16)), bits((16, 8)), bits((0, 16, 8)), shape((8, 0, 2)), shape((0, 8)))
    state = lanes.Lanes(society, shape((8,)), shape((8,)), shape((8,)))
    params, kinds, _ = setting_of([ref.Game("carvalho", second=0.0)] * 8)
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("lanes",))
    method = advance.Method("xoshiro", "compiled")
    setting = Queue(params, kinds, None)
    lowered = advance.advance.lower(rules.CARVALHO, state, jax.random.key(0), setting, 100, mesh, method)
    memory = lowered.compile().memory_analysis()
    assert memory.alias_size_in_bytes >= 8 * 500 * 16 * 4
    assert memory.temp_size_in_bytes < 8 * 500 * 16 * 4 / 4


def test_without_a_compiler_xla_computes(monkeypatch):
    for tried in (native.library, compiled.is_available):
        tried.cache_clear()
    monkeypatch.setattr(native, "COMPILERS", ("no-such-compiler",))
    env = RewiringGame(6, 2)
    given = env, "local", jax.random.key(0), None, 50
    try:
        assert simulate(*given, check_every=50).engine == "xla"
        with pytest.raises(jaxrec.InputError, match=r"engine 'compiled' needs a CPU and a C\+\+ compiler"):
            simulate(*given, check_every=50, engine="compiled")
    finally:
        for tried in (native.library, compiled.is_available):
            tried.cache_clear()


def test_a_library_that_does_not_compile_is_absent(tmp_path):
    source = tmp_path / "wrong.cc"
    source.write_text("this is no C++")
    assert native.library(source) is None


def test_every_heuristic_is_in_the_comparison():
    assert {kind[0] for game in games_for("carvalho", np.random.default_rng(1)) for kind in game.heuristics} == set(
        NAMES
    )
