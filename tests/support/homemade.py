"""A script of a user's: a world, a network, a step size and a reward, which `test_edits` edits."""

import dataclasses
import functools
from typing import ClassVar

import flax.linen as nn
import homemade_helpers as helpers
import jax
import jax.numpy as jnp
import optax
from flax import struct
from probes import Chain

from jaxrec import Utilities

PRICE = 0.5
SCHEDULE = optax.linear_schedule(1.0, 0.1, 10)


def price(state):
    """What a place costs."""
    return PRICE * state.place


def paid(state):
    return price(state) + SCHEDULE(0)


@jax.jit
def jitted(x):
    return x + 1


@functools.cache
def kept(x):
    return x + 2


def doubled(function):
    return lambda x: 2 * function(x)


@doubled
def decorated(x):
    return x + 3


squared = functools.partial(jnp.power, 2)


def first(x):
    return x


def second(x):
    return x


chosen = first


def making(by):
    return lambda x: by * x


low, high = making(1), making(2)
taken = low


class Tax(struct.PyTreeNode):
    rate: float = 0.3

    def of(self, x):
        return self.rate * x


class Plain:
    def __init__(self, by):
        self.by = by

    def times(self, x):
        return self.by * x


plain = Plain(1)


class Base(Chain):
    def bonus(self, state):
        """Of every step."""
        return 1.0


@dataclasses.dataclass(unsafe_hash=True)
class Mine(Base):
    """A world."""

    cost: float = 0.2
    POLICIES: ClassVar = {"free": lambda state: 0.0}
    WEIGHT = 3

    @property
    def scale(self):
        return 1.5

    @staticmethod
    def half(x):
        return x / 2

    @functools.cached_property
    def table(self):
        return jnp.ones(3)

    def utilities(self, state, action, next_state, params):
        """What is earned."""
        earned = next_state.earned - paid(next_state) + self.bonus(next_state) + helpers.extra(1)
        earned += Tax().of(2) + jitted(1) + kept(1) + decorated(1) + squared(3) + chosen(1)
        earned += plain.times(2) + taken(1)
        return Utilities(earned, earned, earned)

    def metrics(self, state, action, next_state, params):
        class Here:
            """Within."""

            value = 1.0

        known = 2 in {1, 2}
        return {"place": Here.value * known + low(1) + high(1) + first(1) + second(1) + next_state.place}


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return self.shown(nn.Dense(2)(x))

    def shown(self, x):
        return x + 4


class Step(struct.PyTreeNode):
    def __call__(self, visits):
        return 1 / (1 + visits)


def rewarding(u, w):
    return price(u) + w.recommender
