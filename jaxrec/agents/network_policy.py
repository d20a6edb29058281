"""Learned networks as policies."""

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec.agents.masks import distribution, masked
from jaxrec.agents.networks import Network
from jaxrec.policy import evenly, one_of
from jaxrec.slates import Slate


class NetworkPolicy(struct.PyTreeNode):
    """A network as a policy.

    Attributes:
        network_params: weights of the network.
        network: see the module.
        greedy: takes the likeliest valid action, of several each equally often; else draws one by its probability.
            Equals are common: a ranking network gives users with equal features equal scores.
        slate_size: the places of a slate, where actions are slates; else None. A greedy slate has the items of the
            largest scores, in their order.
    """

    network_params: PyTree
    network: Network = struct.field(pytree_node=False)
    greedy: bool = struct.field(pytree_node=False, default=True)
    slate_size: int | None = struct.field(pytree_node=False, default=None)

    @property
    def num_actions(self) -> int | None:
        """How many actions it chooses from; None where that is as many as the observation has users."""
        return getattr(self.network, "num_actions", None)

    def init(self, key: Array) -> PyTree:
        """The carry at the start of an episode."""
        return self.network.initialize_carry()

    def act(self, carry: PyTree, obs: PyTree, key: Array) -> tuple[Array, PyTree]:
        """Chooses an action for one observation: (int32[] action, or int32[k] slate, carry).

        Args:
            carry: of the network.
            obs: one observation.
            key: a typed key.
        """
        carry, logits, _ = self.network.apply(self.network_params, carry, obs)
        chosen = distribution(logits, obs, self.slate_size)
        if not self.greedy:
            return chosen.sample(key), carry
        if self.slate_size is not None:
            return chosen.mode(), carry
        logits = masked(logits, obs)
        return one_of(logits == logits.max(), jax.random.uniform(key)), carry

    def probabilities(self, carry: PyTree, obs: PyTree) -> tuple[Array, PyTree]:
        """Gives float[actions], the probability of each action for one observation, and the network's carry.

        Where actions are slates, of each slate in the order of `Slate.listed`.

        Raises:
            InputError: for more slates than can be listed.
        """
        carry, logits, _ = self.network.apply(self.network_params, carry, obs)
        if self.slate_size is not None:
            return self._of_slates(logits, obs), carry
        logits = masked(logits, obs)
        return evenly(logits == logits.max()) if self.greedy else jax.nn.softmax(logits), carry

    def _of_slates(self, scores: Array, obs: PyTree) -> Array:
        """Gives float[slates], the probability of each, by the scores of the items."""
        chosen = distribution(scores, obs, self.slate_size)
        every = jnp.asarray(Slate(scores.shape[-1], chosen.size).listed())
        if self.greedy:
            return (every == chosen.mode()).all(axis=-1).astype(scores.dtype)
        return jnp.exp(jax.vmap(chosen.log_prob)(every))
