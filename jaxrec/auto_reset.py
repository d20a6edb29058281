"""One step of one environment with its automatic reset, compiled: `Environment.step`."""

from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks

State = TypeVar("State")


@partial(jax.jit, static_argnames="env")
def step(
    env: Any, key: Array, state: State, action: PyTree, params: PyTree
) -> tuple[Any, State, Array, Array, Array, dict[str, Any]]:
    """Takes one step and begins the next episode where one ends.

    Classes and shapes are checked here, while JAX traces the step, and not again at every step.

    Args:
        env: the environment.
        key: a typed key.
        state: of one society.
        action: of the shape and the kind of the elements of the action space.
        params: run-time values; the environment's defaults if None.

    Returns:
        (observation, state, reward, terminated, truncated, info), documented at `Environment.step`.

    Raises:
        InputError: for a wrong state, or parameters of another environment.
    """
    if not hasattr(state, "time"):
        raise checks.InputError(f"state of {env.name} must be one that reset or step gave, got {checks.brief(state)}")
    params = env.default_params if params is None else params
    env.check_type(params)
    key_step, key_reset = jax.random.split(key)
    obs, state, reward, terminated, info = env.step_env(key_step, state, action, params)
    truncated = env.is_truncated(state, params)
    done = terminated | truncated
    info = info | {
        "terminated": terminated,
        "truncated": truncated,
        "discount": 1.0 - terminated,
        "final_observation": obs,
    }
    obs, state = jax.tree.map(
        lambda fresh, old: jnp.where(done, fresh, old), env.reset_env(key_reset, params), (obs, state)
    )
    return obs, state, reward, terminated, truncated, info
