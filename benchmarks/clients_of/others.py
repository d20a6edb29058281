"""Clients of gymnax's older convention: rejax, the loop of PureJaxRL, and Stoa, which Stoix is built on."""

from typing import Any, cast

import jax
import jax.numpy as jnp

from benchmarks.clients_of.gymnax import arrays, drawn
from benchmarks.clients_of.reasons import refuse_slates
from jaxrec import Environment
from jaxrec.wrappers import FlattenObservation, LegacyStepAPI, TimeLimit

MAX_STEPS = 50


def rejax_ppo(env: Environment) -> None:
    """Trains and evaluates rejax's PPO."""
    _rejax("PPO", env, num_envs=4, num_steps=8, num_minibatches=2)


def rejax_dqn(env: Environment) -> None:
    """Trains and evaluates rejax's DQN."""
    _rejax("DQN", env, num_envs=2, buffer_size=64, fill_buffer=16, batch_size=8)


def rejax_pqn(env: Environment) -> None:
    """Trains and evaluates rejax's PQN."""
    _rejax("PQN", env, num_envs=4, num_steps=8, num_minibatches=2)


def rejax_iqn(env: Environment) -> None:
    """Trains and evaluates rejax's IQN."""
    _rejax("IQN", env, num_envs=2, buffer_size=64, fill_buffer=16, batch_size=8)


def rejax_sac(env: Environment) -> None:
    """Trains and evaluates rejax's SAC, which has a form for discrete actions."""
    _rejax("SAC", env, num_envs=2, buffer_size=64, fill_buffer=16, batch_size=8)


def _rejax(name: str, env: Environment, **settings: int) -> None:
    """Trains for a few steps; episodes without a common length are cut off, for it evaluates 128 to their ends."""
    import rejax

    refuse_slates(env, "rejax has actions that are one of n or vectors of real numbers")
    bounded = env if env.fixed_horizon else TimeLimit(env, MAX_STEPS)
    agent = getattr(rejax, name).create(
        env=LegacyStepAPI(arrays(bounded)), total_timesteps=64, eval_freq=32, learning_rate=1e-3, **settings
    )
    _, (lengths, returns) = jax.jit(agent.train)(jax.random.key(0))
    assert jnp.isfinite(returns).all()
    assert env.fixed_horizon is None or (lengths == env.fixed_horizon).all()


def purejaxrl(env: Environment) -> None:
    """Plays the calls of PureJaxRL's training loop, which is in no registry: its wrappers, `vmap` and `scan`."""
    from gymnax.wrappers import LegacyStepAPIWrapper, LogWrapper

    wrapped: Any = LegacyStepAPIWrapper(cast(Any, LogWrapper(FlattenObservation(env))))
    params, num_envs = env.default_params, 4
    reset, step = jax.vmap(wrapped.reset, in_axes=(0, None)), jax.vmap(wrapped.step, in_axes=(0, 0, 0, None))

    def body(carry: Any, key: jax.Array) -> tuple[Any, Any]:
        _, state = carry
        keys = jax.random.split(key, num_envs)
        action = jax.vmap(env.action_space(params).sample)(keys)
        obs, state, _, done, info = step(keys, state, action, params)
        return (obs, state), (done, info["returned_episode_returns"])

    start = reset(jax.random.split(jax.random.key(0), num_envs), params)
    _, (done, returns) = jax.jit(lambda: jax.lax.scan(body, start, jax.random.split(jax.random.key(1), 40)))()
    assert env.fixed_horizon is None or done.any()
    assert jnp.isfinite(returns).all()


def stoa(env: Environment) -> None:
    """Steps through the adapter that Stoix has for gymnax."""
    from stoa.env_adapters.gymnax import GymnaxToStoa  # pyright: ignore[reportMissingImports]

    wrapped = GymnaxToStoa(LegacyStepAPI(FlattenObservation(env)), env.default_params)
    state, step = wrapped.reset(jax.random.key(0))
    for key in jax.random.split(jax.random.key(1), 40):
        state, step = wrapped.step(state, drawn(env, key))
    assert step.observation.ndim == 1
