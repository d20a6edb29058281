"""Action and observation spaces: jittable `sample` and `contains`, as in gymnax.

Each class has the attributes of the gymnax class of the same name (`Fields` of `Dict`), and passes for it in
`isinstance` once gymnax is imported. Wrappers and agents written for gymnax test spaces so, and accept these
environments, while jaxrec does not depend on gymnax.

An observation is an array, or a structure of arrays: a dict, a named tuple, a `PyTreeNode`. `field_of` reads a field of
a structure, `Fields` is the space of a structure, and `flatten` makes a vector of it.
"""

import reprlib
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float, PyTree

from jaxrec import bounds, checks

KINDS = {np.bool_: "bool", np.integer: "an integer", np.floating: "a float"}
MAX_DISCRETE = 2**31 - 1  # integers in 0 ... n - 1, of int32
_MISSING = object()


def field_of(obs: PyTree, name: str, default: object = _MISSING) -> Any:
    """Reads a field of an observation: the value of the key in a dict, else the attribute.

    Args:
        obs: an observation of several fields; fields of its fields are not searched.
        name: of the field.
        default: returned where there is no such field.

    Returns:
        The field, or the default.

    Raises:
        LookupError, AttributeError: if there is no such field and no default.
    """
    if isinstance(obs, Mapping):
        return obs[name] if default is _MISSING else obs.get(name, default)
    return getattr(obs, name) if default is _MISSING else getattr(obs, name, default)


def flatten(obs: PyTree) -> Float[Array, " n"]:
    """Makes one vector of an observation of any structure: its leaves as floats, in the order of the PyTree."""
    return ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, float), obs))[0]


class Space:
    """A set of values that an action or an observation may take."""

    gymnax_name: ClassVar[str | None] = None  # of the class of gymnax that it passes for, where it has another name

    @property
    def __class__(self) -> type:  # pyright: ignore
        # `isinstance(x, C)` asks `type(x)` first and `x.__class__` second (unittest.mock relies on the same).
        gymnax_spaces = sys.modules.get("gymnax.environments.spaces")
        return getattr(gymnax_spaces, self.gymnax_name or type(self).__name__, type(self))

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle names the class of jaxrec, although `__class__` may be the one of gymnax.
        return _rebuild, (type(self), vars(self))

    def sample(self, key: Array) -> Any:
        """Draws one element uniformly, as far as the space has bounds."""
        raise TypeError(f"{type(self).__name__} does not say how to sample")

    def contains(self, x: PyTree) -> Array:
        """Tells whether `x` is an element, as bool[]."""
        raise TypeError(f"{type(self).__name__} does not say what it contains")

    def nearest(self, x: PyTree) -> PyTree:
        """Gives the element nearest to `x`, which has the form of one; by default `x` itself."""
        return x

    def check_form(self, name: str, x: object) -> None:
        """Raises InputError unless `x`, called `name`, has the shape and the kind of an element, traced or not.

        By default every `x` passes.
        """

    def check(self, name: str, x: object) -> None:
        """Raises InputError unless `x`, called `name`, has the form of an element and, where it is concrete, is one."""
        self.check_form(name, x)
        if not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(x)) and not self.contains(x):
            raise checks.InputError(f"{name} must be in {self}, got {reprlib.repr(x)}")


