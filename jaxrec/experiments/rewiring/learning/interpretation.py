"""What a ranking network looks for in the users whom it recommends.

Carvalho, "Modelling the Recommender Alignment Problem", names this as future work.
"""

from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import scipy
from jax import Array

from jaxrec.envs.rewiring import ELEVEN, RewiringGame, heuristic
from jaxrec.rollouts import rollout
from jaxrec.runtime.jit_by_class import jit

STATES = 24  # requests looked at for each seed
EARLY = 12  # requests of an episode: among the first so many one is looked at
FEATURES = ("strategy", "degree", "distance", "betweenness", "shared")
SALIENCY = ("own", "focused", "others")


def interpret(env: RewiringGame, policies: Any, key: Array) -> dict[str, dict[str, np.ndarray]]:
    """Finds what policies look for, in early requests of their own episodes.

    Args:
        env: the society.
        policies: stacked along an axis of seeds.
        key: a typed key.

    Returns:
        `correlation`: feature -> float[seeds], the rank correlation of score and feature over the valid users of one
            request, averaged over requests; NaN where a feature never varied. `distance` is that to the focused user,
            `shared` counts the neighbours in common with it.
        `agreement`: heuristic -> float[seeds], how often the likeliest user is one that the heuristic may choose,
            beyond how often a random valid user is.
        `saliency`: whose feature -> float[seeds], mean absolute slope of the likeliest user's score in the features of
            that user, of the focused one, and of all others together.
        Where several valid users are likeliest, as those with equal features are, both are means over them.
    """
    obs = _requests(env, policies, jax.random.split(key, jax.tree.leaves(policies)[0].shape[0]))
    scores, salient = _scores(policies, obs)
    seeds = [
        _look(jax.tree.map(lambda leaf, seed=seed: np.asarray(leaf[seed]), (obs, scores, salient)))
        for seed in range(scores.shape[0])
    ]
    return {
        part: {name: np.array([seed[part][name] for seed in seeds]) for name in seeds[0][part]} for part in seeds[0]
    }


@jit(static_argnames="env")
def _requests(env: RewiringGame, policies: Any, keys: Array) -> Any:
    """The observations of every seed: leaves [seeds, STATES, ...]."""

    def of_seed(policy: Any, key: Array) -> Any:
        key_play, key_when = jax.random.split(key)
        played = rollout(env, policy, key_play, STATES, EARLY, trajectory=True).trajectory
        when = jax.random.randint(key_when, (STATES,), 0, EARLY)
        return jax.tree.map(lambda leaf: leaf[when, jnp.arange(STATES)], played.obs)

    return jax.vmap(of_seed)(policies, keys)


@jit()
def _scores(policies: Any, obs: Any) -> tuple[Array, Array]:
    """`_score` of every request of every seed, one after the other: how many are likeliest differs between them."""
    return jax.lax.map(lambda seed: jax.lax.map(lambda one: _score(seed[0], one), seed[1]), (policies, obs))


def _score(policy: Any, obs: Any) -> tuple[Array, Array]:
    """(float[N] scores, float[3] slope of the score of the likeliest in the features of itself, focused and others)."""

    def scored(nodes: Array) -> Array:
        return policy.network.apply(policy.network_params, (), obs.replace(nodes=nodes))[1]

    scores = scored(obs.nodes)
    likeliest = _likeliest(scores, obs.action_mask)
    places = jnp.nonzero(likeliest, size=likeliest.size, fill_value=0)[0]

    def add(i: Array, total: Array) -> Array:
        slope = jnp.abs(jax.grad(lambda nodes: scored(nodes)[places[i]])(obs.nodes)).sum(axis=1)
        own, focused = slope[places[i]], slope[obs.focused]
        return total + jnp.stack([own, focused, slope.sum() - own - focused])

    count = likeliest.sum()
    return scores, jax.lax.fori_loop(0, count, add, jnp.zeros(len(SALIENCY))) / count


def _likeliest(scores: Any, valid: Any) -> Any:
    """bool[N]: the valid users with the highest score."""
    return valid & (scores == scores.max(where=valid, initial=-np.inf))


def _look(one: Any) -> dict[str, dict[str, float]]:
    """The means over the requests of one seed."""
    obs, scores, salient = one
    correlations: dict[str, list[float]] = {name: [] for name in FEATURES}
    agreements: dict[str, list[float]] = {name: [] for name in ELEVEN if name != "null"}
    saliency: dict[str, list[float]] = {name: [] for name in SALIENCY}
    for i in range(len(scores)):
        seen = jax.tree.map(lambda leaf, i=i: leaf[i], obs)
        valid = np.flatnonzero(seen.action_mask)
        if not seen.requested or valid.size < 2:
            continue
        score = scores[i]
        for name, values in _features(seen).items():
            if np.ptp(values[valid]) > 0 and np.ptp(score[valid]) > 0:
                found: Any = scipy.stats.spearmanr(score[valid], values[valid])
                correlations[name].append(float(found.statistic))
        likeliest = _likeliest(score, seen.action_mask)
        for name, agreed in agreements.items():
            pool = _pool(name, seen)
            if pool.any():
                agreed.append(pool[likeliest].mean() - pool[valid].mean())
        for name, value in zip(SALIENCY, salient[i], strict=True):
            saliency[name].append(value)
    means = {"correlation": correlations, "agreement": agreements, "saliency": saliency}
    return {
        part: {name: float(np.mean(values)) if values else np.nan for name, values in table.items()}
        for part, table in means.items()
    }


def _features(obs: Any) -> dict[str, np.ndarray]:
    """What can be said of each user: float[N] each."""
    graph = nx.from_numpy_array(obs.graph.astype(int))
    users = len(obs.nodes)
    distance = np.full(users, float(users))  # where there is no way
    for user, steps in nx.single_source_shortest_path_length(graph, int(obs.focused)).items():
        distance[user] = steps
    between = nx.betweenness_centrality(graph)
    return {
        "strategy": obs.nodes[:, 0],
        "degree": obs.nodes[:, 1],
        "distance": distance,
        "betweenness": np.array([between[user] for user in range(users)]),
        "shared": (obs.graph & obs.graph[obs.focused]).sum(axis=1).astype(float),
    }


def _pool(name: str, obs: Any) -> np.ndarray:
    """bool[N]: whom the heuristic may choose."""
    one = heuristic(name)
    strategy, degree = obs.nodes[:, 0].astype(int), obs.nodes[:, 1]
    pool = obs.action_mask & np.asarray(one.accepts)[strategy[obs.focused], strategy]
    if one.local:
        pool &= obs.graph[obs.partner]
    if np.asarray(one.degree) and pool.any():
        rank = degree * np.asarray(one.degree)
        pool &= rank == rank[pool].max()
    return pool
