"""A small environment whose guests value its dishes differently: the best play is known by recursion."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrec import Environment, EnvParams, EnvState, Utilities
from jaxrec.spaces import Box, Discrete
from jaxrec.wrappers import UncertainReward

HORIZON, NOISE, COST = 3, 0.3, 0.15
VALUES = np.array([[1.0, -2.0], [-1.0, 0.5]])  # of the dishes, to each kind of guest
PRIOR = np.array([0.55, 0.45])


class Meal(EnvState):
    """The dish that was served: 0 is none."""

    dish: Any


@dataclasses.dataclass(unsafe_hash=True)
class Kitchen(Environment):
    """Three steps; each serves nothing, or one of two dishes."""

    reward: Any = "penalised"

    @property
    def default_params(self):
        return EnvParams()

    @property
    def fixed_horizon(self):
        return HORIZON

    def reset_env(self, key, params):
        state = Meal(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))
        return self.observe(state, params), state

    def transition(self, key, state, action, params):
        state = state.replace(time=state.time + 1, dish=jnp.asarray(action, jnp.int32))
        return state, state.time >= HORIZON

    def observe(self, state, params):
        return state.time

    def utilities(self, state, action, next_state, params):
        return Utilities(jnp.asarray(action > 0, float), jnp.zeros(()), jnp.zeros(()))

    def metrics(self, state, action, next_state, params):
        return {"soup": jnp.asarray(action == 1, float), "cake": jnp.asarray(action == 2, float)}

    def action_space(self, params=None):
        return Discrete(3)

    def observation_space(self, params=None):
        return Box(0, HORIZON, (), jnp.int32)


ENV = UncertainReward(Kitchen(), ("soup", "cake"), VALUES.tolist())
PARAMS = ENV.default_params.replace(prior=PRIOR.astype(np.float32), cost=COST, noise=NOISE)