class Bounded(Space):
    """Arrays of one shape and dtype between two bounds: the common base of `Discrete` and `Box`.

    Attributes:
        low, high: the bounds, themselves allowed; numbers, or arrays that broadcast to the shape.
        shape, dtype: of the arrays.
    """

    low: ArrayLike
    high: ArrayLike
    shape: tuple[int, ...]
    dtype: np.dtype

    def contains(self, x: object) -> Array:
        """Tells, as bool[], whether `x` has the shape and the kind (bool, integer, float), and no entry out of range.

        NaN is out of range.
        """
        x = bounds.as_array(x, self.dtype)
        return jnp.asarray(self._has_form(x) and self._holds(x))

    def nearest(self, x: ArrayLike) -> Array:
        """Moves each entry of `x` that is beyond a bound to the bound."""
        x = jnp.asarray(x)
        return x if jnp.issubdtype(x.dtype, np.bool_) else bounds.clipped(x, *self._limits(x.dtype))

    def check_form(self, name: str, x: object) -> None:
        """Raises InputError unless `x`, called `name`, has the shape and the kind, traced or not."""
        self._formed(name, x)

    def check(self, name: str, x: object) -> None:
        """Raises InputError unless `x`, called `name`, has the form and, where it is concrete, is within the bounds."""
        array = self._formed(name, x)
        if isinstance(array, Tracer):
            return
        holds = self._holds(np.asarray(array))
        if not isinstance(holds, Tracer) and not holds:
            raise checks.InputError(f"{name} must be {self._wanted()}, got {reprlib.repr(array.tolist())}")

    def _formed(self, name: str, x: object) -> Array | np.ndarray:
        """Converts `x` to an array. Raises InputError unless it has the shape and the kind."""
        array = bounds.as_array(x, self.dtype)
        if not self._has_form(array):
            is_none = isinstance(array, np.ndarray) and array.dtype.kind in "OSU"
            given = checks.brief(x) if is_none else f"{array.dtype}{list(array.shape)}"
            raise checks.InputError(f"{name} must be {self._wanted()}, got {given}")
        return array

    def _wanted(self) -> str:
        of = f" of shape {list(self.shape)}" if self.shape else ""
        return f"{KINDS[_kind(self.dtype)]}{of} from {self.low} to {self.high}"

    def _has_form(self, array: Array | np.ndarray) -> bool:
        return array.shape == self.shape and _kind(array.dtype) is _kind(self.dtype)

    def _holds(self, x: Array | np.ndarray) -> Any:
        """Tells, as bool[] of NumPy or JAX like `x`, whether every entry of an array of the right form is in range."""
        if jnp.issubdtype(self.dtype, jnp.floating):
            low, high = self._limits(x.dtype)
            return ((x >= low) & (x <= high)).all()
        # An integer of another dtype than the bounds is out of range where their dtype does not hold it.
        dtype = bounds.of_numbers(self.dtype)
        number, (low, high) = x.astype(dtype), self._limits(dtype)
        same = (number.astype(x.dtype) == x) & ((number < 0) == (x < 0))
        return (same & (number >= low) & (number <= high)).all()

    def _limits(self, dtype: DTypeLike) -> tuple[Array | np.ndarray, Array | np.ndarray]:
        """Gives the bounds in `dtype`: one beyond it becomes its first or last integer, or infinite."""
        return bounds.in_dtype(self.low, dtype), bounds.in_dtype(self.high, dtype)


