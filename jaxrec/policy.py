"""One protocol for heuristics, tables and networks, feed-forward or recurrent."""

from typing import Any, Protocol, TypeVar, runtime_checkable

import jax.numpy as jnp
from flax import struct
from jax import Array
from jax.core import Tracer
from jaxtyping import Bool, Float, Int, PyTree

from jaxrec import bitset, checks
from jaxrec.spaces import Discrete, Space

Carry = TypeVar("Carry")
Obs = TypeVar("Obs", contravariant=True)


@runtime_checkable
class Policy(Protocol[Carry, Obs]):
    """A recommender for one user or society, vmappable over many.

    Policies are PyTrees (`flax.struct.PyTreeNode`) whose learned values are leaves, so that a policy with new values
    does not recompile, and a stack of policies is one `vmap`. `Carry` is the class of its carry, `Obs` the class of
    the observations that it reads.
    """

    def init(self, key: Array) -> Carry:
        """Gives the carry at the start of an episode: a PyTree, () for a policy without memory."""
        ...

    def act(self, carry: Carry, obs: Obs, key: Array) -> tuple[Any, Carry]:
        """Chooses an action for one observation.

        Args:
            carry: from `init`, or from the step before.
            obs: one observation.
            key: a typed key, for the draws of this step.

        Returns:
            (action, carry), the carry of the same structure, shapes and dtypes.
        """
        ...


@runtime_checkable
class Stochastic(Policy[Carry, Obs], Protocol[Carry, Obs]):
    """A policy for discrete actions that can say how likely each of them is: two such policies can be compared."""

    def probabilities(self, carry: Carry, obs: Obs) -> tuple[Float[Array, " actions"], Carry]:
        """Gives the probability of each action that `act` may choose for one observation, and the carry after it.

        The carry depends on what was observed alone, so that observations that another policy led to can be replayed.
        """
        ...


class Stateless(struct.PyTreeNode):
    """A policy without memory: a subclass supplies `act`, which returns the carry that it gets."""

    def init(self, key: Array) -> tuple[()]:
        """Gives the empty carry."""
        return ()


class Random(Stateless):
    """Draws actions from their space, whatever is observed, masks too: `Random(env.action_space(params))`.

    Attributes:
        space: of actions.
    """

    space: Space = struct.field(pytree_node=False)

    def act(self, carry: tuple[()], obs: PyTree, key: Array) -> tuple[Any, tuple[()]]:
        """Draws an action from the space.

        Args:
            carry: ().
            obs: not read.
            key: a typed key.

        Returns:
            (action, ()).
        """
        return self.space.sample(key), carry

    def probabilities(self, carry: tuple[()], obs: PyTree) -> tuple[Float[Array, " actions"], tuple[()]]:
        """Gives the same probability for each action, and the empty carry.

        Raises:
            InputError: for a space that is not `Discrete`, or whose size is traced.
        """
        if not isinstance(self.space, Discrete) or isinstance(self.space.n, Tracer):
            raise checks.InputError(f"space must be Discrete, of a known size, to have probabilities, got {self.space}")
        return jnp.full(self.space.n, 1 / self.space.n), carry


def evenly(best: Bool[Array, " n"]) -> Float[Array, " n"]:
    """Gives the probability of each index where one of the allowed ones is chosen, each equally often."""
    return best / best.sum()


def one_of(allowed: Bool[Array, " n"], uniform: Float[Array, ""], other: Int[Array, ""] | int = 0) -> Int[Array, ""]:
    """Chooses one of the allowed indices, each equally often; `other` if none is allowed.

    `uniform`, a draw from U[0, 1), decides.
    """
    # As bits: among 100, on one core, a prefix sum over bools takes ten times as long, and Gumbel noise seventy.
    members = bitset.pack(allowed)
    count = bitset.count(members)
    return jnp.where(count > 0, bitset.select(members, jnp.floor(uniform * count).astype(jnp.int32)), other)
