"""What the tampering study measures of trained policies: behaviour, exact values, disagreement between worlds."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import (
    TRAINING,
    UNSEEN,
    Bandit,
    PolarisingParams,
    PolarisingUsers,
    Random,
    exact,
    population,
)
from jaxrec.rollout import rollout

USERS = {**TRAINING, **UNSEEN}
CENTRIST = list(USERS).index("centrist")
POLARISABLE = [i for i in range(len(USERS)) if i != CENTRIST]
TRAINED_ON = slice(0, len(TRAINING))
LEFT_WING = [i for i, theta in enumerate(USERS.values()) if theta[0] == max(theta)]


class Behaviour(NamedTuple):
    """What policies did to each user, with axes [..., users, steps] (`value`: [..., users]).

    Attributes:
        shown: float[..., users, steps, 3], how often each source was recommended.
        reward: clicks at each step.
        opposed: how often the source opposed to the user's initial wing was recommended.
        polarisation: distance of theta from its start.
        user: click probability under the initial theta for what was shown.
        value: mean clicks of an episode.
    """

    shown: Any
    reward: Any
    opposed: Any
    polarisation: Any
    user: Any
    value: Any


class References(NamedTuple):
    """Exact values, each float[users]: see `jaxrec.envs.polarising.exact`.

    Attributes:
        bayes: the Bayes-optimal policy without influence, for the training population.
        bayes_decoupled: what it earns of each user without influence.
        bound, bound_decoupled: what a recommender that knows the user could earn, with and without influence.
    """

    bayes: exact.CountPolicy
    bayes_decoupled: np.ndarray
    bound: np.ndarray
    bound_decoupled: np.ndarray


def baseline_policies(bayes: TabularPolicy) -> dict[str, Any]:
    """What the learned policies are compared with."""
    return {"random": Random(), "bandit": Bandit(), "Bayes": bayes}


def behaviour(env: PolarisingUsers, policy: Any, key: Array, episodes: int, influence: float) -> Behaviour:
    """What `policy` does to each of the users, one episode each time."""
    params = params_of(USERS).replace(influence=influence)

    def of_user(key: Array, profile: Array) -> Behaviour:
        result = rollout(env, policy, key, episodes, env.horizon, params.replace(population=profile[None]))
        step = result.per_step
        shown = jnp.stack([step["left"], step["centre"], step["right"]], axis=-1)
        return Behaviour(
            shown,
            step["recommender"],
            step["opposed"],
            step["polarisation"],
            step["user"],
            result.episode_return.mean(),
        )

    return jax.jit(jax.vmap(of_user))(jax.random.split(key, len(USERS)), jnp.asarray(params.population))


def exact_references(env: PolarisingUsers) -> References:
    """The exact values."""
    users = params_of(USERS)
    bayes = exact.bayes_optimal(env, env.default_params)
    return References(
        bayes=bayes,
        bayes_decoupled=exact.value_without_influence(env, exact.greedy_probabilities(bayes.q), users),
        bound=exact.known_user_bound(env, users),
        bound_decoupled=exact.known_user_bound(env, users.replace(influence=0.0)),
    )


def disagreement(
    env: PolarisingUsers, factual: Array, decoupled: Array, key: Array, episodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """How often policies of the two worlds choose differently where a factual policy goes, beyond seed-to-seed noise.

    For each seed i, user and time-step, over the states that factual policy i visits: `across` is the probability that
    it and the decoupled policy of another seed choose different actions, `noise` the mean of that probability between
    two factual and between two decoupled policies of different seeds. `across - noise` is the energy distance
    (Szekely & Rizzo 2013) of the two sets of policies under the 0/1 distance: 0 on average where both worlds teach
    the same.

    Returns:
        (across - noise, noise), each float[seeds, users, steps]. From a single seed: the disagreement of its two
        policies, and no noise.
    """
    seeds = len(factual)

    @jax.jit
    def of_seed(i: Array) -> tuple[Array, Array]:
        visited = _visited(env, factual[i], key, episodes)
        choice_factual, choice_decoupled = _choices(factual, visited), _choices(decoupled, visited)
        if seeds == 1:
            across = _probability_of_difference(choice_factual[i], choice_decoupled, jnp.ones(1))
            return across, jnp.zeros_like(across)
        others = (jnp.arange(seeds) != i) / (seeds - 1)
        across = _probability_of_difference(choice_factual[i], choice_decoupled, others)
        within_factual = _probability_of_difference(choice_factual[i], choice_factual, others)
        within_decoupled = _probability_of_difference(choice_decoupled[i], choice_decoupled, others)
        return across, (within_factual + within_decoupled) / 2

    across, noise = map(np.asarray, jax.lax.map(of_seed, jnp.arange(seeds)))
    return across - noise, noise


def _visited(env: PolarisingUsers, q: Array, key: Array, episodes: int) -> Array:
    """int32[users, steps, episodes]: the states in which the greedy policy of `q` finds itself with each user."""

    def of_user(key: Array, profile: Array) -> Array:
        params = env.default_params.replace(population=profile[None])
        result = rollout(env, TabularPolicy(q, env), key, episodes, env.horizon, params, trajectory=True)
        return jax.vmap(jax.vmap(env.observation_index))(result.trajectory.obs)

    return jax.vmap(of_user)(jax.random.split(key, len(USERS)), jnp.asarray(population(USERS)))


def _choices(q: Array, states: Array) -> Array:
    """float[seeds, ..., 3]: the probability of each action, ties broken evenly."""
    values = q[:, states]
    best = values == values.max(axis=-1, keepdims=True)
    return best / best.sum(axis=-1, keepdims=True)


def _probability_of_difference(mine: Array, theirs: Array, weights: Array) -> Array:
    """float[users, steps]: that a draw from `mine` and one from a policy of `theirs`, drawn by `weights`, differ."""
    return 1 - jnp.einsum("utea,sutea,s->ut", mine, theirs, weights) / mine.shape[2]


def params_of(users: Any) -> PolarisingParams:
    """The parameters of the paper with `users` (name -> theta) for a population."""
    return PolarisingParams(population=population(users))
