"""A small society that is served slates, and its optimum by dynamic programming over enumerated slates."""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import Environment, EnvParams, EnvState, Utilities
from jaxrec.slates import Slate
from jaxrec.spaces import Box

PULL = (1.0, 0.5, 0.8, 0.2)  # how much each item attracts
WORTH = (0.2, 0.4, 1.0, 0.6)  # what it pays
PLACES = (0.0, -1.0)  # what a place adds to the pull
BORED = -4.0  # what the item of the step before loses


class ShelfState(EnvState):
    """The item that was taken last, `len(PULL)` at first, and what it paid."""

    last: Any
    earned: Any


@dataclasses.dataclass(unsafe_hash=True)
class Shelf(Environment):
    """A user takes one item of a slate of two, by a softmax over its pull, its place and boredom with the last item."""

    horizon: int = 3
    reward: Any = "engagement"

    @property
    def default_params(self):
        return EnvParams()

    @property
    def fixed_horizon(self):
        return self.horizon

    def reset_env(self, key: Array, params: Any):
        state = ShelfState(jnp.zeros((), jnp.int32), jnp.full((), len(PULL), jnp.int32), jnp.zeros(()))
        return self.observe(state, params), state

    def transition(self, key: Array, state: Any, action: Any, params: Any):
        pull = jnp.asarray(PULL)[action] + jnp.asarray(PLACES) + BORED * (action == state.last)
        last = action[jax.random.categorical(key, pull)]
        state = ShelfState(state.time + 1, last, jnp.asarray(WORTH)[last])
        return state, state.time >= self.horizon

    def observe(self, state: Any, params: Any):
        return jnp.concatenate([jax.nn.one_hot(state.last, len(PULL)), (state.time / self.horizon)[None]])

    def utilities(self, state: Any, action: Any, next_state: Any, params: Any):
        return Utilities(next_state.earned, next_state.earned, next_state.earned)

    def metrics(self, state: Any, action: Any, next_state: Any, params: Any):
        return {"taken": next_state.last}

    def action_space(self, params: Any = None):
        return Slate(len(PULL), len(PLACES))

    def observation_space(self, params: Any = None):
        return Box(0, 1, (len(PULL) + 1,))


def optimum(horizon):
    """(value of the best policy, value of uniform slates), by loops."""
    slates = list(itertools.permutations(range(len(PULL)), len(PLACES)))

    def taken(slate, last):
        pull = [PULL[item] + place + BORED * (item == last) for item, place in zip(slate, PLACES, strict=True)]
        return np.exp(pull) / np.exp(pull).sum()

    def of_all(values):
        """float[last, slates], what a step of each slate and all steps after it are worth."""
        return [[taken(s, last) @ [WORTH[i] + values[i] for i in s] for s in slates] for last in range(len(PULL) + 1)]

    best = uniform = np.zeros(len(PULL) + 1)
    for _ in range(horizon):
        best, uniform = np.max(of_all(best), axis=1), np.mean(of_all(uniform), axis=1)
    return best[-1], uniform[-1]
