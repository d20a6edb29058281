"""The policy of a table of action values, and how Q-learning explores."""

from functools import reduce

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, Int, PyTree

from jaxrec.environment import Environment
from jaxrec.policy import Stateless, evenly
from jaxrec.utilities import Leaf

MAX_WRITTEN_OUT = 8  # actions that are gone through one by one, which compilers fuse


class TabularPolicy(Stateless):
    """Greedy in a table of action values, ties broken at random.

    Attributes:
        q: float[num_observations, num_actions].
        env: supplies the index of an observation.
        epsilon: float[], the share of random actions.
    """

    q: Leaf
    env: Environment = struct.field(pytree_node=False)
    epsilon: Leaf | float = 0.0

    @property
    def num_observations(self) -> int:
        """Of the environment that it is for."""
        return self.q.shape[-2]

    @property
    def num_actions(self) -> int:
        """Of the environment that it is for."""
        return self.q.shape[-1]

    def act(self, carry: PyTree, obs: PyTree, key: Array) -> tuple[Array, PyTree]:
        """Chooses an action for one observation.

        Args:
            carry: given back as it is.
            obs: one observation.
            key: a typed key.

        Returns:
            (int32[] action, carry).
        """
        return epsilon_greedy(self.q[self.env.observation_index(obs)], self.epsilon, jax.random.uniform(key)), carry

    def probabilities(self, carry: PyTree, obs: PyTree) -> tuple[Array, PyTree]:
        """Gives float[actions], the probability of each action for one observation, and the carry as it is."""
        values = self.q[self.env.observation_index(obs)]
        return self.epsilon / len(values) + (1 - self.epsilon) * evenly(values == values.max()), carry


def highest(values: Float[Array, "... actions"]) -> Float[Array, "..."]:
    """Gives the largest of the values of each row, written out where they are few: a reduction is slow there."""
    if values.shape[-1] > MAX_WRITTEN_OUT:
        return values.max(axis=-1)
    return reduce(jnp.maximum, (values[..., each] for each in range(values.shape[-1])))


def epsilon_greedy(
    values: Float[Array, " actions"], epsilon: Float[Array, ""] | float, uniform: Float[Array, ""]
) -> Int[Array, ""]:
    """Chooses a uniformly random action with probability `epsilon`, else one of the best, each as likely.

    One draw serves: given which side of epsilon it fell, where it lies there is uniform again.

    Args:
        values: of each action.
        epsilon: in [0, 1].
        uniform: a draw from U[0, 1).
    """
    explore = uniform < epsilon
    within = jnp.where(explore, uniform / epsilon, (uniform - epsilon) / (1 - epsilon))
    best = highest(values)
    if len(values) > MAX_WRITTEN_OUT:
        order = jnp.cumsum(explore | (values == best))
        return (order[:-1] <= jnp.floor(within * order[-1])).sum(dtype=jnp.int32)
    candidates = [explore | (value == best) for value in values]
    passed = jnp.floor(within * sum(candidate.astype(jnp.int32) for candidate in candidates))  # before the chosen one
    before, action = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
    for each, candidate in enumerate(candidates):
        action = jnp.where(candidate & (before == passed), each, action)
        before = before + candidate
    return action
