"""Compiled resets and steps of one environment, and of many: what stands behind Gymnasium's classes."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree, UInt32

from jaxrec import measures, vectorized
from jaxrec.environment import Environment

Seeds = UInt32[Array, " 2"] | UInt32[np.ndarray, " 2"]


class Taken(NamedTuple):
    """One step of every environment; leaves [num_envs, ...].

    Attributes:
        step: the transitions.
        info: the entries of `step_env`.
        metrics: measure -> float, the environment's metrics and the utilities.
        present: sparse metric -> whether the step has it, 1.0 or 0.0.
    """

    step: vectorized.Step
    info: dict[str, Array]
    metrics: dict[str, Array]
    present: dict[str, Array]


def seeds(generator: np.random.Generator) -> Seeds:
    """Draws 64 bits for the key of a reset or a step."""
    return generator.integers(2**32, size=2, dtype=np.uint32)


@partial(jax.jit, static_argnames=("env", "num_envs"))
def begin(env: Environment, drawn: Seeds, params: PyTree, num_envs: int) -> tuple[Any, Any]:
    """Begins an episode in each environment.

    Args:
        env: the society.
        drawn: of `seeds`.
        params: run-time values.
        num_envs: how many environments.

    Returns:
        (observations, states), leaves [num_envs, ...].
    """
    return vectorized.reset(env, _key(drawn), params, num_envs)


@partial(jax.jit, static_argnames="env")
def begin_where(env: Environment, drawn: Seeds, done: Array, last: tuple[PyTree, PyTree], params: PyTree) -> PyTree:
    """Begins the next episode in each environment whose episode has ended.

    Args:
        env: the society.
        drawn: of `seeds`.
        done: bool[num_envs].
        last: (observations, states) after the step.
        params: run-time values.

    Returns:
        (observations, states) of the next step.
    """
    return vectorized.where_done(done, vectorized.reset(env, _key(drawn), params, done.shape[0]), last)


@partial(jax.jit, static_argnames="env")
def advance(env: Environment, drawn: Seeds, state: PyTree, obs: PyTree, action: PyTree, params: PyTree) -> Taken:
    """Takes one step of every environment, without resets.

    Args:
        env: the society.
        drawn: of `seeds`.
        state: leaves [num_envs, ...].
        obs: of these states.
        action: one for each environment.
        params: run-time values.

    Returns:
        The steps.
    """
    action = jax.tree.map(jnp.asarray, action)
    keys = jax.random.split(_key(drawn), jax.tree.leaves(state)[0].shape[0])
    next_obs, next_state, reward, terminated, info = jax.vmap(env.step_env, in_axes=(0, 0, 0, None))(
        keys, state, action, params
    )
    truncated = jax.vmap(env.is_truncated, in_axes=(0, None))(next_state, params)
    step = vectorized.Step(state, obs, action, reward, next_state, next_obs, terminated, truncated)
    measured, present = measures.present(env, jax.vmap(partial(measures.measure, env, params))(step))
    return Taken(step, info, {name: value for name, value in measured.items() if name != "reward"}, present)


def _key(drawn: Seeds) -> Array:
    """Makes a typed key of 64 bits, whatever generator JAX is set to."""
    return jax.random.fold_in(jax.random.key(drawn[0]), drawn[1])
