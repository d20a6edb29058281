"""The game of PolarisingUsers-v0 written twice more, from its docstring, without any of jaxrec's code of the game.

Plain Python with NumPy, as a researcher would write it, and Numba on one core, as fast as we could make it: rivals in
speed and independent evidence on the rules. One user at a time, each episode after the other.

Every player returns a `Played`, and plays the paper's game: polarisation factor U(1.01, 1.10) at each polarising step,
ceiling 0.75, horizon 30, influence 1. Every learner is Q-learning, epsilon-greedy with ties broken at random, with a
step size that falls geometrically.
"""

import math
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from jaxrec.envs.polarising.populations import TRAINING, population

HORIZON = 30
FACTOR_LOW, FACTOR_HIGH = 1.01, 1.10
CEILING = 0.75
GAMMA = 0.999
ALPHA_START, ALPHA_END = 0.45, 0.06
LEFT, CENTRE, RIGHT = 0, 1, 2

POPULATION = population(TRAINING).astype(np.float64)
NUM_STATES = math.comb(HORIZON + 6, 6)


class Played(NamedTuple):
    """Episodes played.

    Attributes:
        episodes: how many.
        total, squares: sums of their returns and of the squares of these.
    """

    episodes: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """The mean return of an episode."""
        return self.total / self.episodes

    @property
    def standard_error(self) -> float:
        """The standard error of that mean."""
        variance = (self.squares - self.total * self.mean) / (self.episodes - 1)
        return math.sqrt(max(variance, 0.0) / self.episodes)


# Plain Python with NumPy.


class PlainUsers:
    """The environment as a class with `reset` and `step`."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.reset()

    def reset(self) -> np.ndarray:
        """The first observation of a new episode."""
        self.theta = POPULATION[self.rng.integers(len(POPULATION))].copy()
        self.recommended = np.zeros(3, np.int64)
        self.clicked = np.zeros(3, np.int64)
        self.time = 0
        return self.observe()

    def step(self, action: int) -> tuple[np.ndarray, float, bool]:
        """(observation, reward, terminated)."""
        click = bool(self.rng.random() < self.theta[action])
        self.polarise(action)
        self.recommended[action] += 1
        self.clicked[action] += click
        self.time += 1
        return self.observe(), float(click), self.time == HORIZON

    def polarise(self, action: int) -> None:
        """Moves theta if `action` is the source opposed to the user's wing."""
        left, centre, right = self.theta
        if action == RIGHT and left > centre and left > right:
            wing = LEFT
        elif action == LEFT and right > centre and right > left:
            wing = RIGHT
        else:
            return
        raised = self.theta[wing] * self.rng.uniform(FACTOR_LOW, FACTOR_HIGH)
        self.theta[wing] = min(raised, max(self.theta[wing], CEILING))

    def observe(self) -> np.ndarray:
        """Recommendations and clicks so far."""
        return np.concatenate([self.recommended, self.clicked])


def plain_random(episodes: int, seed: int) -> Played:
    """Plays uniformly random recommendations."""
    rng = np.random.default_rng(seed)
    env = PlainUsers(rng)
    returns = []
    for _ in range(episodes):
        env.reset()
        total, done = 0.0, False
        while not done:
            _, reward, done = env.step(int(rng.integers(3)))
            total += reward
        returns.append(total)
    return _played(returns)


def plain_learning(episodes: int, seed: int, epsilon: float = 0.1) -> Played:
    """Trains Q-learning with a dictionary for a table."""
    rng = np.random.default_rng(seed)
    env = PlainUsers(rng)
    table: dict[bytes, np.ndarray] = defaultdict(lambda: np.zeros(3, np.float32))
    alpha, decay = ALPHA_START, (ALPHA_END / ALPHA_START) ** (1 / (episodes * HORIZON))
    returns = []
    for _ in range(episodes):
        here = table[env.reset().tobytes()]
        total, done = 0.0, False
        while not done:
            action = _epsilon_greedy(here, epsilon, rng)
            obs, reward, done = env.step(action)
            there = table[obs.tobytes()]
            target = reward if done else reward + GAMMA * there.max()
            here[action] += alpha * (target - here[action])
            alpha *= decay
            here = there
            total += reward
        returns.append(total)
    return _played(returns)


def _epsilon_greedy(values: np.ndarray, epsilon: float, rng: np.random.Generator) -> int:
    if rng.random() < epsilon:
        return int(rng.integers(3))
    best = np.flatnonzero(values == values.max())
    return int(best[rng.integers(len(best))])


def _played(returns: list[float]) -> Played:
    values = np.array(returns)
    return Played(len(values), float(values.sum()), float((values**2).sum()))


# Numba on one core. Draws come from splitmix64, whose state moves on by an addition alone, so that the processor
# computes several outputs at once; each output of 64 bits serves several draws. The wing is found once an episode: only
# theta of the user's own wing ever moves, and it only rises. Which way a branch goes depends on no draw.

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_U20, _U22, _U27, _U30, _U31, _U32, _U44 = (np.uint64(bits) for bits in (20, 22, 27, 30, 31, 32, 44))
_THREE = np.uint64(3)
_MASK_22, _MASK_32 = np.uint64(2**22 - 1), np.uint64(2**32 - 1)
_UNIT_22, _UNIT_32 = 2.0**-22, 2.0**-32

