"""A transformer that maps the slates and choices of a user to beliefs about its preferences.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", Appendix H.2: an encoder as in BERT4Rec (Sun et al. 2019) with a mixture of von Mises distributions on top.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from jaxrec.envs.preference.dynamics import BINS, DEGREES

ANGLES = np.radians(DEGREES).astype(np.float32)

MAX_LOG_CONCENTRATION = 15.0  # beyond it a belief is one bin, and later overflows float32


class Steps(NamedTuple):
    """The observed steps of one user, as inputs of the network.

    Attributes:
        slates: float[steps, 36], the probabilities of the items shown.
        evidence: float[steps, 36], the likelihood of the choice under each preference, relative to the mean over
            preferences, minus 1; 0 where the choice is masked.
        known: bool[steps] or float[steps], whether the choice is not masked.
    """

    slates: Array
    evidence: Array
    known: Array


class BeliefTransformer(nn.Module):
    """Beliefs over 36 preferences, one for each number of steps observed.

    The sequence is one query token, which carries the belief given beforehand, and one token for each step. `attends`
    masks later steps; the belief at position t is read from a token that attends to the first t steps alone.

    Attributes:
        width: size of the embeddings, a multiple of `heads`.
        heads: number of attention heads.
        layers: number of blocks of attention and perceptron.
        mixtures: number of von Mises distributions in a belief.
        dropout: share of activations dropped in training, in [0, 1].
        concentration: of the von Mises distributions before training (about 1 / variance in radians); it stays near
            this value if choices hardly depend on preferences, for then the data say little about their spread.
        bidirectional: whether tokens attend to later steps too, so that one pass gives beliefs after all steps alone.
            Such a network estimates initial preferences; for others it would read the choices that it predicts.
    """

    width: int = 32
    heads: int = 2
    layers: int = 2
    mixtures: int = 4
    dropout: float = 0.1
    concentration: float = 8.0
    bidirectional: bool = False

    @nn.compact
    def __call__(
        self, steps: Steps, asked: Float[Array, "36"], attends: Bool[Array, "tokens tokens"], training: bool = False
    ) -> Float[Array, "tokens 36"]:
        """Maps steps to beliefs.

        Args:
            steps: of one user.
            asked: the belief given beforehand; uniform if nothing is known.
            attends: whether each token (row) attends to each other.
            training: whether dropout is applied; needs an rng called "dropout".

        Returns:
            The logarithm of the belief read from each token; tokens = 1 + steps.
        """
        dropped = nn.Dropout(self.dropout, deterministic=not training)
        each = jnp.concatenate([steps.slates * BINS - 1, steps.evidence, steps.known[:, None]], axis=1)
        tokens = jnp.concatenate([nn.Dense(self.width)(asked * BINS - 1)[None], nn.Dense(self.width)(each)])
        x = dropped(tokens + nn.Embed(tokens.shape[0], self.width)(jnp.arange(tokens.shape[0])))
        for _ in range(self.layers):
            normed = nn.LayerNorm()(x)
            x = x + dropped(nn.MultiHeadDotProductAttention(self.heads)(normed, normed, mask=attends[None]))
            hidden = nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm()(x)))
            x = x + dropped(nn.Dense(self.width)(hidden))
        return self._mixture(nn.LayerNorm()(x))

    def attends(self, steps: int) -> Bool[Array, "tokens tokens"]:
        """The mask of `__call__`: every step, or the earlier ones alone."""
        return jnp.ones((steps + 1, steps + 1), bool) if self.bidirectional else earlier_steps(steps)

    def _mixture(self, x: Float[Array, "tokens width"]) -> Float[Array, "tokens 36"]:
        """Maps each token to a mixture of von Mises distributions: weights, mean directions and concentrations."""
        small = nn.initializers.normal(0.02)
        out = nn.Dense(4 * self.mixtures, kernel_init=small)(x).reshape(-1, self.mixtures, 4)
        directions = out[..., :2] + self.param(
            "directions", nn.initializers.normal(1.0), (self.mixtures, 2), jnp.float32
        )
        means = jnp.arctan2(directions[..., 1], directions[..., 0])
        concentrations = self.concentration * jnp.exp(jnp.minimum(out[..., 2], MAX_LOG_CONCENTRATION))
        each = concentrations[..., None] * jnp.cos(ANGLES - means[..., None])
        weights = jax.nn.log_softmax(out[..., 3])
        return jax.nn.logsumexp(jax.nn.log_softmax(each) + weights[..., None], axis=-2)


def earlier_steps(steps: int) -> Bool[Array, "tokens tokens"]:
    """The causal mask: one pass gives a belief for every number of steps observed."""
    return jnp.tril(jnp.ones((steps + 1, steps + 1), bool))
