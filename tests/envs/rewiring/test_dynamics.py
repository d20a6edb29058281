"""Time-steps of the rewiring game, held against plain Python given the same draws, and what holds of all of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rewiring_reference as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from rewiring_games import (
    PRESETS,
    SIZES,
    advance,
    games_for,
    many_of,
    random_state,
    random_words,
    setting_of,
    states_of,
    ties_of,
)
from scipy import stats

from jaxrec.envs.rewiring import (
    RewiringParams,
    dynamics,
    heuristics,
    meetings,
    rules,
)


def single_of(society, lane):
    """One society of many."""
    last = jax.tree.map(lambda leaf: leaf[..., lane], society)
    return last.replace(adjacency=society.adjacency[lane], edges=society.edges[lane])


def reference_run(preset, steps, seed):
    """(games, start, edges, words) of a run to compare."""
    rng = np.random.default_rng(seed)
    games = games_for(preset, rng)
    users, ties = SIZES[preset]
    states = [random_state(rng, users, ties, 3, rng.choice([0.3, 0.6])) for _ in games]
    edges = [[tie if rng.random() < 0.5 else tie[::-1] for tie in ties_of(state)] for state in states]
    edges = [[ties[i] for i in rng.permutation(len(ties))] for ties in edges]
    return games, states, np.array(edges, np.int32), random_words(rng, steps, 3, len(games))


@pytest.mark.parametrize("preset", PRESETS)
def test_equals_plain_python_given_the_same_draws(preset):
    steps = 300
    games, states, edges, words = reference_run(preset, steps, 1)
    start = many_of(states, 3, edges if preset == "santos" else None)
    _, (societies, events) = advance(preset, start, words, *setting_of(games))
    societies, events = jax.tree.map(np.asarray, (societies, events))
    ambiguous, rewires, changes = 0, 0, 0
    for time in range(steps):
        after = jax.tree.map(lambda leaf, time=time: leaf[time], societies)
        actual = states_of(after)
        for lane, game in enumerate(games):
            try:
                expected, happened = ref.step(states[lane], game, words[time, :, lane], edges[lane].tolist())
            except ref.Ambiguous:
                ambiguous += 1
                continue
            assert actual[lane] == expected, (time, lane, game)
            given = tuple(bool(leaf[time, lane]) for leaf in (events.opportunity, events.request, events.rewire))
            assert given == happened, (time, lane, game)
            rewires += happened.rewire
            changes += expected.cooperates != states[lane].cooperates
        states = actual
        if preset == "santos":
            edges = after.edges
    assert ambiguous < 5
    assert rewires > 0.05 * steps * len(games)
    assert changes > 100


@pytest.mark.parametrize("preset", [pytest.param(name, marks=pytest.mark.slow) for name in PRESETS])
def test_one_society_is_one_of_many(preset):
    steps = 300
    games, states, edges, words = reference_run(preset, steps, 2)
    start = many_of(states, 3, edges if preset == "santos" else None)
    many, (_, events) = advance(preset, start, words, *setting_of(games))
    for lane in range(0, len(games), 5):
        setting = jax.tree.map(lambda leaf, lane=lane: leaf[..., lane], setting_of(games))
        alone, (_, happened) = advance(preset, single_of(start, lane), words[..., lane], *setting)
        jax.tree.map(np.testing.assert_array_equal, alone, single_of(many, lane))
        jax.tree.map(np.testing.assert_array_equal, happened, jax.tree.map(lambda leaf, n=lane: leaf[:, n], events))


@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    beta=st.floats(0, 20, width=32),
    temptation=st.floats(0, 2, width=32),
    sucker=st.floats(-1, 1, width=32),
    influence=st.floats(0, 1, width=32),
    timescales=st.tuples(*[st.sampled_from([0.0, 0.1, 1.0, 30.0, float("inf")])] * 2),
    cooperators=st.floats(0, 1),
)
def test_invariants(preset, seed, beta, temptation, sucker, influence, timescales, cooperators):
    rng = np.random.default_rng(seed)
    users, most = SIZES[preset]
    games = [
        ref.Game(preset, beta, temptation, sucker, timescales[0], influence, timescales[1], 10 * beta, game.heuristics)
        for game in games_for(preset, rng)
    ]
    ties = [most if preset == "santos" else int(rng.integers(1, users * (users - 1) // 2 + 1)) for _ in games]
    before = [random_state(rng, users, number, 3, cooperators) for number in ties]
    edges = [ties_of(state) for state in before] if preset == "santos" else None
    words = random_words(rng, 300, 3, len(games))
    society, (_, events) = advance(preset, many_of(before, 3, edges), words, *setting_of(games))
    events = jax.tree.map(np.asarray, events)
    assert (events.rewire <= events.request).all()
    assert (events.request <= events.opportunity).all()
    for old, new, number in zip(before, states_of(society), ties, strict=True):
        assert sum(map(len, new.adjacency)) == 2 * number
        assert all(new.adjacency[user] for user in range(users) if old.adjacency[user]), "a last neighbour was lost"
        if len(set(old.cooperates)) == 1:
            assert new.cooperates == old.cooperates
        assert set(new.kinds) <= set(old.kinds)
    if preset != "learning":
        assert np.isinf(timescales[0]) or timescales[0] or not events.opportunity.any()
        if np.isinf(timescales[1]):
            assert not events.opportunity.any()
            assert [s[:2] for s in states_of(society)] == [s[:2] for s in before]
        elif np.isinf(timescales[0]):
            assert [s.cooperates for s in states_of(society)] == [s.cooperates for s in before]
        if timescales[1] == 0:
            assert [s.kinds for s in states_of(society)] == [s.kinds for s in before]


@pytest.mark.parametrize(
    ("preset", "users"),
    [
        ("santos", 33),
        ("carvalho", 500),
        pytest.param("santos", 500, marks=pytest.mark.slow),
        pytest.param("learning", 33, marks=pytest.mark.slow),
        pytest.param("printed", 1000, marks=pytest.mark.slow),
    ],
)
def test_no_user_is_met_or_recommended_more_often_than_another(preset, users, rng):
    """In a ring where everybody defects all users are alike, the first and the last among them."""
    state = ref.society([(i, (i + step) % users) for i in range(users) for step in (1, 2)], [False] * users)
    society = single_of(many_of([state], 0, [ties_of(state)]), 0).replace(degrees=jnp.zeros(0, jnp.int32))
    params = RewiringParams(timescale=2.0)
    random = heuristics.stack_kinds([heuristics.heuristic("random")])

    @jax.jit
    @jax.vmap
    def draw(words):
        met = meetings.meet(society, words, rules.PRESETS[preset], params)
        return met.x.index, met.y.index, dynamics.recommend(society, met, random, params).new, met.structural

    x, y, new, structural = map(np.asarray, draw(jnp.asarray(random_words(rng, 200_000, 3))))
    for event in (True, False):
        for index in (x, y, new):
            counts = np.bincount(index[structural == event], minlength=users)
            assert counts.shape == (users,)
            if counts.sum():
                assert stats.chisquare(counts).pvalue > 1e-5
    distance = np.minimum((x - y) % users, (y - x) % users)
    assert stats.chisquare(np.bincount(distance, minlength=3)[1:]).pvalue > 1e-5
    if preset != "learning":
        assert abs(structural.mean() - 2 / 3) < 0.005
