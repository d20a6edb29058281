"""The rewiring game, held against code that shares nothing with it."""

import dataclasses
import itertools
from functools import cache, partial

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
import rewiring_reference as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from societies import as_bits, as_bools, checked

import jaxrec
from jaxrec.envs.rewiring import (
    HEURISTICS,
    Competition,
    HeuristicPolicy,
    RewiringGame,
    RewiringParams,
    dynamics,
    heuristics,
    meetings,
    metrics,
    observation,
    per_run,
    rules,
    simulate,
)
from jaxrec.envs.rewiring.graph import bitset, draws, starts
from jaxrec.envs.rewiring.graph.society import Society, unstack
from jaxrec.envs.rewiring.simulation import lanes as simulation
from jaxrec.envs.rewiring.simulation.simulator import Queue

PRESETS = sorted(rules.PRESETS)
# Compiling a game takes longer than playing it: the other presets are played on demand.
BY_DEFAULT = [name if name == "carvalho" else pytest.param(name, marks=pytest.mark.slow) for name in PRESETS]
NAMES = list(HEURISTICS)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Between the reference's states and the package's arrays.


def matrix_of(state):
    matrix = np.zeros((len(state.adjacency),) * 2, bool)
    for user, near in enumerate(state.adjacency):
        matrix[user, list(near)] = True
    return matrix


def ties_of(state):
    return [(a, b) for a, near in enumerate(state.adjacency) for b in sorted(near) if a < b]


def many_of(states, num_kinds, edges=None):
    """A `Society` in the layout for many, with degrees; with ties where `edges`, and members if there are kinds."""
    matrices = np.stack([matrix_of(state) for state in states])
    kinds = np.array([state.kinds for state in states])
    members = as_bits(kinds[None] == np.arange(num_kinds)[:, None, None])
    ties = np.zeros((len(states), 0, 2), np.int32) if edges is None else np.asarray(edges, np.int32)
    return Society(
        adjacency=jnp.asarray(as_bits(matrices)),
        cooperators=jnp.asarray(as_bits(np.array([state.cooperates for state in states])).T),
        members=jnp.asarray(members.transpose(0, 2, 1)),
        edges=jnp.asarray(ties),
        degrees=jnp.asarray(matrices.sum(axis=2, dtype=np.int32).T),
    )


def single_of(society, lane):
    """One society of many."""
    last = jax.tree.map(lambda leaf: leaf[..., lane], society)
    return last.replace(adjacency=society.adjacency[lane], edges=society.edges[lane])


def states_of(society):
    """The reference's states, one for each society of many, after checking what must hold of the arrays."""
    matrices, cooperates, kinds = checked(society)
    return [
        ref.State(tuple(frozenset(np.flatnonzero(row).tolist()) for row in matrix), tuple(c), tuple(k))
        for matrix, c, k in zip(matrices, cooperates.tolist(), kinds.tolist(), strict=True)
    ]


def setting_of(games):
    """(params, recommenders, competition) of the package for a list of games, lanes last."""

    def leaf(name):
        return jnp.asarray([getattr(game, name) for game in games], jnp.float32)

    params = RewiringParams(
        influence=leaf("influence"),
        beta=leaf("beta"),
        temptation=leaf("temptation"),
        sucker=leaf("sucker"),
        timescale=leaf("timescale"),
    )
    params = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, len(games)), params)
    each = [heuristics.stack_kinds([heuristics.heuristic(*kind) for kind in game.heuristics]) for game in games]
    stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves], axis=-1), *each)
    return params, jax.tree.map(jnp.asarray, stacked), Competition(None, leaf("second"), leaf("second_beta"))


@partial(jax.jit, static_argnames="preset")
def advance(preset, society, words, params, recommenders, competition):
    """(the last society, (all of them, the events)) for words [steps, 3, *lanes]."""

    def step(society, words):
        society, events = dynamics.time_step(society, words, rules.PRESETS[preset], params, recommenders, competition)
        return society, (society, events)

    return jax.lax.scan(step, society, words)


def random_words(rng, *shape):
    return rng.integers(0, 2**32, shape, dtype=np.uint32)


def random_state(rng, users, ties, num_kinds=1, cooperators=0.5):
    """A state with that many random ties; some users may have none."""
    pairs = list(itertools.combinations(range(users), 2))
    chosen = [pairs[i] for i in rng.choice(len(pairs), ties, replace=False)]
    return ref.society(chosen, rng.random(users) < cooperators, rng.integers(0, num_kinds, users).tolist())


# A reference stepped with the same draws.

SIZES = {"santos": (33, 90), "printed": (20, 50), "carvalho": (40, 110), "learning": (12, 26)}


