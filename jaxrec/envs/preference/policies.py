"""Recommenders of the paper that need no learning."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxrec.policy import Stateless


class RandomSlate(Stateless):
    """Each slate equally often.

    Attributes:
        slates: how many there are; the shape of this array.
    """

    slates: Any

    def act(self, carry: Any, obs: Any, key: Array) -> tuple[Array, Any]:
        """(int32[] slate, carry)."""
        return jax.random.randint(key, (), 0, self.slates.shape[0]), carry


class Table(Stateless):
    """The policy of a table over what is seen where the state is, as `exact.optimal` gives.

    Attributes:
        probabilities: float[horizon, slates, 36, 36], of each slate at each time, u_0 and u_t.
    """

    probabilities: Any

    def act(self, carry: Any, obs: Any, key: Array) -> tuple[Array, Any]:
        """(int32[] slate, carry)."""
        time = jnp.minimum(obs[0], self.probabilities.shape[0] - 1)
        chosen = self.probabilities[time, :, obs[1], obs[2]]
        return jax.random.categorical(key, jnp.log(chosen)).astype(jnp.int32), carry


POLICIES: dict[str, Callable[[Any], Any]] = {"random": lambda env: RandomSlate(env.slates)}
