"""Action and observation spaces: jittable `sample` and `contains`, as in gymnax.

Each class carries the attributes that gymnax's own spaces carry, and passes for the gymnax class of
the same name in `isinstance` once gymnax is imported. Wrappers and agents written for gymnax test their
spaces that way, and so accept these environments while jaxrec does not depend on gymnax.

An observation is an array, or a structure of them: a dict, a named tuple, a `PyTreeNode`. `field_of` reads a field of
any, and `Fields` is the space of any.
"""

import operator
import reprlib
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from jaxrec import bounds, checks

KINDS = {np.bool_: "bool", np.integer: "an integer", np.floating: "a float"}
MOST = 2**31 - 1  # integers in 0 ... n - 1, of int32
_MISSING = object()


def field_of(obs: Any, name: str, default: Any = _MISSING) -> Any:
    """The field of an observation called `name`: the value of that key in a dict, else the attribute.

    Args:
        obs: an observation of several fields; those within its fields are not looked at.
        name: of the field.
        default: what there is instead, where there is no such field.

    Raises:
        LookupError, AttributeError: if there is no such field and no default.
    """
    if isinstance(obs, Mapping):
        return obs[name] if default is _MISSING else obs.get(name, default)
    return getattr(obs, name) if default is _MISSING else getattr(obs, name, default)


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
        """Draws one element."""
        raise TypeError(f"{type(self).__name__} does not say how to sample")

    def contains(self, x: Any) -> Array:
        """bool[]: whether `x` is an element."""
        raise TypeError(f"{type(self).__name__} does not say what it contains")

    def nearest(self, x: Any) -> Any:
        """The element nearest to `x`, which has the form of one; `x` itself where the space does not say."""
        return x

    def check_form(self, name: str, x: Any) -> None:
        """Raises InputError unless `x`, called `name`, has the shape and the kind of an element, traced or not.

        A space that does not say what these are takes any.
        """

    def check(self, name: str, x: Any) -> None:
        """Raises InputError unless `x`, called `name`, has the form of an element and, where it is concrete, is one."""
        self.check_form(name, x)
        if not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(x)) and not self.contains(x):
            raise checks.InputError(f"{name} must be in {self}, got {reprlib.repr(x)}")


class Bounded(Space):
    """Arrays of one shape and dtype between two bounds: what `Discrete` and `Box` have in common.

    Attributes:
        low, high: the bounds, which belong to it; numbers, or arrays that broadcast to the shape.
        shape, dtype: of the arrays.
    """

    low: Any
    high: Any
    shape: tuple[int, ...]
    dtype: Any

    def contains(self, x: Any) -> Array:
        """bool[]: of the shape and the kind (bool, integer or float), with every entry in range; NaN never is."""
        x = bounds.as_array(x, self.dtype)
        return jnp.asarray(self._has_form(x) and self._holds(x))

    def nearest(self, x: Any) -> Array:
        """`x` with each entry that is beyond a bound moved to it."""
        x = jnp.asarray(x)
        return x if jnp.issubdtype(x.dtype, np.bool_) else bounds.clipped(x, *self._limits(x.dtype))

    def check_form(self, name: str, x: Any) -> None:
        """Raises InputError unless `x`, called `name`, has the shape and the kind, traced or not."""
        self._formed(name, x)

    def check(self, name: str, x: Any) -> None:
        """Raises InputError unless `x`, called `name`, has the form and, where it is concrete, is within the bounds."""
        array = self._formed(name, x)
        if isinstance(array, Tracer):
            return
        holds = self._holds(np.asarray(array))
        if not isinstance(holds, Tracer) and not holds:
            raise checks.InputError(f"{name} must be {self._wanted()}, got {reprlib.repr(array.tolist())}")

    def _formed(self, name: str, x: Any) -> Any:
        """`x` as an array. Raises InputError unless it has the shape and the kind."""
        array = bounds.as_array(x, self.dtype)
        if not self._has_form(array):
            is_none = isinstance(array, np.ndarray) and array.dtype.kind in "OSU"
            given = checks.brief(x) if is_none else f"{array.dtype}{list(array.shape)}"
            raise checks.InputError(f"{name} must be {self._wanted()}, got {given}")
        return array

    def _wanted(self) -> str:
        of = f" of shape {list(self.shape)}" if self.shape else ""
        return f"{KINDS[_kind(self.dtype)]}{of} from {self.low} to {self.high}"

    def _has_form(self, array: Any) -> bool:
        return array.shape == self.shape and _kind(array.dtype) is _kind(self.dtype)

    def _holds(self, x: Any) -> Any:
        """bool[], of NumPy or JAX as `x` is: every entry of an array of the right form is in range."""
        if jnp.issubdtype(self.dtype, jnp.floating):
            low, high = self._limits(x.dtype)
            return ((x >= low) & (x <= high)).all()
        # An integer of another dtype than that of the bounds is the same number there, or else out of range.
        dtype = bounds.of_numbers(self.dtype)
        number, (low, high) = x.astype(dtype), self._limits(dtype)
        same = (number.astype(x.dtype) == x) & ((number < 0) == (x < 0))
        return (same & (number >= low) & (number <= high)).all()

    def _limits(self, dtype: Any) -> tuple[Any, Any]:
        """The bounds in `dtype`: of those beyond it the first or last integer that it holds, or an infinite float."""
        return bounds.in_dtype(self.low, dtype), bounds.in_dtype(self.high, dtype)


