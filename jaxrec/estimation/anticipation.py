"""Preferences that a recommender would cause, estimated before it is deployed: Monte Carlo over simulated futures.

Carroll et al. 2022, Algorithms 1 and 2 (Appendix E). `LearnedUsers` is Algorithm 3, which gives the trajectories that a
penalised recommender is trained on.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.envs.learned import inference
from jaxrec.envs.learned.env import LearnedParams, LearnedState, LearnedUsers
from jaxrec.envs.preference import dynamics
from jaxrec.estimation.logs import Logs, nobody
from jaxrec.inputs import check_env, check_policy
from jaxrec.parameters import canonical
from jaxrec.policy import Policy
from jaxrec.runtime.jit_by_class import jit


class Anticipated(NamedTuple):
    """Beliefs about each user, averaged over simulated futures; at steps of the past the beliefs of the model.

    Attributes:
        preferences: float[users, steps, 36], P(u_t).
        choices: float[users, steps, 36], P(x_t).
    """

    preferences: Array
    choices: Array


def future_preferences(
    env: LearnedUsers, policy: Policy, key: Array, params: LearnedParams, past: Logs | None = None, samples: int = 100
) -> Anticipated:
    """Anticipates the preferences of users whose past continues under a new recommender: Algorithm 1.

    In simulated steps `params.influence` decides how far users move, like in `LearnedUsers`; the past is fixed.

    Args:
        env: the model of users, and the slates that actions stand for.
        policy: the new recommender; it observes the steps of the past too, and chooses the slates after it.
        key: a typed key.
        params: of the model.
        past: logs of each user, of up to `env.horizon` steps; None for one user without a past.
        samples: simulated futures of each user, N, at least 1.

    Returns:
        The beliefs at all `env.horizon` steps.

    Raises:
        InputError: for a past that is longer than the horizon, no samples, or parameters out of range.
    """
    past = _checked(env, policy, key, params, past, samples)
    return _future(env, policy, key, canonical(params), past, samples)


def counterfactual_preferences(
    env: LearnedUsers, policy: Policy, key: Array, params: LearnedParams, past: Logs, samples: int = 100
) -> Anticipated:
    """Estimates the preferences of the same users, had another recommender served them from the start: Algorithm 2.

    Their past gives a belief in their first preferences; from there the conditioned network simulates them.

    Args:
        env: the model of users, and the slates that actions stand for.
        policy: the other recommender.
        key: a typed key.
        params: of the model.
        past: logs of each user, of up to `env.horizon` steps.
        samples: simulated futures of each user, N, at least 1.

    Returns:
        The beliefs at all `env.horizon` steps.

    Raises:
        InputError: for a past that is longer than the horizon, no samples, or parameters out of range.
    """
    past = _checked(env, policy, key, params, past, samples)
    return _counterfactual(env, policy, key, canonical(params), past, samples)


def initial_beliefs(env: LearnedUsers, params: LearnedParams, past: Logs) -> Array:
    """Gives the belief in the first preference of each user after the whole past, P(u_0 | past).

    Args:
        env: the model of users.
        params: of the model.
        past: logs of each user, of up to `env.horizon` steps.

    Returns:
        float[users, 36].

    Raises:
        InputError: for a past that is longer than the horizon.
    """

    def of_user(slates: Array, choices: Array, valid: Array) -> Array:
        memory = inference.remembered(slates, choices, dynamics.users_of(params))
        return jnp.exp(inference.initial(env.network, params.weights.initial, memory)[valid.sum()])

    past = past.require("slates", "choices", reader="beliefs about users").padded(env.horizon)
    return jax.vmap(of_user)(past.slates, past.choices, past.valid)


def _checked(
    env: LearnedUsers, policy: Policy, key: Array, params: LearnedParams, past: Logs | None, samples: int
) -> Logs:
    """Pads the past. Raises InputError for arguments that cannot be simulated."""
    check_env(env)
    checks.typed_key("key", key)
    checks.positive("samples", samples)
    check_policy(policy)
    env.resolve(params)
    past = nobody(env.horizon) if past is None else past
    return past.only("slates", "choices", reader="anticipation").padded(env.horizon)


@jit(static_argnames=("env", "samples"))
def _future(env: LearnedUsers, policy: Policy, key: Array, params: PyTree, past: Logs, samples: int) -> Anticipated:
    def of_user(each: tuple[Array, Logs]) -> Anticipated:
        key, past = each
        return _average(env, policy, key, params, past, samples, lambda state: state.current)

    return jax.lax.map(of_user, (jax.random.split(key, past.num_users), past))


@jit(static_argnames=("env", "samples"))
def _counterfactual(
    env: LearnedUsers, policy: Policy, key: Array, params: PyTree, past: Logs, samples: int
) -> Anticipated:
    def of_user(each: tuple[Array, Array]) -> Anticipated:
        key, first = each

        def believed(state: LearnedState) -> Array:
            every = inference.counterfactual(env.network, params.weights.counterfactual, state.memory, first)
            return jnp.exp(every[state.time])

        new = jax.tree.map(lambda leaf: leaf[0], nobody(env.horizon))
        return _average(env, policy, key, params, new, samples, believed)

    beliefs = initial_beliefs(env, params, past)
    return jax.lax.map(of_user, (jax.random.split(key, past.num_users), beliefs))


def _average(
    env: LearnedUsers,
    policy: Policy,
    key: Array,
    params: PyTree,
    past: Logs,
    samples: int,
    believed: Callable[..., Array],
) -> Anticipated:
    """Averages the simulated futures of one user; `believed` gives the belief in its preference in a state."""

    def simulate(key: Array) -> Anticipated:
        key, key_reset, key_policy = jax.random.split(key, 3)
        _, state = env.reset_env(key_reset, params)

        def step(carry: PyTree, inputs: tuple[Array, Logs]) -> tuple[PyTree, Anticipated]:
            state, memory = carry
            key, known = inputs
            key_act, key_draw = jax.random.split(key)
            action, memory = policy.act(memory, env.observe(state, params), key_act)
            slate = jnp.where(known.valid, known.slates, env.slates[action])
            preference = believed(state)
            seen, choice, remembered = env.choose(slate, preference, jax.random.uniform(key_draw), params)
            seen = jnp.where(known.valid, slate, seen)  # the user remembers the true past
            choice, remembered = (jnp.where(known.valid, known.choices, each) for each in (choice, remembered))
            state = env.remember(state, seen, remembered, params).replace(slate=slate, choice=choice)
            chosen = preference @ dynamics.choices(slate, dynamics.users_of(params))
            return (state, memory), Anticipated(preference, chosen)

        steps = past.replace(policy=jnp.broadcast_to(past.policy, past.valid.shape))
        keys = jax.random.split(key, env.horizon)
        return jax.lax.scan(step, (state, policy.init(key_policy)), (keys, steps))[1]

    return jax.tree.map(lambda leaf: leaf.mean(axis=0), jax.vmap(simulate)(jax.random.split(key, samples)))
