"""What a time-step of five users leads to, by exact enumeration, and whether observed frequencies follow it."""

import itertools

import jax
import numpy as np
import rewiring_reference as ref
from rewiring_games import NAMES, many_of, random_state, setting_of, ties_of
from scipy import stats
from societies import as_bools

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


def assert_follows(cases, observed, with_events=True):
    """Observed codes [cases, n] follow the exact distributions of (state, game)."""
    total, freedom = 0.0, 0
    for (state, game), codes in zip(cases, observed, strict=True):
        exact = {}
        for probability, after, happened in ref.outcomes(state, game):
            if probability > 0:
                code = code_of(after, happened) if with_events else code_of(after)
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
