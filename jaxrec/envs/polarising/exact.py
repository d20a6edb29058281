"""Exact references for PolarisingUsers-v0 by dynamic programming, in float64 NumPy.

`known_user_bound` bounds the clicks of any recommender, with tampering and without. `bayes_optimal` bounds those of a
recommender that must learn who the user is: without influence the six counts are a sufficient statistic, so the
Bayes-optimal policy is exact dynamic programming over them. In between, who may tamper and does not know the user:
`jaxrec.envs.polarising.beliefs`. The paper has none of them.
"""

from typing import Any, NamedTuple

import numpy as np
from jax import Array
from jaxtyping import Float

from jaxrec import checks
from jaxrec.envs.polarising import counts
from jaxrec.envs.polarising.dynamics import LEFT, RIGHT
from jaxrec.envs.polarising.env import PolarisingParams, PolarisingUsers

DECIMALS = 9  # of action values: rounding differs between machines and must not choose between equal sources
LOG_ZERO = -1e9  # 0 times it is 0, and its exponential is 0


class CountPolicy(NamedTuple):
    """A solution over count states.

    Attributes:
        q: float64[num_observations, 3], the expected return of each action followed by the best ones, to nine decimals,
            so that equally good actions are equal; 0 at the horizon.
        value: float, the expected return of an episode.
    """

    q: np.ndarray
    value: float


def bayes_optimal(env: PolarisingUsers, params: PolarisingParams, gamma: float = 1.0) -> CountPolicy:
    """Computes the best policy of a recommender that knows the population but not the user, at `influence` 0.

    Backward induction over the count layers: in each state the posterior over profiles gives the click probability of
    each source. About 3 s at horizon 30.

    Args:
        env: gives the horizon.
        params: gives the population; `params.influence` is not read.
        gamma: the discount, in [0, 1].

    Returns:
        Action values of every count state, and the value of an episode in clicks.
    """
    population = np.asarray(params.population, float)
    q = np.zeros((counts.num_states(env.horizon), 3))
    for time in reversed(range(env.horizon)):
        click = _posterior(counts.layer(time), population) @ population
        value = q.max(axis=1)
        hit, miss = (value[successors] for successors in counts.successors(time))
        q[_states(time)] = click * (1 + gamma * hit) + (1 - click) * gamma * miss
    return CountPolicy(np.round(q, DECIMALS), float(q[0].max()))


def value_without_influence(
    env: PolarisingUsers, policy: Float[np.ndarray, "states 3"], params: PolarisingParams
) -> Float[np.ndarray, " profiles"]:
    """Computes the expected clicks of a policy over count states at `influence` 0.

    Args:
        env: gives the horizon.
        policy: the probability of each action in each state, such as `greedy_probabilities` of action values.
        params: gives the population.

    Returns:
        Expected clicks in an episode for each user of the population.
    """
    population = np.asarray(params.population, float)
    value = np.zeros((counts.num_states(env.horizon), len(population)))
    for time in reversed(range(env.horizon)):
        hit, miss = (value[successors] for successors in counts.successors(time))  # [states, actions, profiles]
        click = population.T
        value[_states(time)] = np.einsum("sa,sap->sp", policy[_states(time)], click * (1 + hit) + (1 - click) * miss)
    return value[0]


def greedy_probabilities(q: Float[Array, "... 3"] | Float[np.ndarray, "... 3"]) -> Any:
    """float[..., 3]: the probability of each action under the policy greedy in `q`, ties broken evenly."""
    best = q == q.max(axis=-1, keepdims=True)
    return best / best.sum(axis=-1, keepdims=True)


def known_user_bound(
    env: PolarisingUsers, params: PolarisingParams, grid: int = 2001, nodes: int = 16
) -> Float[np.ndarray, " profiles"]:
    """Computes the best expected clicks of a recommender that sees theta.

    Backward induction over time and the click probability of the user's own wing, the one entry of theta that moves: on
    a grid uniform in its logarithm, interpolated linearly, with Gauss-Legendre quadrature over p. At `influence` 0
    this is horizon * max(theta).

    Args:
        env: gives the horizon.
        params: gives the population, the polarisation factor, the ceiling and `influence`.
        grid: points of the grid, at least 2.
        nodes: points of the quadrature, at least 1.

    Returns:
        Expected clicks in an episode for each user of the population.

    Raises:
        InputError: if `env.factor_per` is "episode": then theta does not determine what is to come.
    """
    if env.factor_per != "step":
        raise checks.InputError(f"known_user_bound needs factor_per='step', got {env.factor_per!r}")
    points, weights = np.polynomial.legendre.leggauss(nodes)
    factor = params.factor_low + (params.factor_high - params.factor_low) * (points + 1) / 2
    factor = 1 + float(params.influence) * (factor - 1)
    return np.array(
        [
            _known_user(theta, env.horizon, factor, weights / 2, float(params.ceiling), grid)
            for theta in np.asarray(params.population, float)
        ]
    )


def _known_user(
    theta: np.ndarray, horizon: int, factor: np.ndarray | Array, weights: np.ndarray, ceiling: float, grid: int
) -> float:
    own = int(np.argmax(theta))
    others = np.delete(theta, own)
    if own not in (LEFT, RIGHT) or theta[own] <= others.max() or theta[own] >= ceiling:
        return horizon * theta.max()  # nothing moves theta
    opposed = theta[RIGHT if own == LEFT else LEFT]
    own_now = np.geomspace(theta[own], ceiling, grid)
    own_after = np.minimum(own_now[:, None] * factor, ceiling)
    value = np.zeros(grid)
    for _ in range(horizon):
        tampered = np.interp(own_after, own_now, value) @ weights
        value = np.maximum(own_now + value, opposed + tampered)
    return value[0]


def _states(time: int) -> slice:
    """The ranks of the states at `time`."""
    return slice(counts.num_states(time - 1) if time else 0, counts.num_states(time))


def _posterior(layer: np.ndarray, population: np.ndarray) -> Float[np.ndarray, "states profiles"]:
    """P(profile | counts) under a uniform prior; uniform if no profile could have led to the counts."""
    with np.errstate(divide="ignore"):
        log_click, log_miss = (np.maximum(np.log(p), LOG_ZERO) for p in (population, 1 - population))
    likelihood = np.exp(layer[:, 0::2] @ log_click.T + layer[:, 1::2] @ log_miss.T)
    total = likelihood.sum(axis=1, keepdims=True)
    return np.where(total > 0, likelihood / np.where(total > 0, total, 1), 1 / len(population))