class Discrete(Bounded):
    """The integers 0 ... n - 1 (int32).

    Attributes:
        n: how many.

    Raises:
        InputError: unless `n` is an integer of at least 1.
    """

    low = 0
    shape = ()
    dtype = jnp.dtype(jnp.int32)

    def __init__(self, n: Any):
        if not isinstance(n, Tracer):
            checks.positive("n", n, MOST)
        self.n = n

    @property
    def high(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The last one."""
        return self.n - 1

    def __repr__(self) -> str:
        return f"Discrete({self.n})"

    def sample(self, key: Array) -> Array:
        """int32[]: drawn uniformly."""
        return jax.random.randint(key, (), 0, self.n, self.dtype)

    def _holds(self, x: Any) -> Any:
        # Every step outside of `jit` asks: without arithmetic of arrays where the numbers are known.
        known = isinstance(x, np.ndarray) and not isinstance(self.n, Tracer)
        return 0 <= x.item() < self.n if known else super()._holds(x)


class Box(Bounded):
    """Arrays of one shape and dtype with every entry in [low, high].

    Attributes:
        low, high: numbers, infinite for no bound, or arrays that broadcast to the shape; whole where entries are.
        shape: a tuple of lengths.
        dtype: bool, or of integers or floats.

    Raises:
        InputError: for another dtype; a shape that is no sequence of lengths; bounds that are NaN, do not broadcast or
            leave no number between them; and for those of integers, if they are not whole or beyond the dtype.
    """

    def __init__(self, low: Any, high: Any, shape: Any, dtype: Any = jnp.float32):
        self.low = low
        self.high = high
        self.shape = _lengths(shape)
        self.dtype = jnp.dtype(dtype)
        if _kind(self.dtype) is None:
            raise checks.InputError(f"dtype must be bool, or of integers or floats, got {self.dtype}")
        for name, bound, empty in (("low", low, np.inf), ("high", high, -np.inf)):
            self._check_bound(name, checks.concrete(name, bound), empty)
        checks.ordered("low", low, "high", high)

    def _check_bound(self, name: str, bound: np.ndarray | None, empty: float) -> None:
        """Raises InputError for a bound that cannot be; `empty` is the one that leaves nothing."""
        if bound is None:  # traced
            return
        lengths = self.shape[len(self.shape) - bound.ndim :]
        if bound.ndim > len(self.shape) or any(
            n not in (1, most) for n, most in zip(bound.shape, lengths, strict=True)
        ):
            raise checks.InputError(f"{name} must broadcast to shape {list(self.shape)}, got {list(bound.shape)}")
        checks.within(name, bound, -np.inf, np.inf)
        if (bound == empty).any():
            raise checks.InputError(f"{name} must leave a number in the box, got {empty}")
        if not jnp.issubdtype(self.dtype, jnp.floating):
            least, most = bounds.ends(self.dtype)
            may_be_open = {"low": least < 0, "high": most > 1}[name]  # bool, and below integers without a sign, ends
            given = bound[np.isfinite(bound)] if may_be_open else bound
            checks.within(f"{name} of {self.dtype}", given, least, most)
            if (given % 1 != 0).any():
                raise checks.InputError(f"{name} of {self.dtype} must be whole, got {given[given % 1 != 0].flat[0]}")

    def __repr__(self) -> str:
        return f"Box({self.low}, {self.high}, {self.shape}, {self.dtype})"

    def sample(self, key: Array) -> Array:
        """Entries drawn uniformly between two bounds, from an exponential beyond a single one, else from a normal.

        The last two of scale 1, rounded down for integers: as Gymnasium samples.
        """
        drawn = bounds.draw(key, self.shape, bounds.of_numbers(self.dtype), self.low, self.high)
        return drawn.astype(self.dtype) if jnp.issubdtype(self.dtype, np.bool_) else drawn


class Fields(Space):
    """Observations of several fields, each in a space of its own: dicts, or structures such as a `PyTreeNode`.

    A dict has these keys and no others. Other fields of a structure are not looked at.

    Raises:
        InputError: for a field whose space is none.
    """

    def __init__(self, **fields: Space):
        for name, space in fields.items():
            if not hasattr(space, "contains"):
                raise checks.InputError(f"{name} must be a space, got {checks.brief(space)}")
        self.fields = fields

    def __repr__(self) -> str:
        return f"Fields({', '.join(f'{name}={space}' for name, space in self.fields.items())})"

    def sample(self, key: Array) -> dict[str, Any]:
        """A dict with a draw for each field, also where observations are structures: their class is not known here."""
        keys = jax.random.split(key, len(self.fields))
        return {name: space.sample(key) for key, (name, space) in zip(keys, self.fields.items(), strict=True)}

    def contains(self, x: Any) -> Array:
        """bool[]: every field is there and in its space, and a dict has no other."""
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


def _lengths(shape: Any) -> tuple[int, ...]:
    try:
        lengths = tuple(map(operator.index, shape))
    except TypeError:
        raise checks.InputError(f"shape must be a tuple of lengths, got {reprlib.repr(shape)}") from None
    if any(length < 0 for length in lengths):
        raise checks.InputError(f"shape must be a tuple of lengths, got {lengths}")
    return lengths


@cache
def _kind(dtype: Any) -> Any:
    """The one of `KINDS` that a dtype is of, or None."""
    return next((kind for kind in KINDS if jnp.issubdtype(dtype, kind)), None)