def games_for(preset, rng):
    """Every heuristic alone and against others, exclusive or not, with parameters that make every rule matter."""
    trios = [((name, False),) * 3 for name in NAMES]
    # The local heuristic is never exclusive.
    trios += [tuple((n, n != "local") for n in rng.choice(NAMES, 3, replace=False).tolist()) for _ in range(12)]
    games = []
    for i, trio in enumerate(trios):
        games.append(
            ref.Game(
                preset,
                beta=float(np.float32(rng.choice([0.005, 0.1, 1.0]))),
                temptation=float(np.float32(rng.choice([2.0, 1.3, 0.5]))),
                sucker=float(np.float32(rng.choice([-1.0, -0.4, 0.6]))),
                timescale=float(rng.choice([0.5, 2.0, 10.0, np.inf]) if i % 3 else 2.0),
                influence=float(np.float32(rng.choice([1.0, 0.6, 0.1]))),
                second=float(rng.choice([0.0, 0.25, 1.0])),
                second_beta=0.5,
                heuristics=trio,
            )
        )
    return games


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


# Exact enumeration on five users with five ties.

USERS, TIES = 5, 5
PAIRS = list(itertools.combinations(range(USERS), 2))
CASES, COPIES = 48, 1250


def code_of(state, happened=ref.NOTHING):
    """A state of five users and two kinds, and what led there, as one number."""
    bits = [b in state.adjacency[a] for a, b in PAIRS] + list(state.cooperates)
    return sum(bit << i for i, bit in enumerate([*bits, *state.kinds, *happened]))


def codes_of(society, events=None):
    """The same of many societies."""
    matrices = as_bools(society.adjacency, USERS)
    rows = [matrices[:, a, b] for a, b in PAIRS]
    rows += list(as_bools(np.asarray(society.cooperators).T, USERS).T)
    rows += list(as_bools(np.asarray(society.members[1]).T, USERS).T)
    rows += [] if events is None else [np.asarray(leaf[0]) for leaf in jax.tree.leaves(events)]
    return sum(row.astype(int) << i for i, row in enumerate(rows))


def goodness(counts, probabilities):
    """(chi-square, degrees of freedom), rare outcomes pooled."""
    expected = probabilities * counts.sum()
    order = np.argsort(expected)
    rare = order[np.cumsum(expected[order]) < 8]
    kept = np.setdiff1d(order, rare)
    expected = np.append(expected[kept], expected[rare].sum())
    counts = np.append(counts[kept], counts[rare].sum())
    expected, counts = (x[expected > 0] for x in (expected, counts))
    return ((counts - expected) ** 2 / expected).sum(), len(counts) - 1


def assert_follows(cases, observed):
    """Observed codes [cases, n] follow the exact distributions of (state, game)."""
    total, freedom = 0.0, 0
    for (state, game), codes in zip(cases, observed, strict=True):
        exact = {}
        for probability, after, happened in ref.outcomes(state, game):
            if probability > 0:
                code = code_of(after, happened)
                exact[code] = exact.get(code, 0.0) + probability
        assert abs(sum(exact.values()) - 1) < 1e-9
        values, counts = np.unique(codes, return_counts=True)
        assert set(values.tolist()) <= set(exact), (state, game)
        known = dict(zip(values.tolist(), counts.tolist(), strict=True))
        counts = np.array([known.get(code, 0) for code in exact])
        square, degrees = goodness(counts, np.array(list(exact.values())))
        assert degrees == 0 or stats.chi2.sf(square, degrees) > 1e-6, (state, game)
        total, freedom = total + square, freedom + degrees
    assert stats.chi2.sf(total, freedom) > 1e-4


def copies_of(preset, cases):
    """(society, setting) with many copies of each case, side by side."""
    states, games = zip(*cases, strict=True)
    order = np.repeat(np.arange(CASES), COPIES)
    start = many_of(states, 2, [ties_of(state) for state in states] if preset == "santos" else None)
    start = jax.tree.map(lambda leaf: leaf[..., order], start.replace(adjacency=(), edges=())).replace(
        adjacency=start.adjacency[order], edges=start.edges[order]
    )
    return start, jax.tree.map(lambda leaf: leaf[..., order], setting_of(games))


def step_copies(preset, cases, rng):
    """Codes [cases, n] after one time-step of many copies of each case."""
    start, setting = copies_of(preset, cases)
    drawn = []
    for _ in range(4):
        words = random_words(rng, 1, 3, CASES * COPIES)
        after, (_, events) = advance(preset, start, words, *setting)
        drawn.append(codes_of(after, events).reshape(CASES, COPIES))
    return np.concatenate(drawn, axis=1)


