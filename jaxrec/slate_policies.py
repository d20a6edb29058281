"""Heuristics for societies whose actions are slates."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, Int, PyTree

from jaxrec.policy import Stateless
from jaxrec.slates import Slate


class RandomSlates(Stateless):
    """Shows a slate drawn uniformly.

    Attributes:
        space: the slates, `env.action_space()`.
    """

    space: Slate = struct.field(pytree_node=False)

    def act(self, carry: tuple[()], obs: PyTree, key: Array) -> tuple[Int[Array, " k"], tuple[()]]:
        """Draws a slate.

        Args:
            carry: ().
            obs: not read.
            key: a typed key.

        Returns:
            (int32[k], ()).
        """
        return self.space.sample(key), carry


class Ranked(Stateless):
    """Shows the items of the highest scores, the highest first; of equal ones each order equally often.

        >>> policy = Ranked(Slate(4, 2), lambda obs: jnp.array([0.1, 0.7, 0.2, 0.5]))
        >>> policy.act((), None, jax.random.key(0))[0].tolist()
        [1, 3]

    Attributes:
        space: the slates, `env.action_space()`.
        score: observation -> float[n], of each item.
    """

    space: Slate = struct.field(pytree_node=False)
    score: Callable[[Any], Float[Array, " n"]] = struct.field(pytree_node=False)

    def act(self, carry: tuple[()], obs: PyTree, key: Array) -> tuple[Int[Array, " k"], tuple[()]]:
        """Ranks the items.

        Args:
            carry: ().
            obs: what `score` reads.
            key: a typed key, which orders items of equal scores.

        Returns:
            (int32[k], ()).
        """
        order = jax.random.permutation(key, self.space.n)
        best = jnp.argsort(-self.score(obs)[order], stable=True)[: self.space.k]
        return order[best].astype(jnp.int32), carry