class Discrete(Bounded):
    """The integers 0 ... n - 1 (int32).

    Attributes:
        n: the number of integers, at least 1; may be traced.

    Raises:
        InputError: unless `n` is an integer of at least 1.
    """

    low = 0
    shape = ()
    dtype = jnp.dtype(jnp.int32)

    def __init__(self, n: int | Array):
        if not isinstance(n, Tracer):
            checks.positive("n", n, MAX_DISCRETE)
        self.n = n

    @property
    def high(self) -> int | Array:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The last integer."""
        return self.n - 1

    def __repr__(self) -> str:
        return f"Discrete({self.n})"

    def sample(self, key: Array) -> Array:
        """Draws an int32[] uniformly."""
        return jax.random.randint(key, (), 0, self.n, self.dtype)

    def _holds(self, x: Array | np.ndarray) -> Any:
        # Every step outside of `jit` comes here: no arithmetic of arrays where the numbers are known.
        known = isinstance(x, np.ndarray) and not isinstance(self.n, Tracer)
        return 0 <= x.item() < self.n if known else super()._holds(x)


class Box(Bounded):
    """Arrays of one shape and dtype with every entry in [low, high].

    Attributes:
        low, high: numbers, infinite for no bound, or arrays that broadcast to the shape; whole where the entries are.
        shape: a tuple of lengths.
        dtype: bool, or a dtype of integers or floats.

    Raises:
        InputError: for another dtype; a shape that is no sequence of lengths; bounds that are NaN, do not broadcast or
            leave no number in between; and for bounds of integers that are not whole, or beyond the dtype.
    """

    def __init__(self, low: ArrayLike, high: ArrayLike, shape: Sequence[SupportsIndex], dtype: DTypeLike = jnp.float32):
        """Checks and keeps what the space is made of.

        Args:
            low: the lower bound, minus infinity for none; broadcasts to the shape.
            high: the upper bound, infinity for none; broadcasts to the shape.
            shape: the lengths of the axes.
            dtype: bool, or of integers or floats.

        Raises:
            InputError: for what the class refuses.
        """
        self.low = low
        self.high = high
        self.shape = bounds.lengths(shape)
        self.dtype = jnp.dtype(dtype)
        if _kind(self.dtype) is None:
            raise checks.InputError(f"dtype must be bool, or of integers or floats, got {self.dtype}")
        for name, bound, empty in (("low", low, np.inf), ("high", high, -np.inf)):
            bounds.check_bound(name, checks.concrete(name, bound), self.shape, self.dtype, empty)
        checks.ordered("low", low, "high", high)

    def __repr__(self) -> str:
        return f"Box({self.low}, {self.high}, {self.shape}, {self.dtype})"

    def sample(self, key: Array) -> Array:
        """Draws entries uniformly between two bounds, from an exponential beyond a single one, else from a normal.

        Exponential and normal have scale 1, and integers are rounded down: so samples Gymnasium.
        """
        drawn = bounds.draw(key, self.shape, bounds.of_numbers(self.dtype), self.low, self.high)
        return drawn.astype(self.dtype) if jnp.issubdtype(self.dtype, np.bool_) else drawn


class Fields(Space):
    """Observations of several fields, each in a space of its own: dicts, or structures such as a `PyTreeNode`.

    A dict has these keys and no others. A structure may have further fields. Passes for gymnax's `Dict`.

    Attributes:
        fields, spaces: the spaces by field.

    Raises:
        InputError: for a field whose space is no space.
    """

    gymnax_name: ClassVar[str | None] = "Dict"

    def __init__(self, **fields: Space):
        for name, space in fields.items():
            if not hasattr(space, "contains"):
                raise checks.InputError(f"{name} must be a space, got {checks.brief(space)}")
        self.fields = self.spaces = fields

    def __repr__(self) -> str:
        return f"Fields({', '.join(f'{name}={space}' for name, space in self.fields.items())})"

    def sample(self, key: Array) -> dict[str, Any]:
        """Draws each field, into a dict also where observations are structures: the space does not know their class."""
        keys = jax.random.split(key, len(self.fields))
        return {name: space.sample(key) for key, (name, space) in zip(keys, self.fields.items(), strict=True)}

    def contains(self, x: PyTree) -> Array:
        """Tells, as bool[], whether every field is present and in its space, and a dict has no other field."""
        absent = object()
        values = {name: field_of(x, name, absent) for name in self.fields}
        if any(value is absent for value in values.values()) or (isinstance(x, Mapping) and len(x) > len(values)):
            return jnp.asarray(False)
        inside = [space.contains(values[name]) for name, space in self.fields.items()]
        return jnp.all(jnp.stack(inside)) if inside else jnp.asarray(True)


def _rebuild(kind: type[Space], attributes: dict[str, Any]) -> Space:
    space = object.__new__(kind)
    vars(space).update(attributes)
    return space


@cache
def _kind(dtype: DTypeLike) -> type[np.generic] | None:
    """Gives the member of `KINDS` that the dtype belongs to, or None."""
    return next((kind for kind in KINDS if jnp.issubdtype(dtype, kind)), None)
