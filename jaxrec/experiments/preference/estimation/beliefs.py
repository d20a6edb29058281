"""What is believed about users from their logs: by a learned model, by exact inference, and by a guess."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxrec.envs.learned import LearnedParams, LearnedUsers, inference
from jaxrec.envs.preference import dynamics
from jaxrec.envs.preference.dynamics import BINS, Users
from jaxrec.estimation import Logs, Trajectories

BATCH = 250  # users whose beliefs are computed at a time


class Beliefs(NamedTuple):
    """What is believed about each user at each time-step: float[users, steps, 36] each.

    Attributes:
        future: P(u_t | steps before t).
        later: P(u_0 | steps 1 ... t).
        initial: P(u_0 | steps 0 ... t).
        counterfactual: P(u_t^rnd | the steps of the logs; steps before t under uniform slates).
    """

    future: Array
    later: Array
    initial: Array
    counterfactual: Array


def natural_twins(key: Array, truth: Trajectories, params: Any) -> Logs:
    """Logs the same users under uniform slates: what they would have chosen.

    Args:
        key: a typed key.
        truth: what the users prefer by nature.
        params: of `PreferenceShift`.

    Returns:
        The logs.
    """
    preferences = truth.natural[:, :-1]
    uniform = jnp.full(BINS, 1 / BINS)
    table = dynamics.choices(uniform, dynamics.users_of(params))
    choices = jax.random.categorical(key, jnp.log(table[preferences])).astype(jnp.int32)
    return Logs(
        slates=jnp.full((*choices.shape, BINS), 1 / BINS),
        choices=choices,
        valid=jnp.ones(choices.shape, bool),
        policy=jnp.zeros(len(choices), jnp.int32),
        policies=("uniform",),
    )


@partial(jax.jit, static_argnums=0)
def estimated(env: LearnedUsers, params: LearnedParams, logs: Logs, twins: Logs) -> Beliefs:
    """Computes the beliefs of a learned model.

    Args:
        env: the model's environment.
        params: of the model.
        logs: of the users.
        twins: of the same users under uniform slates.

    Returns:
        Beliefs about each user.
    """
    network, weights, users = env.network, params.weights, dynamics.users_of(params)

    def of_user(each: tuple[Logs, Logs]) -> Beliefs:
        seen, twin = (inference.remembered(one.slates, one.choices, users) for one in each)
        initial = inference.initial(network, weights.initial, seen)[1:]
        return Beliefs(
            inference.future(network, weights.future, seen)[:-1],
            inference.initial_from_later(network, weights.initial, seen)[1:],
            initial,
            inference.counterfactual(network, weights.counterfactual, twin, jnp.exp(initial[-1]))[:-1],
        )

    return jax.tree.map(jnp.exp, jax.lax.map(of_user, (logs, twins), batch_size=BATCH))


@partial(jax.jit, static_argnums=0)
def future(env: LearnedUsers, params: LearnedParams, logs: Logs) -> Array:
    """Computes the beliefs of a learned model in future preferences alone: `Beliefs.future`.

    Args:
        env: the model's environment.
        params: of the model; the other two networks are not read.
        logs: of the users.

    Returns:
        float[users, steps, 36].
    """
    users = dynamics.users_of(params)

    def of_user(one: Logs) -> Array:
        seen = inference.remembered(one.slates, one.choices, users)
        return inference.future(env.network, params.weights.future, seen)[:-1]

    return jnp.exp(jax.lax.map(of_user, logs, batch_size=BATCH))


@partial(jax.jit, static_argnums=0)
def first(env: LearnedUsers, params: LearnedParams, logs: Logs) -> tuple[Array, Array]:
    """Computes the beliefs of a learned model in initial preferences after all steps.

    Args:
        env: the model's environment, whose network may be bidirectional.
        params: of the model; the other two networks are not read.
        logs: of the users.

    Returns:
        P(u_0 | steps 1 ... T) and P(u_0 | steps 0 ... T), float[users, 36] each.
    """
    users = dynamics.users_of(params)

    def of_user(one: Logs) -> tuple[Array, Array]:
        seen = inference.remembered(one.slates, one.choices, users)
        later = inference.initial_from_later(env.network, params.weights.initial, seen)
        return later[-1], inference.initial(env.network, params.weights.initial, seen)[-1]

    return jax.tree.map(jnp.exp, jax.lax.map(of_user, logs, batch_size=BATCH))


@jax.jit
def oracle(logs: Logs, twins: Logs, params: Any) -> Beliefs:
    """Computes beliefs by exact inference with the true dynamics: the best that can be believed.

    Args:
        logs: of the users.
        twins: of the same users under uniform slates.
        params: of `PreferenceShift`.

    Returns:
        Beliefs about each user.
    """
    users = dynamics.users_of(params)

    def shift(slate: Array) -> Array:
        """What moves preferences is the slate as far as `influence` says."""
        seen = params.influence * slate + (1 - params.influence) / BINS
        return dynamics.shifts(seen, users, params)

    first = dynamics.clipped_normal(params.initial_mean, params.initial_deviation)
    return exactly(logs, twins, users, first, shift)


def exactly(logs: Logs, twins: Logs, users: Users, first: Array, shift: Callable[[Array], Array]) -> Beliefs:
    """Computes beliefs by exact inference in a hidden Markov model of users.

    Args:
        logs: of the users.
        twins: of the same users under uniform slates.
        users: the choice model.
        first: float[36], the distribution of u_0.
        shift: float[36] slate -> float[36, 36], the distribution of the next preference (rows: the present one).

    Returns:
        Beliefs about each user.
    """
    prior = jnp.diag(first)

    def passed(joint: Array, step: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        """P(u_0, u_t) before and after the choice at t, then P(u_0, u_t+1)."""
        slate, choice = step
        after = joint * dynamics.choices(slate, users)[:, choice]
        after = after / after.sum()
        return after @ shift(slate), (joint, after)

    def of_user(each: tuple[Logs, Logs]) -> Beliefs:
        (slates, choices), (under_uniform, chosen) = ((one.slates, one.choices) for one in each)
        _, (before, after) = jax.lax.scan(passed, prior, (slates, choices))
        _, (_, later) = jax.lax.scan(passed, prior @ shift(slates[0]), (slates[1:], choices[1:]))
        initial = after.sum(axis=2)
        twin = jnp.diag(initial[-1])
        _, (counterfactual, _) = jax.lax.scan(passed, twin, (under_uniform, chosen))
        return Beliefs(
            before.sum(axis=1),
            jnp.concatenate([first[None], later.sum(axis=2)]),
            initial,
            counterfactual.sum(axis=1),
        )

    return jax.lax.map(of_user, (logs, twins), batch_size=BATCH)


def everywhere(logs: Logs) -> Beliefs:
    """Beliefs of somebody who guesses."""
    return Beliefs(*[jnp.full((*logs.choices.shape, BINS), 1 / BINS)] * 4)