# _BINOMIALS[j, s] = C(s + j, j + 1): the number of a state is the sum over j of that of its j-th running sum of counts.
_BINOMIALS = np.array([[math.comb(s + j, j + 1) for s in range(HORIZON + 1)] for j in range(6)])


@njit(inline="always")
def _mix(state: Any) -> Any:
    """uint64: the output of splitmix64 in `state`."""
    z = (state ^ (state >> _U30)) * _MIX_1
    z = (z ^ (z >> _U27)) * _MIX_2
    return z ^ (z >> _U31)


@njit(inline="always")
def _meet(bits: Any, theta: Any) -> Any:
    """A user drawn from the population into `theta`: (own wing, opposed source), or (centre, none) of a centrist."""
    row = np.int64(((bits >> _U32) * np.uint64(POPULATION.shape[0])) >> _U32)
    left, centre, right = POPULATION[row, 0], POPULATION[row, 1], POPULATION[row, 2]
    theta[0], theta[1], theta[2] = left, centre, right
    if left > centre and left > right:
        return LEFT, RIGHT
    if right > centre and right > left:
        return RIGHT, LEFT
    return CENTRE, -1


@njit(inline="always")
def _polarised(own: Any, uniform: Any) -> Any:
    """The click probability of the own wing after opposed content."""
    raised = own * (FACTOR_LOW + (FACTOR_HIGH - FACTOR_LOW) * uniform)
    limit = CEILING if own < CEILING else own
    return raised if raised < limit else limit


@njit
def _numba_random(episodes: int, seed: int, counts: Any) -> Any:
    theta = np.empty(3)
    state = np.uint64(seed) * _MIX_2
    sum_of_returns, sum_of_squares = 0, 0
    for _ in range(episodes):
        state += _GOLDEN
        wing, opposed = _meet(_mix(state), theta)
        counts[:] = 0
        total = 0
        for _ in range(HORIZON):
            state += _GOLDEN
            bits = _mix(state)
            action = np.int64(((bits >> _U44) * _THREE) >> _U20)
            click = np.int64(np.float64((bits >> _U22) & _MASK_22) * _UNIT_22 < theta[action])
            raised = _polarised(theta[wing], np.float64(bits & _MASK_22) * _UNIT_22)
            theta[wing] = raised if action == opposed else theta[wing]
            counts[action] += 1
            counts[3 + action] += click
            total += click
        sum_of_returns += total
        sum_of_squares += total * total
    return sum_of_returns, sum_of_squares


@njit
def _numba_learning(episodes: int, seed: int, epsilon: float, table: Any) -> Any:
    theta = np.empty(3)
    counts = np.empty(6, np.int64)
    state = np.uint64(seed) * _MIX_2
    alpha, decay = ALPHA_START, (ALPHA_END / ALPHA_START) ** (1 / (episodes * HORIZON))
    sum_of_returns, sum_of_squares = 0, 0
    for _ in range(episodes):
        state += _GOLDEN
        wing, opposed = _meet(_mix(state), theta)
        counts[:] = 0
        here, total = 0, 0
        for time in range(HORIZON):
            state += _GOLDEN
            action = _choose(table, here, epsilon, _mix(state))
            state += _GOLDEN
            bits = _mix(state)
            click = np.int64(np.float64(bits >> _U32) * _UNIT_32 < theta[action])
            raised = _polarised(theta[wing], np.float64(bits & _MASK_32) * _UNIT_32)
            theta[wing] = raised if action == opposed else theta[wing]
            counts[2 * action + 1 - click] += 1
            there = _rank(counts)
            future = max(table[there, 0], table[there, 1], table[there, 2]) if time + 1 < HORIZON else np.float32(0)
            table[here, action] += alpha * (click + GAMMA * future - table[here, action])
            alpha *= decay
            here = there
            total += click
        sum_of_returns += total
        sum_of_squares += total * total
    return sum_of_returns, sum_of_squares


@njit(inline="always")
def _choose(table: Any, here: Any, epsilon: Any, bits: Any) -> Any:
    """An action at random with probability `epsilon`, else one of the best, each as likely."""
    q_0, q_1, q_2 = table[here, 0], table[here, 1], table[here, 2]
    best = max(q_0, q_1, q_2)
    explore = np.float64(bits >> _U32) * _UNIT_32 < epsilon
    may_0, may_1, may_2 = np.int64(explore | (q_0 == best)), np.int64(explore | (q_1 == best)), explore | (q_2 == best)
    number = np.uint64(may_0 + may_1 + np.int64(may_2))
    pick = np.int64(((bits & _MASK_32) * number) >> _U32)
    return 0 if may_0 > pick else (1 if may_0 + may_1 > pick else 2)


@njit(inline="always")
def _rank(counts: Any) -> Any:
    """The number of a state among those of all times."""
    total, index = 0, 0
    for j in range(6):
        total += counts[j]
        index += _BINOMIALS[j, total]
    return index


def numba_random(episodes: int, seed: int) -> Played:
    """Plays uniformly random recommendations."""
    return Played(episodes, *_numba_random(episodes, seed, np.empty(6, np.int64)))


def numba_learning(episodes: int, seed: int, epsilon: float = 0.1, table: np.ndarray | None = None) -> Played:
    """Trains Q-learning with the table of jaxrec's, float32[C(horizon + 6, 6), 3]; into `table`, if that is given."""
    table = np.zeros((NUM_STATES, 3), np.float32) if table is None else table
    return Played(episodes, *_numba_learning(episodes, seed, epsilon, table))
