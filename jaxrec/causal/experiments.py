"""Paired interventions: steps that were visited, and the same steps with one input of another."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec.causal.outcomes import Inputs, Outcome, named, outcome
from jaxrec.environment import Environment
from jaxrec.inputs import check_acts
from jaxrec.policy import Policy, Random
from jaxrec.runtime.jit_by_class import jit

NUM_STEPS = 16  # steps of an episode that are visited, at most


def visited(env: Environment, params: PyTree, key: Array, policy: Policy | None, samples: int) -> Inputs:
    """Plays episodes, and gives their steps.

    Args:
        env: the environment.
        params: run-time values.
        key: a typed key.
        policy: the recommender; the environment's "random" one, or random actions, if None.
        samples: steps, at least 2.

    Returns:
        Leaves [samples, ...]; keys of their own.
    """
    if policy is None:
        policy = env.policy("random", params) if "random" in env.policies else Random(env.action_space(params))
    num_steps = min(NUM_STEPS, env.fixed_horizon or NUM_STEPS, max(1, samples // 2))
    key_play, key_steps = jax.random.split(key)
    check_acts(policy, env, jax.eval_shape(env.reset_env, key, params)[0])
    played = _play(env, policy, params, jax.random.split(key_play, -(-samples // num_steps)), num_steps)
    flat = jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:])[:samples], played)
    return Inputs(jax.random.split(key_steps, samples), *flat)


@jit(static_argnames=("env", "num_steps"))
def _play(env: Environment, policy: Policy, params: PyTree, keys: Array, num_steps: int) -> PyTree:
    """Gives (state, action, next state) of every step, [steps, keys, ...]; what ends begins again as it began."""

    def episode(key: Array) -> PyTree:
        key_reset, key_init, key_steps = jax.random.split(key, 3)
        _, start = env.reset_env(key_reset, params)
        first = (start, policy.init(key_init))

        def step(carry: PyTree, key: Array) -> tuple[PyTree, PyTree]:
            key_act, key_step = jax.random.split(key)
            state, memory = carry
            action, memory = policy.act(memory, env.observe(state, params), key_act)
            action = env.legal_action(action, params)
            next_state, terminated = env.transition(key_step, state, action, params)
            ended = terminated | env.is_truncated(next_state, params)
            carry = jax.tree.map(lambda old, new: jnp.where(ended, old, new), first, (next_state, memory))
            return carry, (state, action, next_state)

        return jax.lax.scan(step, first, jax.random.split(key_steps, num_steps))[1]

    return jax.vmap(episode, out_axes=1)(keys)


def effects(env: Environment, params: PyTree, given: Inputs, key: Array) -> Outcome:
    """Replaces one input after the other by that of another step, and notes which outputs differ.

    Every output is compared with that of the same compiled program at the same place of the batch, so that the same
    inputs give the same bits.

    Args:
        env: the environment.
        params: run-time values.
        given: steps, leaves [samples, ...].
        key: a typed key, for which step lends its inputs to which.

    Returns:
        In each leaf the names (`named`) of the inputs that changed it in some step, as a frozenset.
    """
    samples = given.key.shape[0]
    cycle = jax.random.permutation(key, samples)
    partner = jnp.zeros(samples, jnp.int32).at[cycle].set(jnp.roll(cycle, 1))  # never the step itself
    names, leaves = jax.tree.leaves(named(given)), jax.tree.leaves(given)
    before = _outcomes(env, params, given)
    sources = jax.tree.map(lambda _: frozenset(), before)
    for source in dict.fromkeys(names):
        pairs = zip(names, leaves, strict=True)
        changed = [leaf[partner] if name == source else leaf for name, leaf in pairs]
        after = _outcomes(env, params, jax.tree.unflatten(jax.tree.structure(given), changed))
        differs = jax.tree.map(_differs, before, after)
        sources = jax.tree.map(lambda known, new, name=source: known | {name} if new else known, sources, differs)
    return sources


@jit(static_argnames="env")
def _outcomes(env: Environment, params: PyTree, given: Inputs) -> Outcome:
    """Takes the steps of a batch."""
    return jax.vmap(lambda one: outcome(env, params, one))(given)


def _differs(before: Array, after: Array) -> bool:
    """Whether any value differs; NaN equals NaN."""
    if jnp.issubdtype(before.dtype, jax.dtypes.prng_key):
        before, after = jax.random.key_data(before), jax.random.key_data(after)
    return not np.array_equal(before, after, equal_nan=bool(jnp.issubdtype(before.dtype, jnp.inexact)))
