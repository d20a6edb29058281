"""gymnax's own environments behind our interface, so that our agents can be held against known tasks."""

import dataclasses
from typing import Any

import gymnax
import jax.numpy as jnp
from jax import Array

from jaxrec import Environment, EnvParams, EnvState, Utilities
from jaxrec.spaces import Box, Discrete


class GymnaxState(EnvState):
    """gymnax's state, what it observes and what it paid."""

    inner: Any
    obs: Any
    paid: Any


@dataclasses.dataclass(unsafe_hash=True)
class Gymnax(Environment):
    """The gymnax environment `id`; its time limit truncates."""

    id: str = "CartPole-v1"
    reward: Any = "engagement"

    def __post_init__(self):
        self._env, self._params = gymnax.make(self.id)

    @property
    def default_params(self):
        return EnvParams()

    @property
    def may_truncate(self):
        return True

    def is_truncated(self, state: Any, params: Any):
        return self._env.is_truncated(state.inner, self._params)

    def reset_env(self, key: Array, params: Any):
        obs, inner = self._env.reset_env(key, self._params)
        inner = inner.replace(time=jnp.asarray(inner.time, jnp.int32))
        return obs, GymnaxState(jnp.zeros((), jnp.int32), inner, obs, jnp.zeros(()))

    def transition(self, key: Array, state: Any, action: Any, params: Any):
        obs, inner, paid, terminated, _ = self._env.step_env(key, state.inner, action, self._params)
        return GymnaxState(state.time + 1, inner, obs, jnp.asarray(paid, float)), terminated

    def observe(self, state: Any, params: Any):
        return state.obs

    def utilities(self, state: Any, action: Any, next_state: Any, params: Any):
        return Utilities(next_state.paid, next_state.paid, next_state.paid)

    def metrics(self, state: Any, action: Any, next_state: Any, params: Any):
        return {"paid": next_state.paid}

    def action_space(self, params: Any = None):
        return Discrete(self._env.num_actions)

    def observation_space(self, params: Any = None):
        return Box(-jnp.inf, jnp.inf, self._env.observation_space(self._params).shape)
