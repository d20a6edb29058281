"""Where policies of two worlds choose differently: the measure that Definition 2 asks for."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import PolarisingUsers, exact, population
from jaxrec.experiments.polarising.tampering.settings import USERS
from jaxrec.rollouts import rollout
from jaxrec.statistics import beyond_noise, noise


class Disagreement(struct.PyTreeNode):
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
        return noise(self.factual, self.decoupled)

    @property
    def excess(self) -> np.ndarray:
        """float[seeds, users, steps]: samples of `across` beyond the noisier world's, over pairs of different seeds."""
        return beyond_noise(self.across, self.factual, self.decoupled)


def disagreement(env: PolarisingUsers, factual: Array, decoupled: Array, key: Array, episodes: int) -> Disagreement:
    """Compares policies learned with influence and without.

    Args:
        env: the users' environment.
        factual: action values float[seeds, states, 3] learned with influence.
        decoupled: float[seeds, states, 3], learned without.
        key: a typed key.
        episodes: of each factual policy with each user.

    Returns:
        How often each two of them choose different actions.
    """
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
