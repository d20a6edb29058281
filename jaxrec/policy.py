"""One protocol for heuristics, tables and networks, feed-forward or recurrent."""

from typing import Any, Protocol, runtime_checkable

import jax
from flax import struct
from jax import Array

from jaxrec import checks


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


def check_policy(policy: Any) -> None:
    """Raises InputError unless `policy` follows the protocol and is a PyTree of arrays."""
    if not isinstance(policy, Policy):
        raise checks.InputError(f"policy must have init(key) and act(carry, obs, key), got {policy!r}")
    if any(leaf is policy for leaf in jax.tree.leaves(policy)):
        raise checks.InputError(
            f"policy {type(policy).__name__} must be a PyTree: derive it from flax.struct.PyTreeNode"
        )