def exact_cases(preset, rng, influences):
    cases = []
    for i in range(CASES):
        name, rival = NAMES[i % len(NAMES)], NAMES[int(rng.integers(len(NAMES)))]
        game = ref.Game(
            preset,
            beta=0.4,
            temptation=1.5,
            sucker=-0.5,
            timescale=[1.0, np.inf, 3.0, 0.5][i % 4],
            influence=influences[i // len(NAMES) % len(influences)],
            second=[0.0, 0.0, 0.5, np.inf][i // len(NAMES)] if i % 5 else 0.2,
            second_beta=0.8,
            heuristics=((name, i >= 24 and name != "local"), (rival, False)),
        )
        while True:
            state = random_state(rng, USERS, TIES, 2, 0.4)
            if 0 < sum(state.cooperates) < USERS:
                break
        cases.append((state, game))
    return cases


@pytest.mark.parametrize("preset", PRESETS)
def test_one_step_probabilities_are_exact(preset):
    rng = np.random.default_rng(3)
    # The ties of `santos` with partial influence: see the next test.
    influences = (1.0, 0.0) if preset == "santos" else (1.0, 0.5, 0.75, 0.0)
    cases = exact_cases(preset, rng, influences)
    assert_follows(cases, step_copies(preset, cases, rng))


def test_one_step_probabilities_are_exact_with_partial_influence_where_ties_are_drawn():
    # Whether the recommendation is followed must not depend on which tie was drawn.
    rng = np.random.default_rng(4)
    cases = exact_cases("santos", rng, (0.5, 0.25))
    assert_follows(cases, step_copies("santos", cases, rng))


@cache
def orbits():
    """The least code of each graph and strategies on five users under renaming: int[2**15]."""
    codes = np.arange(2 ** (len(PAIRS) + USERS))
    least = codes.copy()
    for renamed in itertools.permutations(range(USERS)):
        images = [PAIRS.index(tuple(sorted((renamed[a], renamed[b])))) for a, b in PAIRS]
        images += [len(PAIRS) + renamed[user] for user in range(USERS)]
        least = np.minimum(least, sum((codes >> i & 1) << image for i, image in enumerate(images)))
    return least


def chain_of(start, game):
    """(index of each orbit reached, transition matrix, requests expected of a time-step, number of cooperators)."""
    index, found = {int(orbits()[code_of(start)]): 0}, [start]
    rows, requests = [], []
    while len(rows) < len(found):
        row, request = {}, 0.0
        for probability, after, happened in ref.outcomes(found[len(rows)], game):
            if probability > 0:
                orbit = int(orbits()[code_of(after)])
                if orbit not in index:
                    index[orbit] = len(found)
                    found.append(after)
                row[index[orbit]] = row.get(index[orbit], 0.0) + probability
                request += probability * happened.request
        rows.append(row)
        requests.append(request)
    matrix = np.zeros((len(found), len(found)))
    for i, row in enumerate(rows):
        matrix[i, list(row)] = list(row.values())
    return matrix, np.array(requests), np.array([sum(state.cooperates) for state in found])


@pytest.mark.parametrize("preset", BY_DEFAULT)
def test_fate_of_five_users_is_exact(preset):
    """All cooperate, all defect, and requests after 100 time-steps, by powers of the enumerated Markov chain."""
    rng, steps = np.random.default_rng(5), 100
    starts = [
        ref.society([(i, (i + 1) % USERS) for i in range(USERS)], [c in cs for c in range(USERS)])
        for cs in ({0, 1, 2}, {0, 2}, {1, 2, 3, 4})
    ]
    names = [*NAMES, "local", "good", "bad", "fair"]
    cases = [
        (
            starts[i % 3],
            ref.Game(
                preset,
                beta=1.0,
                temptation=1.4,
                sucker=-0.2,
                timescale=2.0,
                second=0.0,
                heuristics=((name, False), ("null", False)),
            ),
        )
        for i, name in enumerate(names * 3)
    ]
    society, setting = copies_of(preset, cases)
    requests = np.zeros(CASES * COPIES)
    for _ in range(steps):
        alive = ~np.isin(np.asarray(society.cooperators[0]), (0, 2**USERS - 1))
        society, (_, events) = advance(preset, society, random_words(rng, 1, 3, CASES * COPIES), *setting)
        requests += np.asarray(events.request[0]) * alive
    cooperating = as_bools(np.asarray(society.cooperators).T, USERS).sum(axis=1).reshape(CASES, COPIES)
    requests = requests.reshape(CASES, COPIES)
    z = []
    for i, (state, game) in enumerate(cases):
        matrix, asked, number = chain_of(state, game)
        place, expected = np.eye(len(matrix))[0], 0.0
        for _ in range(steps):
            expected += (place * asked)[(number > 0) & (number < USERS)].sum()
            place = place @ matrix
        for end in (0, USERS):
            p = place[number == end].sum()
            z.append(((cooperating[i] == end).mean() - p) / np.sqrt(max(p * (1 - p), 1e-9) / COPIES))
        z.append((requests[i].mean() - expected) / (requests[i].std() / np.sqrt(COPIES) + 1e-9))
    z = np.array(z)
    assert np.abs(z).max() < 4.5
    assert stats.chi2.sf((z**2).sum(), len(z)) > 1e-4
    assert 0.1 < (cooperating == USERS).mean() < 0.9


# Invariants.


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


# Draws and sets.


@pytest.mark.parametrize("n", [1, 2, 3, 7, 31, 32, 33, 500, 16_383, 65_535])
def test_choose_is_the_high_half_of_the_product(n):
    words = np.concatenate([np.arange(2**16, dtype=np.uint64) * 65_537, [0, 1, 2**31, 2**32 - 1]]).astype(np.uint32)
    chosen, left = draws.choose(jnp.asarray(words), n)
    product = words.astype(object) * n
    np.testing.assert_array_equal(chosen, (product >> 32).astype(np.int64))
    np.testing.assert_array_equal(left, (product & 0xFFFFFFFF).astype(np.int64))
    if n <= 500:
        counts = np.bincount(chosen, minlength=n)
        assert counts.shape == (n,)
        assert counts.max() - counts.min() <= 6


def test_choose_among_none():
    assert draws.choose(jnp.uint32(2**32 - 1), 0)[0] == 0


@pytest.mark.parametrize("size", [33, *[pytest.param(n, marks=pytest.mark.slow) for n in (1, 31, 32, 100)]])
def test_sets(size, rng):
    members = rng.random((size, 64)) < rng.random(64)
    words = bitset.pack(jnp.asarray(members))
    np.testing.assert_array_equal(words, as_bits(members.T).T)
    np.testing.assert_array_equal(bitset.unpack(words, size), members)
    np.testing.assert_array_equal(bitset.count(words), members.sum(axis=0))
    np.testing.assert_array_equal(bitset.everyone(size), as_bits(np.ones(size, bool)))
    users = np.arange(64) % size
    np.testing.assert_array_equal(bitset.single(jnp.asarray(users), len(words)), as_bits(np.eye(size)[users] > 0).T)
    columns, ranks = np.nonzero(np.arange(size) < members.sum(axis=0)[:, None])
    sorted_members = [np.flatnonzero(members[:, column])[rank] for column, rank in zip(columns, ranks, strict=True)]
    np.testing.assert_array_equal(bitset.select(words[:, columns], jnp.asarray(ranks)), sorted_members)


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


# Metrics.


def test_metrics_agree_with_networkx(rng):
    states = [random_state(rng, 21, int(rng.integers(10, 150)), 3, rng.choice([0.2, 0.5, 0.8])) for _ in range(60)]
    states += [ref.society([(0, 1), (1, 2)], [value] * 21, [0] * 21) for value in (True, False)]
    society = unstack(many_of(states, 3))
    measured = jax.tree.map(np.asarray, jax.jit(jax.vmap(metrics.measure))(society))
    params = RewiringParams(temptation=1.7, sucker=-0.3)
    payoffs = jax.jit(jax.vmap(lambda one: (metrics.payoffs(one, params), metrics.is_fixated(one))))(society)
    payoffs, fixated = map(np.asarray, payoffs)
    game = ref.Game("printed", temptation=1.7, sucker=-0.3)
    for i, state in enumerate(states):
        graph = nx.from_numpy_array(matrix_of(state).astype(int))
        nx.set_node_attributes(graph, dict(enumerate(state.cooperates)), "strategy")
        degrees = np.array([degree for _, degree in graph.degree()])
        np.testing.assert_allclose(measured["degree_variance"][i], degrees.var(), rtol=1e-5)
        assert measured["max_degree"][i] == degrees.max()
        np.testing.assert_allclose(measured["cooperation"][i], np.mean(state.cooperates), rtol=1e-6)
        np.testing.assert_allclose(measured["shares"][i], np.bincount(state.kinds, minlength=3) / 21, rtol=1e-6)
        ends = {state.cooperates[user] for user in range(21) if state.adjacency[user]}
        expected = nx.attribute_assortativity_coefficient(graph, "strategy") if len(ends) == 2 else 0.0
        np.testing.assert_allclose(measured["assortativity"][i], expected, atol=2e-6)
        np.testing.assert_allclose(payoffs[i], [ref.fitness(state, user, game) for user in range(21)], atol=1e-5)
        assert fixated[i] == (len(set(state.cooperates)) == 1)


# Graphs to start from.


@partial(jax.jit, static_argnums=(0, 2, 3))
def draw_graphs(starter, keys, users, number):
    return jax.vmap(lambda key: starter(key, users, number))(keys)


def codes_of_graphs(ties, users):
    """Each graph as one number, after checking that it is simple."""
    ties = np.sort(np.asarray(ties).astype(np.int64), axis=2)
    assert (ties[..., 0] < ties[..., 1]).all(), "a loop"
    assert (ties >= 0).all()
    assert (ties < users).all()
    pairs = np.sort(ties[..., 0] * users + ties[..., 1], axis=1)
    assert (np.diff(pairs, axis=1) > 0).all(), "a tie twice"
    return pairs


@pytest.mark.parametrize(
    ("users", "k"),
    [
        (4, 3),
        (5, 4),
        (33, 6),
        (6, 3),
        *[
            pytest.param(users, k, marks=pytest.mark.slow)
            for users, k in zip(
                [2, 3, 4, 4, 6, 6, 6, 8, 9, 10, 12, 12, 16, 30, 31, 100, 101],
                [1, 2, 1, 2, 1, 4, 5, 3, 4, 9, 5, 6, 15, 8, 14, 28, 50],
                strict=True,
            )
        ],
    ],
)
def test_regular_graphs_are_simple_and_regular(users, k):
    ties = draw_graphs(starts.k_regular, jax.random.split(jax.random.key(users * k), 200), users, k)
    assert ties.shape == (200, users * k // 2, 2)
    codes_of_graphs(ties, users)
    for graph in np.asarray(ties):
        np.testing.assert_array_equal(np.bincount(graph.ravel(), minlength=users), k)


def test_small_regular_graphs_are_found():
    ties = jnp.asarray([[user, user] for user in range(6)], jnp.int32)
    state = (jax.random.key(0), ties, starts._bad(ties, 6), jnp.zeros((), jnp.int32))
    state = jax.jit(lambda state: jax.lax.fori_loop(0, 100, lambda _, s: starts._exchange(6, s), state))(state)
    assert not (state[1] == ties).all()


def test_half_of_all_ties_are_found():
    """Where a new tie is as likely to repeat another as not, rounds must be left alone for long."""

    def rounds(key):
        ties = jax.random.permutation(key, jnp.repeat(jnp.arange(101, dtype=jnp.int32), 50)).reshape(-1, 2)
        state = (key, ties, starts._bad(ties, 101), jnp.zeros((), jnp.int32))
        return jax.lax.while_loop(
            lambda state: state[2].any() & (state[3] < 2000), lambda state: starts._exchange(101, state), state
        )[3]

    assert (jax.jit(jax.vmap(rounds))(jax.random.split(jax.random.key(0), 4)) < 1000).all()


@pytest.mark.parametrize(
    ("starter", "users", "number", "graphs"),
    [
        pytest.param("k_regular", 6, 2, 70, id="6 users, 2 neighbours", marks=pytest.mark.slow),
        pytest.param("uniform_random", 4, 3, 20, id="4 users, 3 ties"),
        pytest.param("k_regular", 4, 1, 3, id="4 users, 1 neighbour", marks=pytest.mark.slow),
        pytest.param("k_regular", 6, 1, 15, id="6 users, 1 neighbour", marks=pytest.mark.slow),
        pytest.param("k_regular", 4, 2, 3, id="4 users, 2 neighbours", marks=pytest.mark.slow),
        pytest.param("k_regular", 5, 2, 12, id="5 users, 2 neighbours", marks=pytest.mark.slow),
        pytest.param("k_regular", 6, 3, 70, id="6 users, 3 neighbours", marks=pytest.mark.slow),
        pytest.param("uniform_random", 5, 7, 120, id="5 users, 7 ties", marks=pytest.mark.slow),
        pytest.param("uniform_random", 5, 5, 252, id="5 users, 5 ties", marks=pytest.mark.slow),
    ],
)
def test_start_graphs_are_uniform(starter, users, number, graphs, key):
    ties = draw_graphs(getattr(starts, starter), jax.random.split(key, 400 * graphs), users, number)
    found, counts = np.unique(codes_of_graphs(ties, users), axis=0, return_counts=True)
    assert len(found) == graphs
    assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("starter", [starts.k_regular, starts.uniform_random])
def test_graphs_are_the_same_in_float64(starter, key):
    number = 4 if starter is starts.k_regular else 20
    single = starter(key, 10, number)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(starter(key, 10, number), single)


@pytest.mark.slow
def test_uniform_graphs_have_all_their_ties():
    ties = draw_graphs(starts.uniform_random, jax.random.split(jax.random.key(0), 50), 40, 100)
    assert ties.shape == (50, 100, 2)
    codes_of_graphs(ties, 40)


@pytest.mark.slow
def test_regular_graphs_have_as_many_triangles_as_networkx_ones(key):
    users, k = 30, 8
    ties = np.asarray(draw_graphs(starts.k_regular, jax.random.split(key, 2000), users, k))

    def triangles(graph):
        return sum(nx.triangles(graph).values()) / 3

    ours = [triangles(nx.Graph(graph.tolist())) for graph in ties]
    theirs = [triangles(nx.random_regular_graph(k, users, seed=seed)) for seed in range(2000)]
    assert stats.ttest_ind(ours, theirs).pvalue > 1e-3
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


# Whole runs. All share one shape, and so one compilation: twelve users, sixteen lanes, two kinds.

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
    lanes = simulation.Lanes(society, shape((8,)), shape((8,)), shape((8,)))
    params, kinds, _ = setting_of([ref.Game("carvalho", second=0.0)] * 8)
    setting = Queue(params, kinds, None)
    mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), ("lanes",))
    lowered = simulation.advance.lower(rules.CARVALHO, lanes, key, setting, 100, mesh)
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


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_absorption_of_four_users(preset):
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


# The environment.


@pytest.mark.parametrize("observe_as", ["dense", "graphs_tuple"])
def test_a_heuristic_policy_recommends_whom_the_heuristic_does(observe_as, key):
    rng = np.random.default_rng(6)
    states = [random_state(rng, 14, 40, 1) for _ in range(40)]
    many = many_of(states, 0, [ties_of(state) for state in states])
    societies = unstack(many)
    words = jnp.asarray(random_words(rng, 40, 3))
    params = RewiringParams()

    @jax.jit
    def draw(society, words, heuristics, keys):
        def one(society, words, keys):
            met = meetings.meet(society, words, rules.CARVALHO, params)
            obs = observation.observe(society, met, observe_as)
            act = jax.vmap(lambda heuristic, key: HeuristicPolicy(heuristic).act((), obs, key)[0], in_axes=(0, None))
            return obs, jax.vmap(act, in_axes=(None, 0))(heuristics, keys)

        return jax.vmap(one, in_axes=(0, 0, None))(society, words, keys)

    every = heuristics.stack_kinds([heuristics.heuristic(name) for name in NAMES])
    obs, actions = jax.tree.map(np.asarray, draw(societies, words, every, jax.random.split(key, 400)))
    for i, state in enumerate(states):
        focused, partner = int(obs.focused[i]), int(obs.partner[i])
        np.testing.assert_array_equal(
            obs.action_mask[i], [z != focused and z not in state.adjacency[focused] for z in range(14)]
        )
        if observe_as == "dense":
            np.testing.assert_array_equal(obs.graph[i], matrix_of(state))
        else:
            assert len(obs.graph.senders[i]) == 80
            graph = nx.DiGraph(zip(obs.graph.senders[i].tolist(), obs.graph.receivers[i].tolist(), strict=True))
            np.testing.assert_array_equal(nx.to_numpy_array(graph, nodelist=range(14)) > 0, matrix_of(state))
        np.testing.assert_array_equal(obs.nodes[i, :, 0], state.cooperates)
        np.testing.assert_allclose(obs.nodes[i, :, 1], matrix_of(state).sum(axis=0) / (80 / 14), rtol=1e-5)
        for j, name in enumerate(NAMES):
            pool = ref.pool(state, focused, partner, ref.Game("carvalho", heuristics=((name, False),)))
            values, counts = np.unique(actions[i, :, j], return_counts=True)
            assert values.tolist() == (pool or [focused]), name
            assert len(values) == 1 or stats.chisquare(counts).pvalue > 1e-6


@cache
def resets(env):
    return jax.jit(jax.vmap(env.reset_env, in_axes=(0, None)))


def play(env, params, episodes, choose, key):
    """Episodes to their end: (last states, [(obs, state, action, reward, info, next state, whether alive)])."""
    policy = jax.vmap(choose)
    step = jax.vmap(env.step_env, in_axes=(0, 0, 0, None))

    @jax.jit
    def forward(key, obs, state, alive):
        key_act, key_step = jax.random.split(key)
        action = policy(obs, jax.random.split(key_act, episodes))
        after_obs, after, reward, terminated, info = step(jax.random.split(key_step, episodes), state, action, params)
        return after_obs, after, alive & ~terminated, (obs, state, action, reward, info, after, alive)

    obs, state = resets(env)(jax.random.split(key, episodes), params)
    alive, trace, last = jnp.ones(episodes, bool), [], state
    while alive.any():
        key, key_step = jax.random.split(key)
        obs, state, still, happened = forward(key_step, obs, state, alive)
        trace.append(jax.tree.map(np.asarray, happened))
        last = jax.tree.map(partial(where, np.asarray(alive)), trace[-1][5], last)
        alive = still
    return last, jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *trace)


