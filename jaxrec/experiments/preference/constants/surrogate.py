"""What recommenders that see beliefs would earn from candidates, without training: the fast informed bound.

A belief is the joint distribution of the first and the current preference. Each slate is worth what it would be if the
recommender came to know the user's state one step late (Hauskrecht 2000, "Value-Function Approximations for Partially
Observable Markov Decision Processes", section 4.3: the fast informed bound), averaged over the belief; the recommender
shows the best and updates the belief by exact inference. Without foresight that is the exact optimum. It is nearer than
QMDP, which assumes that the state is known at once: that recommender waits for knowledge that never comes.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxrec.envs.preference import exact
from jaxrec.envs.preference.beliefs import delayed
from jaxrec.envs.preference.dynamics import BINS, DEGREES, Tables, clipped_normal
from jaxrec.experiments.preference.constants.society import CandidateUsers
from jaxrec.runtime.jit_by_class import jit

CONDITIONS = {"myopic": (0.0, 0.0), "rl": (0.99, 0.0), "penalised myopic": (0.0, 1.0), "penalised rl": (0.99, 1.0)}
"""The recommenders of Table 1: discount, and weight of engagement under safe preferences."""

COMMON = np.flatnonzero(np.abs(DEGREES - 130) <= 70)
"""Initial preferences that beliefs hold: within 3.5 deviations of the mean, 0.9998 of all users (Appendix H.1)."""


class Outcome(NamedTuple):
    """What the four recommenders do to the users of one candidate.

    Attributes:
        values: float[conditions, 3], r(u_t), r(u_0), r(u_t^rnd), summed over an episode.
        users: float[conditions, 36], P(u) at the end of the episode.
        natural: float[36], the same under uniform slates.
    """

    values: Array
    users: Array
    natural: Array


def outcome(env: CandidateUsers, params: Any, draws: Float[Array, "horizon users"]) -> Outcome:
    """Plays all four recommenders against one candidate; expectations over beliefs, choices drawn.

    Args:
        env: where users are.
        params: the candidate.
        draws: of each user's choices, from U[0, 1), the same for every recommender.

    Returns:
        What they do.
    """
    tables, rows = env.tables(params), COMMON
    each = exact.rewards(tables, env.horizon)
    judged = jnp.stack([reward[:, :, rows] for reward in each])  # [3, t, a, u_0, u_t]
    common = clipped_normal(params.initial_mean, params.initial_deviation)[rows]
    start = jnp.zeros((len(rows), BINS)).at[np.arange(len(rows)), rows].set(common / common.sum())

    def under(condition: Array) -> tuple[Array, Array]:
        paid = judged[0] + condition[1] * (judged[1] + judged[2])
        return _played(tables, delayed(tables, paid, condition[0]), judged, start, draws)

    values, users = jax.vmap(under)(jnp.asarray(list(CONDITIONS.values())))
    natural = start.sum(axis=0) @ jnp.linalg.matrix_power(tables.natural, env.horizon)
    return Outcome(values, users, natural)


def _played(tables: Tables, worth: Array, judged: Array, start: Array, draws: Array) -> tuple[Array, Array]:
    """float[3] sums over the episode, and float[36], P(u) at its end: of the slates best by `worth`."""

    def of_user(joint: Array, draw: Array, worth: Array, judged: Array) -> tuple[Array, Array]:
        slate = jnp.argmax(jnp.einsum("aiu,iu->a", worth, joint))
        earned = jnp.einsum("kiu,iu->k", judged[:, slate], joint)
        chosen = tables.choice[slate]
        reached = jnp.cumsum(joint.sum(axis=0) @ chosen)
        joint = joint * chosen[:, jnp.argmax(reached > draw * reached[-1])]
        return (joint / joint.sum()) @ tables.shift[slate], earned

    def step(joints: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        worth, judged, draw = now
        joints, earned = jax.vmap(of_user, in_axes=(0, 0, None, None))(joints, draw, worth, judged)
        return joints, earned.mean(axis=0)

    joints = jnp.broadcast_to(start, (draws.shape[1], *start.shape))
    joints, earned = jax.lax.scan(step, joints, (worth, judged.swapaxes(0, 1), draws))
    return earned.sum(axis=0), joints.sum(axis=1).mean(axis=0)


@jit(static_argnames=("env",))
def outcomes(env: CandidateUsers, params: Any, draws: Array) -> Outcome:
    """Plays all four recommenders against every candidate, on the same draws.

    Args:
        env: where users are.
        params: candidates, with a leading axis.
        draws: float[horizon, users], from U[0, 1).

    Returns:
        What they do, with a leading axis of candidates.
    """
    return jax.lax.map(partial(outcome, env, draws=draws), params)
