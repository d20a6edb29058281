"""Exact optima and exact values of policies that observe the user's whole state, by dynamic programming.

Given the first preference u_0 and the current one u_t, the future depends on the slates alone. The optimum bounds
recommenders with less information.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jaxrec import checks
from jaxrec.envs.preference.dynamics import BINS, JUDGES, ShiftValues, Tables, clipped_normal
from jaxrec.runtime.jit_by_class import jit

TIE = 1e-5
"""The difference in value up to which slates are shown equally often: rounding must not decide between them."""


class Worth(NamedTuple):
    """Engagement summed over an episode, expected over users: float[] each.

    Attributes:
        engagement: r(u_t), under current preferences.
        initial: r(u_0), under initial preferences.
        natural: r(u_t^rnd), under natural preferences: those of the same user under uniform slates.
    """

    engagement: Array
    initial: Array
    natural: Array


def natural_preferences(tables: Tables, horizon: int, age: Int[Array, ""] | int = 0) -> Float[Array, "horizon 36 36"]:
    """Computes P(u_t^rnd | u_0) for t = age ... age + horizon - 1.

    Args:
        tables: of the slates.
        horizon: steps of an episode.
        age: steps that lie between u_0 and the start of the episode.

    Returns:
        A transition matrix for each time.
    """

    def step(now: Array, _: None) -> tuple[Array, Array]:
        return now @ tables.natural, now

    first = jax.lax.fori_loop(0, age, lambda _, now: now @ tables.natural, jnp.eye(BINS))
    return jax.lax.scan(step, first, None, horizon)[1]


def rewards(tables: Tables, horizon: int, age: Int[Array, ""] | int = 0) -> Worth:
    """Computes the engagement expected of each slate at each time.

    Args:
        tables: of the slates.
        horizon: steps of an episode.
        age: steps that lie between u_0 and the start of the episode.

    Returns:
        float[horizon, slates, u_0, u_t] each.
    """
    shape = (horizon, tables.liked.shape[0], BINS, BINS)
    engagement = (tables.liked * JUDGES).sum(axis=-1)  # [slates, u_t]
    initial = jnp.einsum("auk,ik->aiu", tables.liked, JUDGES)
    later = natural_preferences(tables, horizon, age) @ JUDGES  # [t, u_0, 3]
    return Worth(
        jnp.broadcast_to(engagement[None, :, None, :], shape),
        jnp.broadcast_to(initial[None], shape),
        jnp.einsum("auk,tik->taiu", tables.liked, later),
    )


@jit(static_argnames=("horizon", "counts"))
def optimal(
    tables: Tables,
    horizon: int,
    safe: Float[Array, "2"] | tuple[ArrayLike, ArrayLike] = (0.0, 0.0),
    gamma: ArrayLike = 1.0,
    counts: Literal["dwell", "click"] = "dwell",
    age: Int[Array, ""] | int = 0,
) -> Float[Array, "horizon slates 36 36"]:
    """Computes the best policy by backward induction.

    Args:
        tables: of the slates.
        horizon: steps of an episode.
        safe: the weights nu_1, nu_2 of engagement under initial and under natural preferences; section 5.
        gamma: the discount, float[] in [0, 1]; 0 is myopic.
        counts: the recommender's utility, next to safe engagement: "dwell", engagement under current preferences; or
            "click".
        age: steps that lie between u_0 and the start of the episode.

    Returns:
        The probability of each slate at each time, u_0 and u_t.

    Raises:
        InputError: for another value of `counts`.
    """
    each = rewards(tables, horizon, age)
    counted = checks.lookup({"dwell": each.engagement, "click": tables.click[:, None, :]}, counts, "counts")
    paid = counted + safe[0] * each.initial + safe[1] * each.natural

    def step(later: Array, now: Array) -> tuple[Array, Array]:
        worth = now + gamma * jnp.einsum("auv,iv->aiu", tables.shift, later)
        best = worth.max(axis=0)
        equal = (worth >= best - TIE).astype(worth.dtype)
        return best, equal / equal.sum(axis=0)

    return jax.lax.scan(step, jnp.zeros((BINS, BINS)), paid, reverse=True)[1]


def occupancy(
    tables: Tables, policy: Float[Array, "horizon slates 36 36"], params: ShiftValues
) -> Float[Array, "times 36 36"]:
    """Computes P(u_0, u_t) over all users for t = 0 ... horizon.

    Args:
        tables: of the slates.
        policy: the probability of each slate at each time, u_0 and u_t, as `optimal` returns.
        params: `PreferenceParams`, of which the initial preferences are read.

    Returns:
        A joint distribution for each time.
    """
    start = jnp.diag(clipped_normal(params.initial_mean, params.initial_deviation))

    def step(users: Array, chosen: Array) -> tuple[Array, Array]:
        return jnp.einsum("aiu,auv->iv", users * chosen, tables.shift), users

    last, before = jax.lax.scan(step, start, policy)
    return jnp.concatenate([before, last[None]])


def preferences(
    tables: Tables, policy: Float[Array, "horizon slates 36 36"], params: ShiftValues
) -> Float[Array, "times 36"]:
    """Computes P(u_t) over all users for t = 0 ... horizon.

    Args:
        tables: of the slates.
        policy: the probability of each slate at each time, u_0 and u_t, as `optimal` returns.
        params: `PreferenceParams`, of which the initial preferences are read.

    Returns:
        A distribution for each time.
    """
    return occupancy(tables, policy, params).sum(axis=1)


def worth(tables: Tables, policy: Float[Array, "horizon slates 36 36"], params: ShiftValues) -> Worth:
    """Computes the exact engagement of a policy in an episode.

    Args:
        tables: of the slates.
        policy: the probability of each slate at each time, u_0 and u_t, as `optimal` returns.
        params: `PreferenceParams`, of which the initial preferences are read.

    Returns:
        Sums over the episode, expected over users.
    """
    served = occupancy(tables, policy, params)[:-1, None] * policy
    return Worth(*((served * reward).sum() for reward in rewards(tables, policy.shape[0])))


def clicks(tables: Tables, policy: Float[Array, "horizon slates 36 36"], params: ShiftValues) -> Float[Array, ""]:
    """Computes the exact clicks of a policy in an episode.

    Args:
        tables: of the slates.
        policy: the probability of each slate at each time, u_0 and u_t, as `optimal` returns.
        params: `PreferenceParams`, of which the initial preferences are read.

    Returns:
        The sum over the episode, expected over users.
    """
    return (occupancy(tables, policy, params)[:-1, None] * policy * tables.click[:, None, :]).sum()
