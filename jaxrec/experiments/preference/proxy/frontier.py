"""Exact policies of every strength of optimisation, by dynamic programming over what users prefer.

The policy that maximises reward less KL(policy || uniform) / beta shows action a in proportion to exp(beta Q(a)), with
Q the value under the same policy later (Todorov 2006, "Linearly-solvable Markov decision problems"). Gao, Schulman &
Hilton 2022, "Scaling Laws for Reward Model Overoptimization", measure optimisation pressure by the divergence as well.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.envs.preference import exact
from jaxrec.envs.preference.dynamics import BINS, Tables
from jaxrec.experiments.preference.proxy.settings import KINDS, PROXIES, ProxyConfig

HARD = 1e9
"""A strength that leaves no divergence to be priced: the optimum."""


@dataclass(frozen=True)
class Frontier:
    """Exact policies that see the user's preferences, of each strength of optimisation.

    Attributes:
        divergence: proxy -> float[betas], KL(policy || uniform) of an episode, nats.
        value: proxy -> float[betas], true value of an episode to the mean user.
        paid: proxy -> float[betas], what the proxy says.
        best: the most true value that no question is needed for: that of the mean user, known preferences.
        asked: that of asking once, at first, and of the best for the mean over the posterior from then on.
        known: the most where the kind of each user is known as well.
    """

    divergence: dict[str, np.ndarray]
    value: dict[str, np.ndarray]
    paid: dict[str, np.ndarray]
    best: float
    asked: float
    known: float


def frontier(config: ProxyConfig) -> Frontier:
    """Computes the exact policies for each proxy, and the two optima."""
    env, world = config.society(observe_as="state"), config.world()
    tables = env.tables(world)
    start = exact.occupancy(tables, jnp.ones((0, len(env.slates), BINS, BINS)), world)[0]
    features = features_of(tables, env.horizon, config.bait_height > 0)
    value = jax.jit(jax.vmap(lambda weights, beta: _play(tables, features, start, weights, beta), (None, 0)))
    found = {name: value(jnp.asarray(config.paid(name)[0], float), jnp.asarray(config.betas)) for name in PROXIES}
    hard = jnp.asarray([HARD])
    sums = {name: np.asarray(sums) for name, (sums, _) in found.items()}
    each = [float(np.asarray(value(jnp.asarray(kind), hard)[0])[0] @ np.asarray(kind)) for kind in KINDS.values()]
    best = np.asarray(value(jnp.asarray(config.mean, float), hard)[0])[0] @ config.mean
    return Frontier(
        {name: np.asarray(divergence) for name, (_, divergence) in found.items()},
        {name: each @ config.mean for name, each in sums.items()},
        {name: each @ config.paid(name)[0] for name, each in sums.items()},
        float(best),
        ask_first(config, tables, np.asarray(features, float), np.asarray(start, float)),
        float(np.asarray(config.shares) @ np.asarray(each)),
    )


def ask_first(config: ProxyConfig, tables: Tables, features: np.ndarray, start: np.ndarray) -> float:
    """Computes the true value of asking once, at the first step: a lower bound on what asking is worth.

    Args:
        config: the settings, of which cost, noise, shares and the slate shown with a question are read.
        tables: of the slates.
        features: float[horizon, slates, 36, 36, features], as `features_of` gives them.
        start: float[36, 36], P(u_0, u_0).

    Returns:
        The true value of an episode, expected over users and answers.
    """
    kinds, shares = np.asarray(list(KINDS.values())), np.asarray(config.shares)
    shift = np.asarray(tables.shift, float)
    reached = start @ shift[config.meanwhile]
    total = float((start * (features[0, config.meanwhile] @ config.mean)).sum()) - config.cost
    for answer in range(len(kinds)):
        joint = shares * ((1 - config.noise) * (np.arange(len(kinds)) == answer) + config.noise / len(kinds))
        later = np.zeros_like(start)
        for gives in features[:0:-1]:
            later = (gives @ (joint @ kinds) + np.einsum("auv,iv->aiu", shift, later)).max(axis=0)
        total += float((reached * later).sum())
    return total


def features_of(tables: Tables, horizon: int, has_bait: bool) -> Array:
    """Computes each of `FEATURES` expected of a slate: float[horizon, slates, u_0, u_t, features].

    Args:
        tables: of the slates; bait costs one unit of engagement a unit, so that it can be read there.
        horizon: steps of an episode.
        has_bait: whether there is any.

    Returns:
        The features in the order of `FEATURES`.
    """
    each = exact.rewards(tables, horizon)
    shape = each.engagement.shape
    click = jnp.broadcast_to(tables.click[None, :, None, :], shape)
    bait = jnp.broadcast_to(tables.liked[None, :, None, :, 2] * has_bait, shape)
    return jnp.stack([click, each.engagement, each.initial, bait], axis=-1)


def _play(tables: Tables, features: Array, start: Array, weights: Array, beta: Array) -> tuple[Array, Array]:
    """The features and the divergence of an episode: (float[features], float[])."""

    def plan(later: Array, now: Array) -> tuple[Array, Array]:
        worth = now + jnp.einsum("auv,iv->aiu", tables.shift, later)
        best = worth.max(axis=0)
        chosen = jax.nn.softmax(beta * (worth - best), axis=0)
        price = jnp.where(beta < HARD, _divergence(chosen) / jnp.maximum(beta, 1e-6), 0)
        return (chosen * worth).sum(axis=0) - price, chosen

    def follow(users: Array, step: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        chosen, gives = step
        shown = users * chosen
        found = jnp.einsum("aiu,aiuf->f", shown, gives), (users * _divergence(chosen)).sum()
        return jnp.einsum("aiu,auv->iv", shown, tables.shift), found

    _, chosen = jax.lax.scan(plan, jnp.zeros((BINS, BINS)), features @ weights, reverse=True)
    _, (sums, divergence) = jax.lax.scan(follow, start, (chosen, features))
    return sums.sum(axis=0), divergence.sum()


def _divergence(chosen: Array) -> Array:
    """KL(chosen || uniform) over the first axis, nats."""
    return jnp.log(chosen.shape[0]) + jax.scipy.special.xlogy(chosen, chosen).sum(axis=0)
