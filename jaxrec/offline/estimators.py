"""What a target policy would have earned, from one trajectory of another: pure functions, to be vmapped over users.

Each gives (numerator, denominator), float[terms] each; the estimate is the sum over terms of the mean numerator over
users divided by the mean denominator. The ratio w_t is the product over k <= t of pi(a_k | o_k) / b(a_k | o_k), the
target's probability of the logged action over the propensity (Precup, Sutton & Singh 2000, "Eligibility traces for
off-policy policy evaluation").
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

Terms = tuple[Float[Array, " terms"], Float[Array, " terms"]]


class Judged(NamedTuple):
    """One logged trajectory as a target policy sees it; every field is float[steps].

    Attributes:
        ratio: pi / b of the action taken; 1 after the last step.
        reward: what was paid; 0 after the last step.
        q: Q(o_t, a_t) of the target by some model, 0 after the last step; zeros where the estimator needs none.
        v: the sum over actions of pi(a | o_t) Q(o_t, a), likewise.
    """

    ratio: Array
    reward: Array
    q: Array
    v: Array


def importance_sampling(judged: Judged, gamma: ArrayLike) -> Terms:
    """Weighs the return by the ratio of the whole trajectory."""
    discounts = _discounts(judged, gamma)
    return (judged.ratio.prod() * (discounts * judged.reward).sum())[None], jnp.ones(1)


def per_decision(judged: Judged, gamma: ArrayLike) -> Terms:
    """Weighs each reward by the ratio of the actions up to it (Precup, Sutton & Singh 2000)."""
    weight = jnp.cumprod(judged.ratio)
    return _discounts(judged, gamma) * weight * judged.reward, jnp.ones_like(weight)


def weighted(judged: Judged, gamma: ArrayLike) -> Terms:
    """Divides the per-decision estimate of each step by the mean ratio: biased, consistent, of far less variance.

    Source: Thomas 2015, "Safe reinforcement learning" (consistent weighted per-decision importance sampling).
    """
    weight = jnp.cumprod(judged.ratio)
    return _discounts(judged, gamma) * weight * judged.reward, weight


def doubly_robust(judged: Judged, gamma: ArrayLike) -> Terms:
    """Takes a model's value, and weighs by the ratio only what the model gets wrong.

    Unbiased where the propensities are right or the model is. Sources: Jiang & Li 2016, "Doubly robust off-policy value
    evaluation for reinforcement learning", equation 10; as a sum over steps Thomas & Brunskill 2016, "Data-efficient
    off-policy policy evaluation for reinforcement learning".
    """
    weight = jnp.cumprod(judged.ratio)
    before = jnp.concatenate([jnp.ones(1, weight.dtype), weight[:-1]])
    terms = _discounts(judged, gamma) * (weight * (judged.reward - judged.q) + before * judged.v)
    return terms, jnp.ones_like(weight)


def direct(judged: Judged, gamma: ArrayLike) -> Terms:
    """Takes the model's value of the first observation alone; with a fitted Q this is fitted Q evaluation."""
    return judged.v[:1], jnp.ones(1)


def _discounts(judged: Judged, gamma: ArrayLike) -> Array:
    return jnp.asarray(gamma, float) ** jnp.arange(len(judged.reward))
