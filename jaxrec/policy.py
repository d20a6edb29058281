"""One protocol for heuristics, tables and networks, feed-forward or recurrent."""

from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
from flax import struct
from jax import Array


@runtime_checkable
class Policy(Protocol):
    """A recommender for one user or society, vmappable over many.

    Policies are PyTrees (`flax.struct.PyTreeNode`): what was learned travels as leaves, so that a policy with new
    parameters does not recompile, and a stack of policies is one `vmap`.
    """

    def init(self, key: Array) -> Any:
        """The carry at the start of an episode: memory, or () for a policy without any."""
        ...

    def act(self, carry: Any, obs: Any, key: Array) -> tuple[Any, Any]:
        """(action, carry) for one observation."""
        ...


class Stateless(struct.PyTreeNode):
    """A policy without memory: a subclass supplies `act` and hands the carry back."""

    def init(self, key: Array) -> tuple[()]:
        """No carry."""
        return ()


def one_of(allowed: Array, uniform: Array) -> Array:
    """int32[]: the index of one of those that are allowed, each equally often; 0 where none is.

    Args:
        allowed: bool[n].
        uniform: float[], the draw from U[0, 1) that decides.
    """
    order = jnp.cumsum(allowed)
    return jnp.argmax(order > jnp.floor(uniform * order[-1])).astype(jnp.int32)