def where(chosen, new, old):
    return np.where(chosen.reshape(-1, *[1] * (new.ndim - 1)), new, old)


@pytest.mark.slow
def test_learning_with_random_recommendations_ends_as_the_specification_says(key):
    env = RewiringGame(num_users=10, degree=4, rules="learning")
    params = env.default_params
    assert (params.beta, params.time_limit, params.timescale) == (0.1, 1000, 1.0)
    policy = env.policy("random")
    end, (obs, state, _, reward, info, after, alive) = play(
        env, params, 300, lambda obs, key: policy.act((), obs, key)[0], key
    )
    cooperation = as_bools(end.society.cooperators, 10).mean(axis=1)
    assert abs(cooperation.mean() - 0.43) < 0.005 + 3.5 * cooperation.std() / np.sqrt(300)
    assert abs(end.requests.mean() - 37) < 0.5 + 3.5 * end.requests.std() / np.sqrt(300)
    assert (np.isin(cooperation, (0, 1)) | (end.clock == 1000)).all()
    assert (end.clock <= 1000).all()
    np.testing.assert_allclose((reward * alive).sum(axis=1), end.requests)
    np.testing.assert_array_equal(obs.requested, state.meeting.acts)
    assert (after.requests - state.requests == obs.requested)[alive].all()
    assert not obs.requested[alive].all()
    assert (after.clock - state.clock)[alive].max() == env.max_wait
    full = ~obs.action_mask.any(axis=2) & obs.requested
    assert (np.diff(info["ineligible"], axis=1, prepend=0) == full)[alive].all()


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["carvalho", "santos"])
def test_actions_that_cannot_be(preset, key):
    """Ineligible ones leave the ties alone and are counted; where nobody asked the action is not read."""
    env = RewiringGame(num_users=12, degree=4, rules=preset, max_wait=3, observe_as="graphs_tuple")
    params = env.default_params.replace(beta=0.3, time_limit=150)

    def choose(obs, key):
        """Half of the actions are ineligible."""
        first = obs.graph.receivers[jnp.argmax(obs.graph.senders == obs.focused)]
        bad = jnp.stack([obs.focused, obs.partner, first, jnp.int32(12), jnp.int32(2**31 - 1), jnp.int32(-1)])
        good = jax.random.categorical(key, jnp.where(obs.action_mask, 0.0, -jnp.inf)).astype(jnp.int32)
        answer = jnp.where(jax.random.bernoulli(key), jax.random.choice(key, bad), good)
        return jnp.where(obs.requested, answer, jax.random.randint(key, (), -5, 20))

    end, (obs, state, action, _, info, after, alive) = play(env, params, 100, choose, key)
    inside = (action >= 0) & (action < 12)
    valid = np.take_along_axis(obs.action_mask, np.where(inside, action, 0)[..., None], axis=2)[..., 0] & inside
    refused = obs.requested & ~valid & alive
    assert refused.sum() > 200
    np.testing.assert_array_equal(info["ineligible"][alive], np.cumsum(refused, axis=1)[alive])
    rewired = (after.rewires - state.rewires)[alive]
    assert (rewired <= (obs.requested & valid)[alive]).all()
    same = (state.society.adjacency == after.society.adjacency)[alive].all(axis=(1, 2))
    np.testing.assert_array_equal(same, rewired == 0)
    societies = Society(
        adjacency=after.society.adjacency[alive],
        cooperators=after.society.cooperators[alive].T,
        members=np.zeros((0, 1, 1), np.uint32),
        edges=after.society.edges[alive],
        degrees=np.zeros((0, 1), np.int32),
    )
    # The list of ties that the graph network reads stays the graph: `states_of` compares them.
    states = states_of(societies)
    assert all(sum(map(len, one.adjacency)) == 48 for one in states)
    tied = [z in one.adjacency[x] for one, x, z in zip(states, obs.focused[alive], action[alive], strict=True)]
    assert np.array(tied)[rewired == 1].all()
    assert rewired.sum() > 200
    assert (end.clock <= 150).all()


