"""One step of one environment, which begins its next episode where one ends: `Environment.step`, compiled."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxrec import checks


@partial(jax.jit, static_argnames="env")
def step(
    env: Any, key: Array, state: Any, action: Any, params: Any
) -> tuple[Any, Any, Array, Array, Array, dict[str, Any]]:
    """See `Environment.step`. What classes and shapes decide is checked here, while it is traced, not at every step."""
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
