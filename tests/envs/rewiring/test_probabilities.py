"""What time-steps of five users lead to, and how often, by exact enumeration."""

import itertools
from functools import cache

import numpy as np
import pytest
import rewiring_reference as ref
from rewiring_exact import CASES, COPIES, PAIRS, USERS, assert_follows, code_of, codes_of, copies_of, exact_cases
from rewiring_games import (
    NAMES,
    PRESETS,
    RULES,
    advance,
    random_words,
)
from scipy import stats
from societies import as_bools

# Compiling a game takes longer than playing it: other games are played on demand.
TWO = ("carvalho", "santos")
BY_DEFAULT = [pytest.param(one, marks=[pytest.mark.slow] * (one not in TWO)) for one in RULES]


def step_copies(preset, cases, rng):
    """Codes [cases, n] after one time-step of many copies of each case."""
    start, setting = copies_of(preset, cases)
    drawn = []
    for _ in range(4):
        words = random_words(rng, 1, 3, CASES * COPIES)
        after, (_, events) = advance(preset, start, words, *setting)
        drawn.append(codes_of(after, events).reshape(CASES, COPIES))
    return np.concatenate(drawn, axis=1)


@pytest.mark.parametrize("preset", BY_DEFAULT)
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


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
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
