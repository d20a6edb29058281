"""How much a recommender can earn that knows the user by slates and choices alone: bounds from below and above.

From below by point-based value iteration (Pineau, Gordon & Thrun 2003, "Point-based Value Iteration: An Anytime
Algorithm for POMDPs", section 3): each of its alpha vectors is the worth of a plan that can be carried out. From above
by the fast informed bound (Hauskrecht 2000, "Value-Function Approximations for Partially Observable Markov Decision
Processes", section 4.3): the recommender comes to know the user's state one step late.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Key

from jaxrec import checks
from jaxrec.envs.preference import exact, inference
from jaxrec.envs.preference.dynamics import BINS, ShiftValues, Tables

RANDOM_SHARE = 0.2  # of the slates by which beliefs are reached are drawn at random


class BeliefBounds(NamedTuple):
    """What the best recommender earns in an episode that infers the user from slates and choices: float[] each.

    Attributes:
        reached: a plan earns this.
        bound: no recommender earns more than this.
    """

    reached: Array
    bound: Array


class Plans(NamedTuple):
    """What to do at each time, by how much it earns from then on.

    Attributes:
        values: float[horizon, plans, 36, 36], what each earns given u_0 and u_t.
        slates: int32[horizon, plans], the slate that each begins with.
    """

    values: Array
    slates: Array


def delayed(
    tables: Tables, paid: Float[Array, "horizon slates rows 36"], gamma: Array | float
) -> Float[Array, "horizon slates rows 36"]:
    """Computes what each slate is worth to a recommender that comes to know the user's state one step late.

    Args:
        tables: of the slates.
        paid: the reward of each slate at each time, u_0 (rows) and u_t.
        gamma: the discount, float[] in [0, 1].

    Returns:
        The fast informed bound Q(a, u_0, u_t) at each time.
    """

    def step(later: Array, now: Array) -> tuple[Array, Array]:
        worth = now + gamma * jnp.einsum("auv,biv->abiu", tables.shift, later).max(axis=1)
        return worth, worth

    return jax.lax.scan(step, jnp.zeros_like(paid[0]), paid, reverse=True)[1]


def belief_optimal(
    tables: Tables,
    horizon: int,
    params: ShiftValues,
    key: Key[Array, ""],
    safe: Float[Array, "2"] | tuple[float, float] = (0.0, 0.0),
    points: int = 128,
) -> BeliefBounds:
    """Computes between which bounds the undiscounted optimum lies that does not see preferences.

    Args:
        tables: of the slates.
        horizon: steps of an episode.
        params: `PreferenceParams`, of which the initial preferences are read.
        key: draws the choices by which beliefs are reached.
        safe: the weights nu_1, nu_2 of engagement under initial and under natural preferences; Carroll et al. 2022,
            section 5.
        points: beliefs at each time for which plans are sought, at least 1; with more of them the bounds come nearer.

    Returns:
        The bounds, in engagement summed over an episode. A plan earns `reached`, whatever beliefs it was sought for.

    Raises:
        InputError: for a number of points below 1.
    """
    checks.positive("points", points)
    return _bounds(tables, horizon, inference.prior(params), key, jnp.asarray(safe), points)


@partial(jax.jit, static_argnums=(1, 5))
def _bounds(tables: Tables, horizon: int, start: Array, key: Array, safe: Array, points: int) -> BeliefBounds:
    each = exact.rewards(tables, horizon)
    paid = each.engagement + safe[0] * each.initial + safe[1] * each.natural
    late = delayed(tables, paid, 1.0)
    slates = jnp.broadcast_to(jnp.arange(late.shape[1]), late.shape[:2])
    first, second = jax.random.split(key)
    plans = _improved(tables, paid, _met(tables, Plans(late, slates), start, first, points))
    again = _improved(tables, paid, _met(tables, plans, start, second, points))  # for beliefs that plans lead to
    reached = jnp.maximum(_worth(plans.values, start), _worth(again.values, start))
    return BeliefBounds(reached, _worth(late, start))


def _worth(values: Float[Array, "horizon plans 36 36"], start: Array) -> Array:
    """float[]: what the best earns in an episode, by a belief about users at its start."""
    return jnp.einsum("piu,iu->p", values[0], start).max()


def _met(tables: Tables, plans: Plans, start: Array, key: Array, points: int) -> Float[Array, "horizon points 36 36"]:
    """Follows the best plans from a belief at the start, now and then a random slate: beliefs before each slate."""

    def of_user(joint: Array, key: Array, values: Array, slates: Array) -> Array:
        slate_key, chance_key, choice_key = jax.random.split(key, 3)
        best = slates[jnp.einsum("piu,iu->p", values, joint).argmax()]
        random = jax.random.randint(slate_key, (), 0, tables.choice.shape[0])
        slate = jnp.where(jax.random.bernoulli(chance_key, RANDOM_SHARE), random, best)
        choice = jax.random.categorical(choice_key, jnp.log(joint.sum(axis=0) @ tables.choice[slate]))
        return inference.update(joint, tables.choice[slate, :, choice], tables.shift[slate])

    def step(joints: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        values, slates, key = now
        keys = jax.random.split(key, points)
        return jax.vmap(of_user, in_axes=(0, 0, None, None))(joints, keys, values, slates), joints

    joints = jnp.broadcast_to(start, (points, *start.shape))
    keys = jax.random.split(key, len(plans.values))
    return jax.lax.scan(step, joints, (plans.values, plans.slates, keys))[1]


def _improved(tables: Tables, paid: Array, beliefs: Float[Array, "horizon points 36 36"]) -> Plans:
    """Finds the best plan for each belief, backwards in time: a slate, and a later plan after each choice from it."""

    def step(later: Array, now: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        rewards, joints = now

        def of_slate(joint: Array, slate: Array) -> Array:
            """float[36, 36]: what the slate earns, the best plan for this belief thereafter."""
            chosen, shift = tables.choice[slate], tables.shift[slate]  # [u, x], [u, v]
            after = jnp.einsum("iu,ux,uv->xiv", joint, chosen, shift)
            best = jnp.einsum("xiv,piv->xp", after, later).argmax(axis=1)
            return rewards[slate] + jnp.einsum("ux,uv,xiv->iu", chosen, shift, later[best])

        def of_belief(joint: Array) -> tuple[Array, Array]:
            values = jax.lax.map(partial(of_slate, joint), jnp.arange(len(rewards)))
            slate = jnp.einsum("aiu,iu->a", values, joint).argmax()
            return values[slate], slate

        values, slates = jax.lax.map(of_belief, joints)
        return values, (values, slates)

    last = jnp.zeros((beliefs.shape[1], BINS, BINS))
    return Plans(*jax.lax.scan(step, last, (paid, beliefs), reverse=True)[1])
