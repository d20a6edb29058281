"""What a ranking network looks for in the users whom it recommends.

Carvalho, "Modelling the Recommender Alignment Problem", names this as future work.
"""

from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
from jax import Array
from scipy import stats

from jaxrec.envs.rewiring import ELEVEN, RewiringGame, heuristic
from jaxrec.rollout import rollout

STATES = 24  # requests looked at for each seed
EARLY = 12  # requests of an episode: among the first so many one is looked at
FEATURES = ("strategy", "degree", "distance", "betweenness", "shared")


def interpret(env: RewiringGame, policies: Any, key: Array) -> dict[str, dict[str, np.ndarray]]:
    """What each of `policies` (stacked along an axis of seeds) looks for, in early requests of its own episodes.

    Returns:
        `correlation`: feature -> float[seeds], the rank correlation of score and feature over the valid users of one
            request, averaged over requests; NaN where a feature never varied. `distance` is that to the focused user,
            `shared` counts the neighbours in common with it.
        `agreement`: heuristic -> float[seeds], how often the likeliest user is one that the heuristic may choose,
            beyond how often a random valid user is.
        `saliency`: whose feature -> float[seeds], mean absolute slope of the likeliest user's score in the features of
            that user, of the focused one, and of all others together.
    """
    obs = jax.jit(jax.vmap(lambda policy, key: _requests(env, policy, key)))(
        policies, jax.random.split(key, jax.tree.leaves(policies)[0].shape[0])
    )
    scores, slopes = jax.jit(jax.vmap(jax.vmap(_score, in_axes=(None, 0))))(policies, obs)
    seeds = [
        _look(jax.tree.map(lambda leaf, seed=seed: np.asarray(leaf[seed]), (obs, scores, slopes)))
        for seed in range(scores.shape[0])
    ]
    return {
        part: {name: np.array([seed[part][name] for seed in seeds]) for name in seeds[0][part]} for part in seeds[0]
    }


def _requests(env: RewiringGame, policy: Any, key: Array) -> Any:
    """The observations of one seed: leaves [STATES, ...]."""
    key_play, key_when = jax.random.split(key)
    played = rollout(env, policy, key_play, STATES, EARLY, trajectory=True).trajectory
    when = jax.random.randint(key_when, (STATES,), 0, EARLY)
    return jax.tree.map(lambda leaf: leaf[when, jnp.arange(STATES)], played.obs)


def _score(policy: Any, obs: Any) -> tuple[Array, Array]:
    """(float[N] scores, float[N, features] slope of the highest valid score in the features of every user)."""

    def best(nodes: Array) -> tuple[Array, Array]:
        _, scores, _ = policy.network.apply(policy.weights, (), obs.replace(nodes=nodes))
        return jnp.where(obs.action_mask, scores, -jnp.inf).max(), scores

    slope, scores = jax.grad(best, has_aux=True)(obs.nodes)
    return scores, slope


def _look(one: Any) -> dict[str, dict[str, float]]:
    """The means over the requests of one seed."""
    obs, scores, slopes = one
    correlations: dict[str, list[float]] = {name: [] for name in FEATURES}
    agreements: dict[str, list[float]] = {name: [] for name in ELEVEN if name != "null"}
    saliency: dict[str, list[float]] = {"own": [], "focused": [], "others": []}
    for i in range(len(scores)):
        seen = jax.tree.map(lambda leaf, i=i: leaf[i], obs)
        valid = np.flatnonzero(seen.action_mask)
        if not seen.requested or valid.size < 2:
            continue
        score, slope = scores[i], np.abs(slopes[i]).sum(axis=1)
        for name, values in _features(seen).items():
            if np.ptp(values[valid]) > 0 and np.ptp(score[valid]) > 0:
                found: Any = stats.spearmanr(score[valid], values[valid])
                correlations[name].append(float(found.statistic))
        best = valid[np.argmax(score[valid])]
        for name, agreed in agreements.items():
            pool = _pool(name, seen)
            if pool.any():
                agreed.append(float(pool[best]) - pool[valid].mean())
        saliency["own"].append(slope[best])
        saliency["focused"].append(slope[seen.focused])
        saliency["others"].append(slope.sum() - slope[best] - slope[seen.focused])
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
