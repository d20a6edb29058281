"""The game of RewiringGame-v0 written twice more, from its rules, without any of jaxrec's code of the game.

Plain Python with NetworkX, as a researcher would write it, and Numba, as fast as we could make it: rivals in speed and
independent evidence on the rules. One society at a time; Numba also many at once, one thread each.

Both play the `carvalho` preset with the local heuristic: k = 30, W = 1, T = 2, S = -1, beta = 0.005, from a random
regular graph and fair coins for strategies.
"""

import math
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from numba import njit

DEGREE = 30
TIMESCALE = 1.0
TEMPTATION, SUCKER = 2, -1
BETA = 0.005


class Ends(NamedTuple):
    """Where runs ended: float[runs] each.

    Attributes:
        cooperation: the fraction of cooperators.
        requests: rewire requests for each structural update.
        rewires: ties that moved for each time-step.
        degree_variance: mean(k^2) - mean(k)^2.
        max_degree: the largest number of neighbours.
    """

    cooperation: np.ndarray
    requests: np.ndarray
    rewires: np.ndarray
    degree_variance: np.ndarray
    max_degree: np.ndarray


# Plain Python with NetworkX.


class PlainSociety:
    """Users on a graph."""

    def __init__(self, users: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.graph = nx.random_regular_graph(DEGREE, users, seed=seed)
        self.users = list(self.graph)
        self.cooperates = {user: self.rng.random() < 0.5 for user in self.users}
        self.opportunities = self.requests = self.rewires = 0

    def time_step(self) -> None:
        """Two neighbours meet: x imitates y, or one of them rewires."""
        x = self.rng.choice(self.users)
        y = self.rng.choice(list(self.graph.neighbors(x)))
        ahead = max(self.fitness(y) - self.fitness(x), 0)
        x_wins = self.rng.random() < 1 / (1 + math.exp(-BETA * ahead))
        if self.rng.random() < 1 / (1 + TIMESCALE):
            if x_wins:
                self.cooperates[x] = self.cooperates[y]
            return
        self.opportunities += 1
        if self.cooperates[y]:
            return
        self.requests += 1
        if x_wins:
            self.rewire(x, y)
        elif not self.cooperates[x]:
            self.rewire(y, x)

    def fitness(self, user: int) -> float:
        """The sum of a user's payoffs."""
        cooperating = sum(self.cooperates[other] for other in self.graph.neighbors(user))
        if self.cooperates[user]:
            return cooperating + SUCKER * (self.graph.degree(user) - cooperating)
        return TEMPTATION * cooperating

    def rewire(self, user: int, partner: int) -> None:
        """Ties `user` to a neighbour of `partner` in place of `partner`, if there is one to be tied to."""
        eligible = set(self.graph.neighbors(partner)) - set(self.graph.neighbors(user)) - {user}
        if eligible and self.graph.degree(partner) > 1:
            self.graph.remove_edge(user, partner)
            self.graph.add_edge(user, self.rng.choice(list(eligible)))
            self.rewires += 1


def plain_advance(societies: Sequence[PlainSociety], steps: int) -> None:
    """Every society plays `steps` time-steps, one after the other."""
    for society in societies:
        for _ in range(steps):
            society.time_step()


def plain_runs(users: int, runs: int, steps: int, seed: int) -> Ends:
    """Whole runs from their start."""
    societies = [PlainSociety(users, seed + run) for run in range(runs)]
    plain_advance(societies, steps)
    ends = []
    for one in societies:
        degrees = np.array([degree for _, degree in one.graph.degree()])
        events = (one.requests / one.opportunities, one.rewires / steps)
        ends.append((np.mean(list(one.cooperates.values())), *events, degrees.var(), degrees.max()))
    return Ends(*np.array(ends, float).T)


# Numba. Every user has a list of its neighbours, a table says where in it each other user stands (or nowhere), and the
# number of cooperating neighbours is kept up to date, so that most time-steps touch a few numbers. Fitness is an
# integer in this game: probabilities come from a table. Candidates are found by rejection, by enumeration where that is
# slow. Draws come from a permuted congruential generator (O'Neill 2014, RXS-M-XS 64), written out in place.

_MULTIPLY, _ADD = np.uint64(6364136223846793005), np.uint64(1442695040888963407)
_PERMUTE = np.uint64(12605985483714917081)
_U5, _U32, _U43, _U59 = (np.uint64(bits) for bits in (5, 32, 43, 59))
_MASK_32 = np.uint64(2**32 - 1)
_UNTIL_STRUCTURAL = np.uint64(min(2**32 / (1 + TIMESCALE), 2**32 - 1))
_NOWHERE = -1
_TRIES = 6
_SWAPS_PER_TIE = 10


class NumbaSociety(NamedTuple):
    """Users on a graph.

    Attributes:
        near: int16[users, users], row i begins with the neighbours of i in any order.
        place: int16[users, users], where j stands in the list of i, or -1.
        degree: int32[users], how many neighbours.
        friends: int32[users], how many of them cooperate.
        cooperates: int32[users], 0 or 1.
    """

    near: np.ndarray
    place: np.ndarray
    degree: np.ndarray
    friends: np.ndarray
    cooperates: np.ndarray

    def copy(self) -> "NumbaSociety":
        """Another with the same content."""
        return NumbaSociety(*(array.copy() for array in self))


class Counts(NamedTuple):
    """What happened: structural updates, rewire requests, ties moved."""

    opportunities: int
    requests: int
    rewires: int


@njit(inline="always")
def _draw(state: Any) -> Any:
    """uint64: the output of the generator in `state`."""
    word = ((state >> ((state >> _U59) + _U5)) ^ state) * _PERMUTE
    return (word >> _U43) ^ word


@njit(inline="always")
def _below(bits: Any, n: Any) -> Any:
    """int64 in 0 ... n - 1 from 32 random bits."""
    return np.int64((bits * np.uint64(n)) >> _U32)


@njit(inline="always")
def _fitness(user: Any, degree: Any, friends: Any, cooperates: Any) -> Any:
    own = cooperates[user]
    return friends[user] * (TEMPTATION + own * (1 - TEMPTATION)) + own * SUCKER * (degree[user] - friends[user])


@njit(inline="always")
def _eligible(user: Any, place: Any, new: Any) -> Any:
    return new != user and place[user, new] == _NOWHERE


@njit(nogil=True)
def _start(users: int, seed: int) -> Any:
    """A random regular graph: a ring, then many swaps of the ends of two ties."""
    np.random.seed(seed)  # noqa: NPY002
    place = np.full((users, users), _NOWHERE, np.int16)
    ends = np.empty((users * DEGREE // 2, 2), np.int64)
    tie = 0
    for i in range(users):
        for step in range(1, DEGREE // 2 + 1):
            j = (i + step) % users
            ends[tie, 0], ends[tie, 1] = i, j
            place[i, j], place[j, i] = 0, 0
            tie += 1
    for _ in range(_SWAPS_PER_TIE * tie):
        one, two, turn = np.random.randint(tie), np.random.randint(tie), np.random.randint(2)  # noqa: NPY002
        a, b, c, d = ends[one, 0], ends[one, 1], ends[two, turn], ends[two, 1 - turn]
        if a != d and b != c and place[a, d] == _NOWHERE and place[b, c] == _NOWHERE:
            place[a, b], place[b, a], place[c, d], place[d, c] = _NOWHERE, _NOWHERE, _NOWHERE, _NOWHERE
            place[a, d], place[d, a], place[b, c], place[c, b] = 0, 0, 0, 0
            ends[one, 1], ends[two, turn], ends[two, 1 - turn] = d, b, c
    near = np.zeros((users, users), np.int16)
    degree, friends, cooperates = np.zeros(users, np.int32), np.zeros(users, np.int32), np.zeros(users, np.int32)
    for i in range(users):
        cooperates[i] = np.random.randint(2)  # noqa: NPY002
    for i in range(users):
        for j in range(users):
            if place[i, j] != _NOWHERE:
                place[i, j] = degree[i]
                near[i, degree[i]] = j
                degree[i] += 1
                friends[i] += cooperates[j]
    return near, place, degree, friends, cooperates


@njit
def _pick(user: Any, partner: Any, near: Any, place: Any, degree: Any, state: Any) -> Any:
    """(state of the generator, whom `user` is to be tied to in place of `partner`, or nobody)."""
    size = np.int64(degree[partner])
    if size < 2:
        return state, _NOWHERE
    for _ in range(_TRIES):
        state = state * _MULTIPLY + _ADD
        new = np.int64(near[partner, _below(_draw(state) >> _U32, size)])
        if _eligible(user, place, new):
            return state, new
    state = state * _MULTIPLY + _ADD
    return state, _enumerate(user, near[partner, :size], place, _draw(state) >> _U32)


@njit
def _enumerate(user: Any, pool: Any, place: Any, bits: Any) -> Any:
    """One of the eligible in `pool`, each as likely, or nobody."""
    size = 0
    for one in pool:
        size += _eligible(user, place, one)
    rank = _below(bits, size)
    for one in pool:
        if _eligible(user, place, one):
            if rank == 0:
                return np.int64(one)
            rank -= 1
    return _NOWHERE


@njit
def _move(user: Any, partner: Any, new: Any, near: Any, place: Any, degree: Any) -> None:
    """The tie (user, partner) becomes (user, new)."""
    at = place[user, partner]
    near[user, at], place[user, new], place[user, partner] = new, at, _NOWHERE
    at, left = place[partner, user], degree[partner] - 1
    last = near[partner, left]
    near[partner, at], place[partner, last], place[partner, user], degree[partner] = last, at, _NOWHERE, left
    at = degree[new]
    near[new, at], place[new, user], degree[new] = user, at, at + 1


@njit(nogil=True)
def _advance(
    near: Any, place: Any, degree: Any, friends: Any, cooperates: Any, wins: Any, steps: int, state: Any
) -> Any:
    """Plays `steps` time-steps in place: (opportunities, requests, rewires)."""
    users = len(degree)
    opportunities, requests, rewires = 0, 0, 0
    for _ in range(steps):
        state = state * _MULTIPLY + _ADD
        who = _draw(state)
        state = state * _MULTIPLY + _ADD
        what = _draw(state)
        x = _below(who >> _U32, users)
        y = np.int64(near[x, _below(who & _MASK_32, degree[x])])
        ahead = _fitness(y, degree, friends, cooperates) - _fitness(x, degree, friends, cooperates)
        x_wins = (what & _MASK_32) < np.uint64(wins[max(ahead, 0)])
        if (what >> _U32) < _UNTIL_STRUCTURAL:
            if x_wins and cooperates[x] != cooperates[y]:
                change = cooperates[y] - cooperates[x]
                cooperates[x] = cooperates[y]
                for i in range(degree[x]):
                    friends[near[x, i]] += change
            continue
        opportunities += 1
        if cooperates[y]:
            continue
        requests += 1
        if x_wins:
            user, partner = x, y
        elif not cooperates[x]:
            user, partner = y, x
        else:
            continue
        state, new = _pick(user, partner, near, place, degree, state)
        if new != _NOWHERE:
            rewires += 1
            _move(user, partner, new, near, place, degree)
            friends[user] += cooperates[new] - cooperates[partner]
            friends[partner] -= cooperates[user]
            friends[new] += cooperates[user]
    return opportunities, requests, rewires


def numba_start(users: int, seed: int) -> NumbaSociety:
    """A society at its start; users > 30."""
    return NumbaSociety(*_start(users, seed))


def numba_advance(societies: Sequence[NumbaSociety], steps: int, seed: int, cores: int = 1) -> list[Counts]:
    """Every society plays `steps` time-steps in place, `cores` societies at once."""
    wins = _wins(len(societies[0].degree))
    states = np.random.SeedSequence(seed).generate_state(len(societies), np.uint64)

    def play(one: NumbaSociety, state: np.uint64) -> Counts:
        return Counts(*_advance(*one, wins, steps, state))

    if cores == 1:
        return [play(*job) for job in zip(societies, states, strict=True)]
    with ThreadPoolExecutor(cores) as threads:
        return list(threads.map(play, societies, states))


def numba_runs(users: int, runs: int, steps: int, seed: int) -> Ends:
    """Whole runs from their start."""
    societies = [numba_start(users, seed + run) for run in range(runs)]
    counts = np.array(numba_advance(societies, steps, seed), float)
    degrees = np.array([one.degree for one in societies], float)
    cooperation = np.array([one.cooperates.mean() for one in societies])
    return Ends(
        cooperation, counts[:, 1] / counts[:, 0], counts[:, 2] / steps, degrees.var(axis=1), degrees.max(axis=1)
    )


def _wins(users: int) -> np.ndarray:
    """uint32: the probability that x wins where y's fitness is ahead by each number, in units of 2^-32."""
    most = users * (max(TEMPTATION, 1) - min(SUCKER, 0))
    return np.minimum(2**32 / (1 + np.exp(-BETA * np.arange(most + 1))), 2**32 - 1).astype(np.uint32)
