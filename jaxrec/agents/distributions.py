"""Distributions of actions: one of several by a softmax, and slates by scores of their items.

A log-softmax is taken once and read by all methods: what a learner compiles and runs is mostly this small arithmetic.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int


class Categorical(struct.PyTreeNode):
    """One of several actions.

    Attributes:
        logs: float[..., actions], the logarithm of the probability of each; finite.
    """

    logs: Float[Array, "*batch actions"]

    @classmethod
    def of(cls, logits: Float[Array, "*batch actions"]) -> "Categorical":
        """Gives the distribution by a softmax over finite `logits`."""
        return cls(jax.nn.log_softmax(logits))

    def sample(self, seed: Array) -> Int[Array, "*batch"]:
        """Draws actions."""
        return jax.random.categorical(seed, self.logs).astype(jnp.int32)

    def sample_and_log_prob(self, seed: Array) -> tuple[Int[Array, "*batch"], Float[Array, "*batch"]]:
        """Draws actions, and gives the log-probability of each."""
        action = self.sample(seed)
        return action, self.log_prob(action)

    def log_prob(self, action: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Gives the logarithm of the probability of each action."""
        every = jnp.arange(self.logs.shape[-1], dtype=jnp.int32)
        return jnp.where(action[..., None] == every, self.logs, 0).sum(axis=-1)  # a gather's gradient is a scatter

    def entropy(self) -> Float[Array, "*batch"]:
        """Gives the entropy, in nats."""
        return -(jnp.exp(self.logs) * self.logs).sum(axis=-1)


class PlackettLuce(struct.PyTreeNode):
    """Slates of `size` items: the first by a softmax over the scores, each next one by a softmax over those left.

    Luce 1959, "Individual Choice Behavior"; Plackett 1975, "The Analysis of Permutations". Items that are not valid are
    chosen after all that are, by a softmax over their own scores, and so not at all where enough items are valid.

    Attributes:
        scores: float[..., items].
        valid: bool[..., items].
        size: the places of a slate, at most the number of items.
    """

    scores: Float[Array, "*batch items"]
    valid: Bool[Array, "*batch items"]
    size: int = struct.field(pytree_node=False)

    def sample(self, seed: Array) -> Int[Array, "*batch size"]:
        """Draws slates: the items of the largest scores, to each of which Gumbel noise is added.

        Yellott 1977, "The Relationship between Luce's Choice Axiom, Thurstone's Theory of Comparative Judgment, and the
        Double Exponential Distribution"; Kool et al. 2019, "Stochastic Beams and Where to Find Them", Eq. 2.
        """
        return self._best(self.scores + jax.random.gumbel(seed, self.scores.shape))

    def sample_and_log_prob(self, seed: Array) -> tuple[Int[Array, "*batch size"], Float[Array, "*batch"]]:
        """Draws slates, and gives the log-probability of each."""
        slate = self.sample(seed)
        return slate, self.log_prob(slate)

    def mode(self) -> Int[Array, "*batch size"]:
        """Gives the likeliest slates: items in the order of their scores, of equal ones the lower first."""
        return self._best(self.scores)

    def log_prob(self, slate: Int[Array, "*batch size"]) -> Float[Array, "*batch"]:
        """Gives the logarithm of the probability of each slate."""
        chosen = jnp.take_along_axis(self._choices(slate)[0], slate[..., None], axis=-1)[..., 0]
        return chosen.sum(axis=-1)

    def entropy(self, slate: Int[Array, "*batch size"]) -> Float[Array, "*batch"]:
        """Estimates the entropy from a slate drawn: the sum of the entropies of its choices, each given those before.

        By the chain rule the mean over slates is the entropy, which itself is a sum over all n! / (n - size + 1)!
        beginnings. Exact for one place.
        """
        logs, possible = self._choices(slate)
        logs = jnp.where(possible, logs, 0)  # before the product: the gradient of 0 times minus infinity is no number
        return -jnp.where(possible, jnp.exp(logs) * logs, 0).sum(axis=(-2, -1))

    def _best(self, scores: Array) -> Array:
        """Gives the items of the largest scores, the valid ones first."""
        span = scores.max(axis=-1, keepdims=True) - scores.min(axis=-1, keepdims=True) + 1
        return jax.lax.top_k(jnp.where(self.valid, scores, scores - span), self.size)[1].astype(jnp.int32)

    def _choices(self, slate: Array) -> tuple[Float[Array, "*batch size items"], Bool[Array, "*batch size items"]]:
        """Gives the log-probability of each item at each place, given the places before, and whether it is possible."""
        taken = jax.nn.one_hot(slate, self.scores.shape[-1], dtype=jnp.int32)
        left = jnp.cumsum(taken, axis=-2) - taken == 0
        better = left & self.valid[..., None, :]
        possible = jnp.where(better.any(axis=-1, keepdims=True), better, left)
        scores = jnp.broadcast_to(self.scores[..., None, :], possible.shape)
        return jax.nn.log_softmax(scores, axis=-1, where=possible), possible
