"""What a recommender would do to users, before it is deployed: Monte Carlo over simulated futures.

Carroll et al. 2022, Algorithms 1 and 2 (Appendix E). Algorithm 3, the trajectories that a penalised recommender is
trained on, is `LearnedUsers` itself.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

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
    """Beliefs about each user, averaged over simulated futures; those about steps in the past are the model's.

    Attributes:
        preferences: float[users, steps, 36], P(u_t).
        choices: float[users, steps, 36], P(x_t).
    """

    preferences: Array
    choices: Array


def future_preferences(
    env: LearnedUsers, policy: Policy, key: Array, params: LearnedParams, past: Logs | None = None, samples: int = 100
) -> Anticipated:
    """Algorithm 1: users go on from their past under a new recommender.

    Simulated steps move users as far as `params.influence` says, as in `LearnedUsers`; the past is what happened.

    Args:
        env: the model of users, and the slates that actions stand for.
        policy: the new recommender; it sees the past as if it had been there, then chooses.
        key: a typed key.
        params: of the model.
        past: what each user was shown and chose, of up to `env.horizon` steps; None for one user without any.
        samples: simulated futures of each user, N.

    Raises:
        InputError: for a past that is longer than the horizon, no samples, or parameters out of range.
    """
    past = _checked(env, policy, key, params, past, samples)
    return _future(env, policy, key, canonical(params), past, samples)


def counterfactual_preferences(
    env: LearnedUsers, policy: Policy, key: Array, params: LearnedParams, past: Logs, samples: int = 100
) -> Anticipated:
    """Algorithm 2: the same users, had they been served by another recommender from the start.

    What they did tells what they preferred at first; from there the conditioned network simulates them. Arguments and
    errors as for `future_preferences`.
    """
    past = _checked(env, policy, key, params, past, samples)
    return _counterfactual(env, policy, key, canonical(params), past, samples)


def initial_beliefs(env: LearnedUsers, params: LearnedParams, past: Logs) -> Array:
    """float[users, 36]: P(u_0 | everything in their past)."""

    def of_user(slates: Array, choices: Array, valid: Array) -> Array:
        memory = inference.remembered(slates, choices, dynamics.users_of(params))
        return jnp.exp(inference.initial(env.network, params.weights.initial, memory)[valid.sum()])

    past = past.padded(env.horizon)
    return jax.vmap(of_user)(past.slates, past.choices, past.valid)


def _checked(
    env: LearnedUsers, policy: Policy, key: Array, params: LearnedParams, past: Logs | None, samples: int
) -> Logs:
    """The past, padded; InputError for what cannot be simulated."""
    check_env(env)
    checks.typed_key("key", key)
    checks.positive("samples", samples)
    check_policy(policy)
    env.resolve(params)
    return nobody(env.horizon) if past is None else past.padded(env.horizon)


@jit(static_argnames=("env", "samples"))
def _future(env: LearnedUsers, policy: Any, key: Array, params: Any, past: Logs, samples: int) -> Anticipated:
    def of_user(each: tuple[Array, Logs]) -> Anticipated:
        key, past = each
        return _average(env, policy, key, params, past, samples, lambda state: state.current)

    return jax.lax.map(of_user, (jax.random.split(key, past.num_users), past))


@jit(static_argnames=("env", "samples"))
def _counterfactual(env: LearnedUsers, policy: Any, key: Array, params: Any, past: Logs, samples: int) -> Anticipated:
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
    env: LearnedUsers, policy: Any, key: Array, params: Any, past: Logs, samples: int, believed: Callable[..., Array]
) -> Anticipated:
    """Of the simulated futures of one user; `believed` says what it prefers in a state."""

    def simulate(key: Array) -> Anticipated:
        key, key_reset, key_policy = jax.random.split(key, 3)
        _, state = env.reset_env(key_reset, params)

        def step(carry: Any, inputs: tuple[Array, Logs]) -> tuple[Any, Anticipated]:
            state, memory = carry
            key, known = inputs
            key_act, key_draw = jax.random.split(key)
            action, memory = policy.act(memory, env.observe(state, params), key_act)
            slate = jnp.where(known.valid, known.slates, env.slates[action])
            preference = believed(state)
            seen, choice, remembered = env.choose(slate, preference, jax.random.uniform(key_draw), params)
            seen = jnp.where(known.valid, slate, seen)  # what happened is remembered as it was
            choice, remembered = (jnp.where(known.valid, known.choices, each) for each in (choice, remembered))
            state = env.remember(state, seen, remembered, params).replace(slate=slate, choice=choice)
            chosen = preference @ dynamics.choices(slate, dynamics.users_of(params))
            return (state, memory), Anticipated(preference, chosen)

        steps = past.replace(policy=jnp.broadcast_to(past.policy, past.valid.shape))
        keys = jax.random.split(key, env.horizon)
        return jax.lax.scan(step, (state, policy.init(key_policy)), (keys, steps))[1]

    return jax.tree.map(lambda leaf: leaf.mean(axis=0), jax.vmap(simulate)(jax.random.split(key, samples)))
