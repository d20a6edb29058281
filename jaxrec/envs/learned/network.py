"""A transformer that reads what a user was shown and chose, and says what it may prefer.

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

MOST_CERTAIN = 15.0  # a logarithm: more leaves one bin alone, and at last float32


class Steps(NamedTuple):
    """What is known of each step of one user.

    Attributes:
        slates: float[steps, 36], the probabilities of the items shown.
        evidence: float[steps, 36], how much likelier each preference makes the choice than the average one does: what
            the choice says by the known choice model; 0 where the choice is masked.
        known: bool[steps], the choice is not masked.
    """

    slates: Array
    evidence: Array
    known: Array


class BeliefTransformer(nn.Module):
    """Beliefs over 36 preferences, one for each number of steps seen.

    The sequence is one token that asks (it carries what is known beforehand) and one for each step. `attends` masks
    what must not be used; the belief at position t is read from a token that attends to the first t steps alone.

    Attributes:
        width: of the embeddings.
        heads: of the attention.
        layers: of attention and perceptron.
        mixtures: von Mises distributions in a belief.
        dropout: share of activations dropped in training.
        concentration: of the von Mises distributions before training (about 1 / variance in radians); where choices
            hardly depend on preferences the data say little about how widely preferences spread, and it stays near.
    """

    width: int = 32
    heads: int = 2
    layers: int = 2
    mixtures: int = 4
    dropout: float = 0.1
    concentration: float = 8.0

    @nn.compact
    def __call__(
        self, steps: Steps, asked: Float[Array, "36"], attends: Bool[Array, "tokens tokens"], training: bool = False
    ) -> Float[Array, "tokens 36"]:
        """The logarithm of the belief read from each token; tokens = 1 + steps."""
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

    def _mixture(self, x: Float[Array, "tokens width"]) -> Float[Array, "tokens 36"]:
        """Of von Mises distributions: each a weight, a mean direction and a concentration; called inside `__call__`."""
        small = nn.initializers.normal(0.02)
        out = nn.Dense(4 * self.mixtures, kernel_init=small)(x).reshape(-1, self.mixtures, 4)
        directions = out[..., :2] + self.param(
            "directions", nn.initializers.normal(1.0), (self.mixtures, 2), jnp.float32
        )
        means = jnp.arctan2(directions[..., 1], directions[..., 0])
        concentrations = self.concentration * jnp.exp(jnp.minimum(out[..., 2], MOST_CERTAIN))
        each = concentrations[..., None] * jnp.cos(ANGLES - means[..., None])
        weights = jax.nn.log_softmax(out[..., 3])
        return jax.nn.logsumexp(jax.nn.log_softmax(each) + weights[..., None], axis=-2)


def earlier_steps(steps: int) -> Bool[Array, "tokens tokens"]:
    """Each token attends to itself and what came before: one pass gives a belief for every number of steps seen."""
    return jnp.tril(jnp.ones((steps + 1, steps + 1), bool))
