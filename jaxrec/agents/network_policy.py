"""Learned networks as policies."""

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec.agents.masks import distribution, masked
from jaxrec.agents.networks import Network
from jaxrec.policy import evenly, one_of


class NetworkPolicy(struct.PyTreeNode):
    """A network as a policy.

    Attributes:
        network_params: weights of the network.
        network: see the module.
        greedy: takes the likeliest valid action, of several each equally often; else draws one by its probability.
            Equals are common: a ranking network gives users with equal features equal scores.
    """

    network_params: PyTree
    network: Network = struct.field(pytree_node=False)
    greedy: bool = struct.field(pytree_node=False, default=True)

    @property
    def num_actions(self) -> int | None:
        """How many actions it chooses from; None where that is as many as the observation has users."""
        return getattr(self.network, "num_actions", None)

    def init(self, key: Array) -> PyTree:
        """The carry at the start of an episode."""
        return self.network.initialize_carry()

    def act(self, carry: PyTree, obs: PyTree, key: Array) -> tuple[Array, PyTree]:
        """Chooses an action for one observation: (int32[] action, carry).

        Args:
            carry: of the network.
            obs: one observation.
            key: a typed key.
        """
        carry, logits, _ = self.network.apply(self.network_params, carry, obs)
        if not self.greedy:
            return distribution(logits, obs).sample(seed=key).astype(jnp.int32), carry
        logits = masked(logits, obs)
        return one_of(logits == logits.max(), jax.random.uniform(key)), carry

    def probabilities(self, carry: PyTree, obs: PyTree) -> tuple[Array, PyTree]:
        """Gives float[actions], the probability of each action for one observation, and the network's carry."""
        carry, logits, _ = self.network.apply(self.network_params, carry, obs)
        logits = masked(logits, obs)
        return evenly(logits == logits.max()) if self.greedy else jax.nn.softmax(logits), carry
