"""Exact inference of a user's preferences from slates and choices, in the user's hidden Markov model.

Carroll et al. 2022, sections 3 and 4 and Appendices C to E. The user is a non-homogeneous hidden Markov model: 36
hidden states, a known transition matrix for each slate. A belief is carried as the joint distribution of the first and
the current preference, given all that was seen: its margins are smoothing and filtering.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jaxrec.envs.preference.dynamics import BINS, JUDGES, ShiftValues, Tables, clipped_normal

AT_ONCE = 8
"""Of so many slates at most, beliefs are rolled forward under every one, and one is kept: on a CPU it takes longer to
gather the matrix of a slate for each user than to multiply by eight."""


def prior(params: ShiftValues) -> Float[Array, "36 36"]:
    """P(u_0, u_0) before the first slate."""
    return jnp.diag(clipped_normal(params.initial_mean, params.initial_deviation))


def update(
    joint: Float[Array, "36 36"], likelihood: Float[Array, "36"], shift: Float[Array, "36 36"]
) -> Float[Array, "36 36"]:
    """Conditions on the choice at t and rolls forward by one step.

    A margin normalises, which observations have computed already: one pass over 36 x 36 numbers beside the product.

    Args:
        joint: P(u_0, u_t | slates and choices before t).
        likelihood: P(choice at t | slate, u_t) for all u_t.
        shift: P(u_t+1 | slate, u_t) of the slate shown at t.

    Returns:
        P(u_0, u_t+1 | slates and choices up to t).
    """
    weight = likelihood / (filtered(joint) * likelihood).sum()
    return (joint * weight) @ shift


def shifted(
    belief: Float[Array, "36"], shifts: Float[Array, "slates 36 36"], slate: Int[Array, ""]
) -> Float[Array, "36"]:
    """Rolls forward by one step.

    Args:
        belief: P(u_t).
        shifts: P(u_t+1 | slate, u_t) of every slate.
        slate: the one shown.

    Returns:
        P(u_t+1).
    """
    if len(shifts) > AT_ONCE:
        return belief @ shifts[slate]
    by_each = belief @ shifts.swapaxes(0, 1).reshape(BINS, -1)
    return by_each.reshape(-1, BINS)[slate]


def smoothed(joint: Float[Array, "36 36"]) -> Float[Array, "36"]:
    """P(u_0 | slates and choices so far): the first margin."""
    return joint.sum(axis=1)


def filtered(joint: Float[Array, "36 36"]) -> Float[Array, "36"]:
    """P(u_t | slates and choices so far): the second margin."""
    return joint.sum(axis=0)


def infer(
    tables: Tables, slates: Int[Array, " steps"], choices: Int[Array, " steps"], params: ShiftValues
) -> tuple[Float[Array, "steps 36 36"], Float[Array, ""]]:
    """Infers preferences from one user's history.

    Args:
        tables: of the slates.
        slates: the index of the slate shown at each step.
        choices: the bin of the item chosen at each step.
        params: `PreferenceParams`, of which the initial preferences are read.

    Returns:
        P(u_0, u_t+1 | slates and choices up to t) for each t, and the log likelihood of all choices.
    """

    def step(joint: Array, inputs: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        slate, choice = inputs
        likelihood = (joint.sum(axis=0) * tables.choice[slate, :, choice]).sum()
        joint = update(joint, tables.choice[slate, :, choice], tables.shift[slate])
        return joint, (joint, jnp.log(likelihood))

    _, (joints, logs) = jax.lax.scan(step, prior(params), (slates, choices))
    return joints, logs.sum()


def predict(
    belief: Float[Array, "36"], tables: Tables, policy: Float[Array, "steps slates"]
) -> Float[Array, "steps+1 36"]:
    """Predicts preferences under a policy that does not depend on observations.

    Args:
        belief: P(u) now.
        tables: of the slates.
        policy: the probability of each slate at each step.

    Returns:
        P(u) now and after each step.
    """

    def step(belief: Array, chosen: Array) -> tuple[Array, Array]:
        return jnp.einsum("a,u,auv->v", chosen, belief, tables.shift), belief

    last, before = jax.lax.scan(step, belief, policy)
    return jnp.concatenate([before, last[None]])


def counterfactual(
    joint: Float[Array, "36 36"], tables: Tables, policy: Float[Array, "steps slates"]
) -> Float[Array, "steps+1 36"]:
    """Predicts preferences under another policy from the start: smooths u_0 and rolls forward (Appendix C).

    Args:
        joint: P(u_0, u_t | slates and choices so far).
        tables: of the slates.
        policy: the probability of each slate at each step, from the first.

    Returns:
        P(u_t) at the start and after each step.
    """
    return predict(smoothed(joint), tables, policy)


def powers(kernel: Float[Array, "36 36"], most: int) -> Float[Array, "powers 36 36"]:
    """Gives a transition matrix to the powers of 1, 2, 4 ... up to `most`: what `after` rolls forward by."""
    squares = [kernel]
    for _ in range(1, most.bit_length()):
        squares.append(squares[-1] @ squares[-1])
    return jnp.stack(squares)


def after(
    belief: Float[Array, "*batch 36"], powers: Float[Array, "powers 36 36"], time: Int[Array, ""] | int
) -> Float[Array, "*batch 36"]:
    """Rolls forward by `time` steps of one transition matrix, which many users share.

    Args:
        belief: a distribution over preferences in each row, or a sum of such.
        powers: of the transition matrix (`powers`), up to the largest `time`.
        time: steps, from 0.

    Returns:
        The rows times the matrix to the power of `time`.
    """
    for place, power in enumerate(powers):
        belief = jnp.where(time >> place & 1, belief @ power, belief)
    return belief


def judges_after(kernel: Float[Array, "36 36"], steps: int) -> Float[Array, "steps 36 3"]:
    """Gives how users judge (`dynamics.JUDGES`, in the mean) after 0, 1, ... steps of a transition matrix, by u now.

    Args:
        kernel: P(u' | u), a distribution in each row.
        steps: how many, at least 1.
    """

    def step(judges: Array, _: None) -> tuple[Array, Array]:
        return kernel @ judges, judges

    return jax.lax.scan(step, jnp.asarray(JUDGES, kernel.dtype), length=steps)[1]


def total_variation(one: Float[Array, "36"], other: Float[Array, "36"]) -> Float[Array, ""]:
    """Half the sum of absolute differences, in [0, 1]."""
    return 0.5 * jnp.abs(one - other).sum()
