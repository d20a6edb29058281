"""What an estimated model believes about a user: future, initial and counterfactual preferences.

Carroll et al. 2022, section 4.2, Appendix C and Figure 11: three networks of one kind that differ in what is masked and
what they know beforehand. Each returns one belief for every number of steps seen, 0 ... steps, so that position t is
what is believed after t steps. The choice model is known: `likelihood` is all that enters of a choice.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, Int

from jaxrec.envs.learned.network import BeliefTransformer, Steps, earlier_steps
from jaxrec.envs.preference.dynamics import BINS, Users

MOST_EVIDENCE = 3.0  # a rare choice must not drown the others


class Weights(struct.PyTreeNode):
    """Of the three networks.

    Attributes:
        future: u_t from the steps before t.
        initial: u_0 from the steps after 0.
        counterfactual: u_t from what is believed of u_0, and the steps before t under another recommender.
    """

    future: Any
    initial: Any
    counterfactual: Any


class Memory(struct.PyTreeNode):
    """What a model remembers of a user.

    Attributes:
        slates: float[steps, 36], shown so far; uniform after that.
        likelihood: float[steps, 36], P(x_t | s_t, u) of what was chosen, for each u; constant after that.
    """

    slates: Any
    likelihood: Any


def likelihood(slate: Float[Array, "36"], choice: Int[Array, ""], users: Users) -> Float[Array, "36"]:
    """P(x | s, u) for each u, by the choice model: a column of `dynamics.choices`, without the others.

    At least what float32 can tell from 0: somebody may choose what by a wrong choice model nobody would.
    """
    weights = jnp.log(slate) + users.pull
    chosen = jnp.exp(weights[:, choice] - jax.nn.logsumexp(weights, axis=1))
    return jnp.maximum(chosen, jnp.finfo(jnp.float32).tiny)


def remembered(slates: Float[Array, "steps 36"], chosen: Int[Array, " steps"], users: Users) -> Memory:
    """What is to be remembered of slates and choices (bins)."""
    return Memory(slates, jax.vmap(likelihood, in_axes=(0, 0, None))(slates, chosen, users))


def nothing(steps: int) -> Memory:
    """The memory of somebody new; also of uniform slates whose choices nobody saw, but for `known`."""
    return Memory(jnp.full((steps, BINS), 1 / BINS, float), jnp.full((steps, BINS), 1 / BINS, float))


def future(
    network: BeliefTransformer, weights: Any, memory: Memory, key: Array | None = None
) -> Float[Array, "times 36"]:
    """The logarithm of P(u_t | s_0 ... s_t-1, x_0 ... x_t-1) for t = 0 ... steps. A key is for training."""
    return _read(network, weights, memory, jnp.full(BINS, 1 / BINS), jnp.ones(len(memory.slates), bool), key)


def initial_from_later(
    network: BeliefTransformer, weights: Any, memory: Memory, key: Array | None = None
) -> Float[Array, "times 36"]:
    """The logarithm of P(u_0 | s_1 ... s_t-1, x_1 ... x_t-1) for t = 0 ... steps: the first step is masked."""
    later = Memory(memory.slates.at[0].set(1 / BINS), memory.likelihood)
    known = jnp.arange(len(memory.slates)) > 0
    return _read(network, weights, later, jnp.full(BINS, 1 / BINS), known, key)


def initial(network: BeliefTransformer, weights: Any, memory: Memory) -> Float[Array, "times 36"]:
    """The logarithm of P(u_0 | s_0 ... s_t-1, x_0 ... x_t-1) for t = 0 ... steps.

    The first choice is put back by Bayes' rule (Appendix E.2): P(u_0 | x_0:t, s_0:t) is in proportion to
    P(x_0 | s_0, u_0) P(u_0 | x_1:t, s_1:t).
    """
    later = initial_from_later(network, weights, memory)
    first = jnp.log(memory.likelihood[0]) * (jnp.arange(len(later)) > 0)[:, None]
    return jax.nn.log_softmax(later + first)


def counterfactual(
    network: BeliefTransformer,
    weights: Any,
    memory: Memory,
    belief: Float[Array, "36"],
    known: Array | bool = True,
    key: Array | None = None,
) -> Float[Array, "times 36"]:
    """The logarithm of P(u_t | b(u_0), s_0 ... s_t-1, x_0 ... x_t-1) for t = 0 ... steps, under another recommender.

    `known` (bool[] or bool[steps]) masks the choices where it is false: what is left is the mean over them.
    """
    known = jnp.broadcast_to(known, len(memory.slates))
    return _read(network, weights, memory, belief, known, key)


def natural(network: BeliefTransformer, weights: Any, belief: Float[Array, "36"], steps: int) -> Array:
    """float[steps + 1, 36]: log P(u_t^rnd | b(u_0)) under uniform slates, choices masked (footnote to Algorithm 2)."""
    return counterfactual(network, weights, nothing(steps), belief, known=False)


def _read(
    network: BeliefTransformer, weights: Any, memory: Memory, asked: Array, known: Array, key: Array | None
) -> Float[Array, "times 36"]:
    ratio = memory.likelihood / memory.likelihood.mean(axis=1, keepdims=True) - 1
    steps = Steps(memory.slates, jnp.where(known[:, None], jnp.minimum(ratio, MOST_EVIDENCE), 0), known.astype(float))
    rngs = None if key is None else {"dropout": key}
    mask = earlier_steps(len(memory.slates))
    return network.apply(weights, steps, asked, mask, training=key is not None, rngs=rngs)  # type: ignore[return-value]
