"""What policies do to the users of the paper, those who are trained on and those never seen."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec.envs.polarising import TRAINING, UNSEEN, PolarisingParams, PolarisingUsers, population
from jaxrec.rollouts import rollout
from jaxrec.runtime.jit_by_class import jit

USERS = {**TRAINING, **UNSEEN}
CENTRIST = list(USERS).index("centrist")
POLARISABLE = [i for i in range(len(USERS)) if i != CENTRIST]
TRAINED_ON = slice(0, len(TRAINING))
PROFILING = slice(0, 7)
"""The time-steps of the first of the paper's three phases (section 4.2.1)."""
LEFT_WING = [i for i, theta in enumerate(USERS.values()) if theta[0] == max(theta)]


class Behaviour(struct.PyTreeNode):
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


@jit(static_argnames=("env", "episodes"))
def behaviour(env: PolarisingUsers, policies: Any, keys: Array, episodes: int, influence: Any) -> Behaviour:
    """Plays each of several policies with each of the users.

    Args:
        env: the users' environment.
        policies: with a leading axis of seeds.
        keys: typed keys [seeds].
        episodes: of each policy with each user.
        influence: in [0, 1].

    Returns:
        Means over episodes: float[seeds, users, ...].
    """

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


def params_of(users: Any) -> PolarisingParams:
    """The parameters of the paper with `users` (name -> theta) for a population."""
    return PolarisingParams(population=population(users))
