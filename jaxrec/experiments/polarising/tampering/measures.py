"""What the tampering study measures of trained policies: behaviour, exact values, disagreement between worlds."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import (
    TRAINING,
    UNSEEN,
    PolarisingParams,
    PolarisingUsers,
    exact,
    population,
)
from jaxrec.rollouts import rollout
from jaxrec.runtime.jit_by_class import jit
from jaxrec.statistics import jackknife

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


def baseline_policies(env: PolarisingUsers, bayes: exact.CountPolicy) -> dict[str, Any]:
    """What the learned policies are compared with."""
    bayes_policy = TabularPolicy(jnp.asarray(bayes.q, float), env)
    return {"random": env.policy("random"), "bandit": env.policy("bandit"), "Bayes": bayes_policy}


def exact_values(env: PolarisingUsers, q: Any) -> np.ndarray:
    """float64[users]: the expected clicks of the policy greedy in `q`, without influence."""
    return exact.value_without_influence(env, exact.greedy_probabilities(np.asarray(q)), params_of(USERS))


@jit(static_argnames=("env", "episodes"))
def behaviour(env: PolarisingUsers, policies: Any, keys: Array, episodes: int, influence: Any) -> Behaviour:
    """What each of `policies` (stacked along an axis of seeds, one key each) does to each of the users."""

    def one(inputs: tuple[Any, Array]) -> Behaviour:
        policy, key = inputs
        return _behaviour(env, policy, key, episodes, influence)

    return jax.lax.map(one, (policies, keys))


def _behaviour(env: PolarisingUsers, policy: Any, key: Array, episodes: int, influence: Any) -> Behaviour:
    """What one policy does to each of the users: float[users, ...]."""
    params = params_of(USERS).replace(influence=influence)

    def of_user(key: Array, profile: Array) -> Behaviour:
        result = rollout(env, policy, key, episodes, env.horizon, params.replace(population=profile[None]))
        step = result.per_step
        return Behaviour(
            shown=jnp.stack([step["left"], step["centre"], step["right"]], axis=-1),
            reward=step["recommender"],
            opposed=step["opposed"],
            polarisation=step["polarisation"],
            user=step["user"],
            value=result.episode_return.mean(),
        )

    return jax.vmap(of_user)(jax.random.split(key, len(USERS)), jnp.asarray(params.population, float))


def exact_references(env: PolarisingUsers) -> References:
    """The exact values."""
    users = params_of(USERS)
    bayes = exact.bayes_optimal(env, env.default_params)
    return References(
        bayes=bayes,
        bayes_decoupled=exact_values(env, bayes.q),
        bound=exact.known_user_bound(env, users),
        bound_decoupled=exact.known_user_bound(env, users.replace(influence=0.0)),
    )


class Disagreement(NamedTuple):
    """How often two policies choose different actions where a factual policy goes: float[seeds, seeds, users, steps].

    Entry [i, j] is the probability of that, over the states that factual policy i visits.

    Attributes:
        across: factual policy i and decoupled policy j.
        factual, decoupled: policies i and j of one world: the noise between seeds.
    """

    across: Any
    factual: Any
    decoupled: Any

    @property
    def noise(self) -> np.ndarray:
        """float[users, steps]: the larger of the two worlds' disagreement between different seeds; 0 from one seed."""
        if len(self.across) == 1:
            return np.zeros_like(self.across[0, 0])
        return np.maximum(*(jackknife(within).mean(axis=0) for within in (self.factual, self.decoupled)))

    @property
    def excess(self) -> np.ndarray:
        """float[seeds, users, steps]: samples of `across` beyond the noisier world's, over pairs of different seeds.

        The noisier world, because where one world's policies go the other's may have learned little: there they
        disagree with everything, each other included.
        """
        if len(self.across) == 1:
            return self.across[0]
        noisier = np.where(
            jackknife(self.factual).mean(axis=0) > jackknife(self.decoupled).mean(axis=0), self.factual, self.decoupled
        )
        return jackknife(self.across - noisier)


def disagreement(env: PolarisingUsers, factual: Array, decoupled: Array, key: Array, episodes: int) -> Disagreement:
    """Compares policies learned with influence and without: tables float[seeds, states, 3] of each world."""
    keys = jax.random.split(key, len(factual))
    rows = [_disagreement_of_seed(env, factual, decoupled, i, keys[i], episodes) for i in range(len(factual))]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


@partial(jax.jit, static_argnames=("env", "episodes"))
def _disagreement_of_seed(
    env: PolarisingUsers, factual: Array, decoupled: Array, i: Array | int, key: Array, episodes: int
) -> Disagreement:
    visited = _visited(env, factual[i], key, episodes)
    factual, decoupled = (exact.greedy_probabilities(q[:, visited]) for q in (factual, decoupled))
    return Disagreement(
        across=_probability_of_difference(factual[i], decoupled),
        factual=_probability_of_difference(factual[i], factual),
        decoupled=_probability_of_difference(decoupled[i], decoupled),
    )


def _visited(env: PolarisingUsers, q: Array, key: Array, episodes: int) -> Array:
    """int32[users, steps, episodes]: the states in which the greedy policy of `q` finds itself with each user."""

    def of_user(key: Array, profile: Array) -> Array:
        params = env.default_params.replace(population=profile[None])
        result = rollout(env, TabularPolicy(q, env), key, episodes, env.horizon, params, trajectory=True)
        return jax.vmap(jax.vmap(env.observation_index))(result.trajectory.obs)

    return jax.vmap(of_user)(jax.random.split(key, len(USERS)), jnp.asarray(population(USERS)))


def _probability_of_difference(mine: Array, theirs: Array) -> Array:
    """float[seeds, users, steps]: that draws from `mine` and from each of `theirs` differ, over visited states."""
    return 1 - jnp.einsum("utea,sutea->sut", mine, theirs) / mine.shape[2]


def params_of(users: Any) -> PolarisingParams:
    """The parameters of the paper with `users` (name -> theta) for a population."""
    return PolarisingParams(population=population(users))