def test_rewards_of_an_episode_are_its_requests(key):
    env = RewiringGame(num_users=12, degree=4, rules="santos", max_wait=3, observe_as="graphs_tuple")
    _, state = resets(env)(jax.random.split(key, 100), env.default_params)
    assert not state.requests.any()


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_users": 5, "degree": 5}, "degree"),
        ({"num_users": 5, "degree": 3}, "num_users"),
        ({"num_users": 0}, "num_users"),
        ({"degree": 0}, "degree"),
        ({"num_users": 2.5}, "num_users"),
        ({"num_users": 2**14, "degree": 2}, "num_users"),
        ({"num_users": 1000, "degree": 200, "rules": "santos"}, "rules"),
        ({"max_wait": 0}, "max_wait"),
        ({"num_users": 6, "degree": 3, "rules": dataclasses.replace(rules.CARVALHO, unfocused=6)}, "unfocused"),
        ({"rules": "carvallo"}, "carvalho"),
        ({"rules": 3}, "rules"),
        ({"graph": "scale-free"}, "graph"),
        ({"observe_as": "sparse"}, "observe_as"),
        ({"reward": "enragement"}, "engagement"),
    ],
)
def test_environments_that_cannot_be(arguments, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        RewiringGame(**arguments)


def test_rules_that_cannot_be(untyped):
    with pytest.raises(jaxrec.InputError, match="imitation"):
        dataclasses.replace(rules.CARVALHO, imitation="fermy")
    with pytest.raises(jaxrec.InputError, match="unfocused"):
        dataclasses.replace(rules.CARVALHO, unfocused=-1)


def test_names_that_are_unknown():
    with pytest.raises(jaxrec.InputError, match="random"):
        GAME.policy("randon")
    with pytest.raises(jaxrec.InputError, match="recommender"):
        simulate(GAME, "goood", jax.random.key(0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temptation", 2.1),
        ("temptation", -0.1),
        ("sucker", 1.1),
        ("sucker", -1.5),
        ("beta", -0.1),
        ("beta", np.nan),
        ("timescale", -1.0),
        ("timescale", np.nan),
        ("influence", 1.5),
        ("time_limit", 0),
    ],
)
def test_parameters_out_of_range(name, value, untyped):
    params = GAME.default_params.replace(**{name: value})
    with pytest.raises(jaxrec.InputError, match=name):
        GAME.reset(jax.random.key(0), params)
    with pytest.raises(jaxrec.InputError, match=name):
        simulate(GAME, "local", jax.random.key(0), params)


def test_parameters_within_range():
    GAME.check_params(GAME.default_params.replace(timescale=float("inf")))
    wide = RewiringGame(any_payoffs=True)
    wide.check_params(wide.default_params.replace(temptation=5.0, sucker=-3.0))
    with pytest.raises(jaxrec.InputError, match="temptation"):
        wide.check_params(wide.default_params.replace(temptation=np.inf))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 120, "check_every": 50}, "check_every"),
        ({"num_steps": 0}, "num_steps"),
        ({"num_steps": 2**31, "check_every": 1}, "num_steps"),  # counts are int32
        ({"check_every": 0}, "check_every"),
        ({"lanes": 0}, "lanes"),
        ({"runs": 0}, "runs"),
        ({"runs": 3, "params": RewiringParams(beta=np.array([0.1, 0.2]))}, "runs"),
        ({"params": RewiringParams(beta=np.array([0.1, 0.2]), timescale=np.ones(3))}, "runs"),
        ({"competition": Competition(np.array([0.5, 0.6]))}, "shares"),
        ({"competition": Competition(np.array([0.5, 0.3, 0.2]))}, "shares"),
        ({"competition": Competition(np.array([1.5, -0.5]))}, "shares"),
        ({"competition": Competition((0.5, 0.6))}, "shares"),
        ({"competition": Competition(timescale=-0.1)}, "timescale"),
        ({"competition": Competition(timescale=np.nan)}, "timescale"),
        ({"competition": Competition(beta=-1.0)}, "beta"),
        ({"competition": Competition(beta=1e39)}, "beta"),
        ({"competition": Competition(timescale=np.ones(3)), "runs": 2}, "runs"),
        ({"competition": Competition(), "recommenders": "local"}, "recommenders"),
        ({"recommenders": ["local", "god"]}, "good"),
        ({"recommenders": []}, "recommender"),
    ],
)
def test_simulations_that_cannot_be(options, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        simulate(**({"env": GAME, "recommenders": ["local", "good"], "key": jax.random.key(0)} | options))


def test_the_aligned_reward_sums_to_that_of_the_end(key):
    """2 (c - 1/2) at the end of an episode, paid as it comes about."""
    env = RewiringGame(6, 2, "learning", reward="aligned")
    played = jaxrec.rollout(env, env.policy("random"), key, 16, 150, trajectory=True).trajectory
    ended = 0
    for i in range(16):
        one = jax.tree.map(np.asarray, played[:, i])
        last = np.flatnonzero(one.done)
        for start, end in zip([0, *(last[:-1] + 1)], last, strict=True):
            cooperators = bin(int(one.next_state.society.cooperators[end, 0])).count("1")
            assert one.reward[start : end + 1].sum() == pytest.approx(2 * (cooperators / 6 - 0.5), abs=1e-5)
            ended += 1
    assert ended > 20
