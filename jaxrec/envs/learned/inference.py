"""The beliefs of an estimated model about a user: future, initial and counterfactual preferences.

Carroll et al. 2022, section 4.2, Appendix C and Figure 11: three networks of one architecture that differ in their mask
and in the belief that they are given. Each returns one belief for every number of steps observed, 0 ... steps: position
t holds the belief after t steps, but that of a bidirectional network after all steps of the memory. The choice model is
known: a choice enters by its `likelihood` alone.
"""

from typing import no_type_check

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, Int, PyTree

from jaxrec.envs.learned.network import BeliefTransformer, Steps
from jaxrec.envs.preference.dynamics import BINS, Users

MAX_EVIDENCE = 3.0  # a rare choice must not dominate the others


class Weights(struct.PyTreeNode):
    """The parameters of the three networks, as `BeliefTransformer.init` returns them.

    Attributes:
        future: predicts u_t from the steps before t.
        initial: infers u_0 from the steps after 0.
        counterfactual: predicts u_t from a belief about u_0 and the steps before t under another recommender.
    """

    future: PyTree
    initial: PyTree
    counterfactual: PyTree


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Memory(struct.PyTreeNode):
    """The steps of one user that a model has observed.

    Attributes:
        slates: float[steps, 36], the slates shown; uniform at steps to come.
        likelihood: float[steps, 36], P(x_t | s_t, u) of the item chosen, for each u; constant at steps to come.
    """

    slates: Float[Array, "steps 36"]
    likelihood: Float[Array, "steps 36"]


def likelihood(slate: Float[Array, "36"], choice: Int[Array, ""], users: Users) -> Float[Array, "36"]:
    """Computes P(x | s, u) for each u by the choice model: one column of `dynamics.choices`.

    Args:
        slate: a distribution over items.
        choice: the bin of x.
        users: the choice model.

    Returns:
        Probabilities, at least the smallest normal float32: under a wrong choice model users may choose the impossible.
    """
    weights = jnp.log(slate) + users.pull
    chosen = jnp.exp(weights[:, choice] - jax.nn.logsumexp(weights, axis=1))
    return jnp.maximum(chosen, jnp.finfo(jnp.float32).tiny)


def remembered(slates: Float[Array, "steps 36"], chosen: Int[Array, " steps"], users: Users) -> Memory:
    """Builds the memory of one user's history.

    Args:
        slates: a distribution over items for each step.
        chosen: the bin of the item chosen at each step.
        users: the choice model.

    Returns:
        A memory in which every step has been observed.
    """
    return Memory(slates, jax.vmap(likelihood, in_axes=(0, 0, None))(slates, chosen, users))


def nothing(steps: int) -> Memory:
    """Builds the memory of a new user; with choices masked it is that of a user under uniform slates."""
    return Memory(jnp.full((steps, BINS), 1 / BINS, float), jnp.full((steps, BINS), 1 / BINS, float))


def future(
    network: BeliefTransformer, weights: PyTree, memory: Memory, key: Array | None = None
) -> Float[Array, "times 36"]:
    """Predicts u_t.

    Args:
        network: the architecture.
        weights: `Weights.future`.
        memory: of one user.
        key: a typed key for dropout in training; None for evaluation.

    Returns:
        log P(u_t | s_0 ... s_t-1, x_0 ... x_t-1) for t = 0 ... steps.
    """
    return _read(network, weights, memory, jnp.full(BINS, 1 / BINS), jnp.ones(len(memory.slates), bool), key)


def initial_from_later(
    network: BeliefTransformer, weights: PyTree, memory: Memory, key: Array | None = None
) -> Float[Array, "times 36"]:
    """Infers u_0 from later steps: the first step is masked.

    Args:
        network: the architecture.
        weights: `Weights.initial`.
        memory: of one user.
        key: a typed key for dropout in training; None for evaluation.

    Returns:
        log P(u_0 | s_1 ... s_t-1, x_1 ... x_t-1) for t = 0 ... steps.
    """
    later = Memory(memory.slates.at[0].set(1 / BINS), memory.likelihood)
    known = jnp.arange(len(memory.slates)) > 0
    return _read(network, weights, later, jnp.full(BINS, 1 / BINS), known, key)


def initial(network: BeliefTransformer, weights: PyTree, memory: Memory) -> Float[Array, "times 36"]:
    """Infers u_0 from all steps.

    Bayes' rule adds the first choice (Appendix E.2): P(u_0 | x_0:t, s_0:t) is in proportion to
    P(x_0 | s_0, u_0) P(u_0 | x_1:t, s_1:t).

    Args:
        network: the architecture.
        weights: `Weights.initial`.
        memory: of one user.

    Returns:
        log P(u_0 | s_0 ... s_t-1, x_0 ... x_t-1) for t = 0 ... steps.
    """
    later = initial_from_later(network, weights, memory)
    first = jnp.log(memory.likelihood[0]) * (jnp.arange(len(later)) > 0)[:, None]
    return jax.nn.log_softmax(later + first)


def counterfactual(
    network: BeliefTransformer,
    weights: PyTree,
    memory: Memory,
    belief: Float[Array, "36"],
    known: Array | bool = True,
    key: Array | None = None,
) -> Float[Array, "times 36"]:
    """Predicts u_t under another recommender.

    Args:
        network: the architecture.
        weights: `Weights.counterfactual`.
        memory: the steps of one user under the other recommender.
        belief: b(u_0), what is believed about the initial preference.
        known: bool[] or bool[steps]; choices are masked where it is false, and the prediction averages over them.
        key: a typed key for dropout in training; None for evaluation.

    Returns:
        log P(u_t | b(u_0), s_0 ... s_t-1, x_0 ... x_t-1) for t = 0 ... steps.
    """
    known = jnp.broadcast_to(known, len(memory.slates))
    return _read(network, weights, memory, belief, known, key)


def natural(network: BeliefTransformer, weights: PyTree, belief: Float[Array, "36"], steps: int) -> Array:
    """Predicts u_t^rnd under uniform slates with masked choices (footnote to Algorithm 2).

    Args:
        network: the architecture.
        weights: `Weights.counterfactual`.
        belief: b(u_0), what is believed about the initial preference.
        steps: the horizon.

    Returns:
        float[steps + 1, 36], log P(u_t^rnd | b(u_0)).
    """
    return counterfactual(network, weights, nothing(steps), belief, known=False)


def _read(
    network: BeliefTransformer, weights: PyTree, memory: Memory, asked: Array, known: Array, key: Array | None
) -> Float[Array, "times 36"]:
    ratio = memory.likelihood / memory.likelihood.mean(axis=1, keepdims=True) - 1
    steps = Steps(memory.slates, jnp.where(known[:, None], jnp.minimum(ratio, MAX_EVIDENCE), 0), known.astype(float))
    rngs = None if key is None else {"dropout": key}
    mask = network.attends(len(memory.slates))
    return network.apply(weights, steps, asked, mask, training=key is not None, rngs=rngs)  # type: ignore[return-value]
