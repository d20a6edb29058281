"""Tiny environments whose best policy and values are known by hand."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxrec import Environment, EnvParams, EnvState, Utilities
from jaxrec.spaces import Box, Discrete


class ChainState(EnvState):
    """Where the walker is, and what it just earned."""

    place: Any
    earned: Any


@dataclasses.dataclass(unsafe_hash=True)
class Chain(Environment):
    """A walk on 0 ... length - 1 from 0: right moves on, left moves back. Arriving at the end pays 1 and ends the game.

    Every step costs `cost`. Episodes differ in length, so that batches cannot be reset together.
    """

    length: int = 4
    cost: float = 0.1
    reward: Any = "engagement"

    @property
    def default_params(self):
        return EnvParams()

    @property
    def num_observations(self):
        return self.length

    def reset_env(self, key: Array, params: Any):
        state = ChainState(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), jnp.zeros(()))
        return self.observe(state, params), state

    def transition(self, key: Array, state: Any, action: Any, params: Any):
        place = jnp.clip(state.place + 2 * action - 1, 0, self.length - 1)
        arrived = place == self.length - 1
        return state.replace(time=state.time + 1, place=place, earned=arrived - self.cost), arrived

    def observe(self, state: Any, params: Any):
        return state.place

    def utilities(self, state: Any, action: Any, next_state: Any, params: Any):
        return Utilities(next_state.earned, next_state.earned, next_state.earned)

    def metrics(self, state: Any, action: Any, next_state: Any, params: Any):
        return {"place": next_state.place}

    def action_space(self, params: Any = None):
        return Discrete(2)

    def observation_space(self, params: Any = None):
        return Box(0, self.length - 1, (), jnp.int32)

    def observation_index(self, obs: Any):
        return obs


@dataclasses.dataclass(unsafe_hash=True)
class Noisy(Chain):
    """One place, two arms: arm 1 pays 1 with probability 0.7, arm 0 with 0.4. One step an episode."""

    length: int = 2

    @property
    def fixed_horizon(self):
        return 1

    def transition(self, key: Array, state: Any, action: Any, params: Any):
        won = jax.random.uniform(key) < jnp.where(action == 1, 0.7, 0.4)
        return state.replace(time=state.time + 1, earned=jnp.asarray(won, float)), jnp.array(True)
