"""Tiny environments whose best policy and values are known by hand."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec import Environment, EnvParams, EnvState, Utilities
from jaxrec.policy import Stateless
from jaxrec.spaces import Box, Discrete, Fields


class ChainState(EnvState):
    """Where the walker is, and what it just earned."""

    place: Any
    earned: Any


class Bent(Stateless, struct.PyTreeNode):
    """Right as often as told."""

    right: Any

    def act(self, carry, obs, key):
        return jax.random.bernoulli(key, self.right).astype(jnp.int32), carry


@dataclasses.dataclass(unsafe_hash=True)
class Chain(Environment):
    """A walk on 0 ... length - 1 from 0: right moves on, left moves back. Arriving at the end pays 1 and ends the game.

    Every step costs `cost`. Episodes differ in length, so that updates cannot be reset together.
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
        place = jnp.clip(state.place + 2 * action - 1, 0, self.length - 1).astype(state.place.dtype)
        arrived = place == self.length - 1
        return state.replace(time=state.time + 1, place=place, earned=jnp.asarray(arrived - self.cost, float)), arrived

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


class CueState(EnvState):
    """What was shown at the start, and what was just earned."""

    cue: Any
    earned: Any


@dataclasses.dataclass(unsafe_hash=True)
class Cue(Environment):
    """A cue, 0 or 1, is seen in the first of `length` steps alone; the last step pays 1 for the action that equals it.

    The observation is (cue is 0, cue is 1, this is the last step).
    """

    length: int = 1
    reward: Any = "engagement"

    @property
    def default_params(self):
        return EnvParams()

    @property
    def fixed_horizon(self):
        return self.length

    def reset_env(self, key: Array, params: Any):
        cue = jax.random.bernoulli(key).astype(jnp.int32)
        state = CueState(jnp.zeros((), jnp.int32), cue, jnp.zeros(()))
        return self.observe(state, params), state

    def transition(self, key: Array, state: Any, action: Any, params: Any):
        last = state.time == self.length - 1
        earned = jnp.asarray(last & (action == state.cue), float)
        return state.replace(time=state.time + 1, earned=earned), last

    def observe(self, state: Any, params: Any):
        shown = jax.nn.one_hot(state.cue, 2) * (state.time == 0)
        return jnp.append(shown, state.time == self.length - 1)

    def utilities(self, state: Any, action: Any, next_state: Any, params: Any):
        return Utilities(next_state.earned, next_state.earned, next_state.earned)

    def metrics(self, state: Any, action: Any, next_state: Any, params: Any):
        return {"earned": next_state.earned}

    def action_space(self, params: Any = None):
        return Discrete(2)

    def observation_space(self, params: Any = None):
        return Box(0, 1, (3,))


@dataclasses.dataclass(unsafe_hash=True)
class Clock(Cue):
    """Every step pays 1, whatever is done; the observation is the time (one-hot), and `length` steps end the game."""

    length: int = 5

    def transition(self, key: Array, state: Any, action: Any, params: Any):
        return state.replace(time=state.time + 1, earned=jnp.ones(())), state.time == self.length - 1

    def observe(self, state: Any, params: Any):
        return jax.nn.one_hot(jnp.minimum(state.time, self.length - 1), self.length)

    def observation_space(self, params: Any = None):
        return Box(0, 1, (self.length,))


class MaskedObservation(struct.PyTreeNode):
    """Which of three arms may be pulled, and whether any is asked for."""

    action_mask: Any
    requested: Any


@dataclasses.dataclass(unsafe_hash=True)
class MaskedArms(Cue):
    """Arm i pays i. In half of the games (cue 1) the last arm is not valid, and pays -10; `asks` is `requested`."""

    asks: bool = True

    def transition(self, key: Array, state: Any, action: Any, params: Any):
        earned = jnp.where((state.cue == 1) & (action == 2), -10.0, jnp.asarray(action, float))
        return state.replace(time=state.time + 1, earned=earned), jnp.array(True)

    def observe(self, state: Any, params: Any):
        return MaskedObservation(jnp.array([True, True, False]) | (state.cue == 0), jnp.asarray(self.asks))

    def action_space(self, params: Any = None):
        return Discrete(3)

    def observation_space(self, params: Any = None):
        return Fields(action_mask=Box(0, 1, (3,), bool), requested=Box(0, 1, (), bool))
