"""Slates as actions: some of the items, in an order, none of them twice."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Int

from jaxrec import checks
from jaxrec.spaces import MAX_DISCRETE, Bounded

MAX_LISTED = 1000
"""How many slates may be listed: a policy's probability of each, at every observation of an audit, is kept."""


class Slate(Bounded):
    """Ordered slates of k of the items 0 ... n - 1, each of them at most once: int32[k], the first place first.

        >>> Slate(100, 5).sample(jax.random.key(0)).shape
        (5,)

    Agents whose network gives n numbers, a score for each item, choose slates: `PPO(env, MLP())`.

    Attributes:
        n: the number of items, at least 1.
        k: the places of a slate, from 1 to n.

    Raises:
        InputError: for other numbers.
    """

    low = 0
    dtype = jnp.dtype(jnp.int32)

    def __init__(self, n: int, k: int):
        checks.positive("n", n, MAX_DISCRETE)
        checks.positive("k", k, n)
        self.n, self.k = n, k
        self.high = n - 1
        self.shape = (k,)

    def __repr__(self) -> str:
        return f"Slate({self.n}, {self.k})"

    def sample(self, key: Array) -> Int[Array, " k"]:
        """Draws a slate, each equally often."""
        return jax.random.permutation(key, self.n)[: self.k].astype(self.dtype)

    def listed(self) -> Int[np.ndarray, "slates k"]:
        """Lists all slates, in the order of a dictionary: int32[n! / (n - k)!, k].

        Raises:
            InputError: where there are more than `MAX_LISTED`.
        """
        count = math.perm(self.n, self.k)
        if count > MAX_LISTED:
            raise checks.InputError(f"{self} must have at most {MAX_LISTED} slates to list them, got {count}")
        return np.array(list(itertools.permutations(range(self.n), self.k)), np.int32)

    def nearest(self, x: ArrayLike) -> Int[Array, " k"]:
        """Gives a slate for any integers: those beyond a bound move to it, and repeats give way to items not shown.

        An item stays where it stands first; the places of its repeats go to the lowest items that are in no place.
        """
        x = jnp.asarray(super().nearest(x))
        repeats = (x[:, None] == x).astype(jnp.int32).cumsum(axis=1).diagonal() > 1
        shown = jnp.zeros(self.n, bool).at[x].set(True)
        others = jnp.argsort(shown, stable=True)[: self.k].astype(x.dtype)
        return jnp.where(repeats, others[jnp.cumsum(repeats) - 1], x)

    def _wanted(self) -> str:
        return f"{super()._wanted()}, none of them twice"

    def _holds(self, x: Array | np.ndarray) -> Any:
        within = super()._holds(x)
        module = jnp if isinstance(x, Tracer | jax.Array) else np
        ordered = module.sort(x)
        return within & (ordered[1:] != ordered[:-1]).all()
