"""Where policies of two worlds choose differently: the measure that Definition 2 asks for, for each user."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.agents import TabularPolicy
from jaxrec.audit import Apart
from jaxrec.audit.distances import chance_of_difference
from jaxrec.envs.polarising import PolarisingUsers, exact, population
from jaxrec.experiments.polarising.behaviour import USERS
from jaxrec.rollouts import rollout


def disagreement(env: PolarisingUsers, factual: Array, decoupled: Array, key: Array, episodes: int) -> Apart:
    """Compares policies learned with influence and without, where factual policies go.

    Args:
        env: the users' environment.
        factual: action values float[seeds, states, 3] learned with influence.
        decoupled: float[seeds, states, 3], learned without.
        key: a typed key.
        episodes: of each factual policy with each user.

    Returns:
        How often each two of them choose different actions: float[seeds, seeds, users, steps].
    """
    keys = jax.random.split(key, len(factual))
    rows = [_of_seed(env, factual, decoupled, i, keys[i], episodes) for i in range(len(factual))]
    return Apart(*(np.stack(each) for each in zip(*rows, strict=True)))


@partial(jax.jit, static_argnames=("env", "episodes"))
def _of_seed(
    env: PolarisingUsers, factual: Array, decoupled: Array, i: Array | int, key: Array, episodes: int
) -> tuple[Array, Array, Array]:
    """The three distances of `Apart` from one seed's policies: float[seeds, users, steps] each."""
    visited = _visited(env, factual[i], key, episodes)
    factual, decoupled = (exact.greedy_probabilities(q[:, visited]) for q in (factual, decoupled))
    pairs = ((factual, decoupled), (factual, factual), (decoupled, decoupled))
    across, within, without = (chance_of_difference(mine[i], theirs) for mine, theirs in pairs)
    return across, within, without


def _visited(env: PolarisingUsers, q: Array, key: Array, episodes: int) -> Array:
    """int32[users, steps, episodes]: the states in which the greedy policy of `q` finds itself with each user."""

    def of_user(key: Array, profile: Array) -> Array:
        params = env.default_params.replace(population=profile[None])
        result = rollout(env, TabularPolicy(q, env), key, episodes, env.horizon, params, trajectory=True)
        return jax.vmap(jax.vmap(env.observation_index))(result.trajectory.obs)

    return jax.vmap(of_user)(jax.random.split(key, len(USERS)), jnp.asarray(population(USERS)))
