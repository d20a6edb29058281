"""What can be known of a user's preferences from slates and choices: exact inference in the user's hidden Markov model.

Carroll et al. 2022, sections 3 and 4 and Appendices C to E. The user is a non-homogeneous hidden Markov model: 36
hidden states, a known transition matrix for each slate. A belief is carried as the joint distribution of the first and
the current preference, given all that was seen: its margins are smoothing and filtering.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jaxrec.envs.preference.dynamics import Tables, clipped_normal


def prior(params: Any) -> Float[Array, "36 36"]:
    """P(u_0, u_0) before anything is seen."""
    return jnp.diag(clipped_normal(params.initial_mean, params.initial_deviation))


def condition(joint: Float[Array, "36 36"], tables: Tables, slate: Array | int, choice: Array | int) -> Array:
    """P(u_0, u_t | also the choice made from the slate at t)."""
    joint = joint * tables.choice[slate, :, choice]
    return joint / joint.sum()


def propagate(joint: Float[Array, "36 36"], tables: Tables, slate: Array | int) -> Float[Array, "36 36"]:
    """P(u_0, u_t+1 | ...), the slate having been shown at t."""
    return joint @ tables.shift[slate]


def smoothed(joint: Float[Array, "36 36"]) -> Float[Array, "36"]:
    """P(u_0 | all that was seen)."""
    return joint.sum(axis=1)


def filtered(joint: Float[Array, "36 36"]) -> Float[Array, "36"]:
    """P(u_t | all that was seen)."""
    return joint.sum(axis=0)


def infer(
    tables: Tables, slates: Int[Array, " steps"], choices: Int[Array, " steps"], params: Any
) -> tuple[Float[Array, "steps 36 36"], Float[Array, ""]]:
    """(P(u_0, u_t+1 | slates and choices up to t) for each t, log likelihood of all choices)."""

    def step(joint: Array, inputs: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        slate, choice = inputs
        likelihood = (joint.sum(axis=0) * tables.choice[slate, :, choice]).sum()
        joint = propagate(condition(joint, tables, slate, choice), tables, slate)
        return joint, (joint, jnp.log(likelihood))

    _, (joints, logs) = jax.lax.scan(step, prior(params), (slates, choices))
    return joints, logs.sum()


def predict(
    belief: Float[Array, "36"], tables: Tables, policy: Float[Array, "steps slates"]
) -> Float[Array, "steps+1 36"]:
    """P(u) now and after each step of a policy that shows each slate with some probability, whatever it sees."""

    def step(belief: Array, chosen: Array) -> tuple[Array, Array]:
        return jnp.einsum("a,u,auv->v", chosen, belief, tables.shift), belief

    last, before = jax.lax.scan(step, belief, policy)
    return jnp.concatenate([before, last[None]])


def counterfactual(
    joint: Float[Array, "36 36"], tables: Tables, policy: Float[Array, "steps slates"]
) -> Float[Array, "steps+1 36"]:
    """P(u_t) had the user been served by another policy from the start: smooth u_0, roll forward (Appendix C)."""
    return predict(smoothed(joint), tables, policy)


def natural(joint: Float[Array, "36 36"], naturally: Float[Array, "36 36"]) -> Float[Array, "36"]:
    """P(u_t^rnd | all that was seen), with P(u_t^rnd | u_0) at hand."""
    return smoothed(joint) @ naturally


def total_variation(one: Float[Array, "36"], other: Float[Array, "36"]) -> Float[Array, ""]:
    """Half the sum of absolute differences, in [0, 1]."""
    return 0.5 * jnp.abs(one - other).sum()
