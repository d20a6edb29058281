"""Action and observation spaces: jittable `sample` and `contains`, as in gymnax.

Each class carries the attributes that gymnax's own spaces carry, and passes for the gymnax class of
the same name in `isinstance` once gymnax is imported. Wrappers and agents written for gymnax test their
spaces that way, and so accept these environments while jaxrec does not depend on gymnax.
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


class Space:
    """A set of values that an action or an observation may take."""

    @property
    def __class__(self) -> type:  # pyright: ignore
        # `isinstance(x, C)` asks `type(x)` first and `x.__class__` second (unittest.mock relies on the same).
        gymnax_spaces = sys.modules.get("gymnax.environments.spaces")
        return getattr(gymnax_spaces, type(self).__name__, type(self))

    def __reduce__(self) -> tuple[Any, ...]:
        # What is pickled is of our class, whatever `__class__` says.
        return _rebuild, (type(self), vars(self))

    def sample(self, key: Array) -> Any:
        """Draws one element uniformly."""
        raise TypeError(f"{type(self).__name__} does not say how to sample")

    def contains(self, x: Any) -> Array:
        """bool[]: whether `x` is an element."""
        raise TypeError(f"{type(self).__name__} does not say what it contains")


class Discrete(Space):
    """The integers 0 ... n - 1 (int32)."""

    def __init__(self, n: int):
        self.n = n
        self.shape = ()
        self.dtype = jnp.dtype(jnp.int32)

    def __repr__(self) -> str:
        return f"Discrete({self.n})"

    def sample(self, key: Array) -> Array:
        """int32[]: drawn uniformly."""
        return jax.random.randint(key, (), 0, self.n)

    def contains(self, x: Any) -> Array:
        """bool[]: an integer in range."""
        x = jnp.asarray(x)
        return jnp.asarray(jnp.issubdtype(x.dtype, jnp.integer)) & (x >= 0) & (x < self.n)


class Box(Space):
    """Arrays of one shape and dtype with every entry in [low, high]."""

    def __init__(self, low: float, high: float, shape: tuple[int, ...], dtype: Any = jnp.float32):
        self.low = low
        self.high = high
        self.shape = shape
        self.dtype = jnp.dtype(dtype)

    def __repr__(self) -> str:
        return f"Box({self.low}, {self.high}, {self.shape}, {self.dtype})"

    def sample(self, key: Array) -> Array:
        """An array drawn uniformly."""
        if jnp.issubdtype(self.dtype, jnp.integer):
            return jax.random.randint(key, self.shape, int(self.low), int(self.high) + 1, self.dtype)
        return jax.random.uniform(key, self.shape, self.dtype, self.low, self.high)

    def contains(self, x: Any) -> Array:
        """bool[]: of the shape, with every entry in range."""
        x = jnp.asarray(x)
        if x.shape != self.shape:
            return jnp.asarray(False)
        return jnp.all((x >= self.low) & (x <= self.high))


class Fields(Space):
    """Structures (such as a `PyTreeNode`) whose named fields each lie in a space; other fields are not looked at."""

    def __init__(self, **fields: Space):
        self.fields = fields

    def __repr__(self) -> str:
        return f"Fields({', '.join(f'{name}={space}' for name, space in self.fields.items())})"

    def contains(self, x: Any) -> Array:
        """bool[]: every field in its space."""
        return jnp.all(jnp.stack([space.contains(getattr(x, name)) for name, space in self.fields.items()]))


def _rebuild(kind: type[Space], attributes: dict[str, Any]) -> Space:
    space = object.__new__(kind)
    vars(space).update(attributes)
    return space
