"""Errors at the edge: one clear message before anything is compiled.

Only concrete values can be checked: under `jit` and `vmap` parameters are tracers, and pass.
"""

import contextlib
import dataclasses
import difflib
import inspect
import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

T = TypeVar("T")
P = ParamSpec("P")

LARGEST = 1e6
"""The bound on the size of run-time values: the product of several larger ones would leave float32."""

MOST_STEPS = 2**31 - 2
"""The largest number of steps: int32 counts no more."""


class InputError(ValueError):
    """An argument cannot be right; the message says what was given and what is allowed."""


@contextlib.contextmanager
def prefixed(source: str) -> Iterator[None]:
    """A context in which the message of every InputError begins with `source`, where the input came from."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """Looks a name up, with a helpful message for a wrong one.

    Args:
        table: values by name.
        name: a key of the table.
        kind: what the message calls the name, such as "policy".

    Returns:
        `table[name]`.

    Raises:
        InputError: if the table has no such name; the message gives the nearest name and lists all.
    """
    if name in table:
        return table[name]
    nearest = difflib.get_close_matches(str(name), table, n=1, cutoff=0.4)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise InputError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(map(repr, sorted(table)))}")


class KnownKeywords:
    """A class whose constructor refuses a keyword that it does not have by the nearest one that it has."""

    def __new__(cls, *args: Any, **kwargs: Any):  # of its own class, which beartype does not know where this stands
        """Raises InputError for an unknown keyword, and for any argument of a class that takes none."""
        if cls.__init__ is object.__init__ and (args or kwargs):
            raise InputError(f"{cls.__name__} takes no arguments: is it a dataclass that lacks its decorator?")
        _known(cls, kwargs)
        return super().__new__(cls)


def known_keywords(function: Callable[P, T]) -> Callable[P, T]:
    """Lets a function refuse a keyword that it does not have by the nearest one that it has, as `KnownKeywords` does.

    Args:
        function: takes no `**kwargs`.

    Returns:
        The function with the same signature, which raises InputError for an unknown keyword.
    """

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        _known(function, kwargs)
        return function(*args, **kwargs)

    return checked


def _known(called: Callable[..., Any], kwargs: Mapping[str, Any]) -> None:
    """Raises InputError for a keyword that a class or a function does not have."""
    known = _keywords(called) if kwargs else None
    if known is not None:
        for name in kwargs:
            lookup(known, name, f"argument of {called.__name__}")


@cache
def _keywords(called: Callable[..., Any]) -> dict[str, None] | None:
    """The keywords of a constructor or a function; None where it takes any."""
    is_class = isinstance(called, type)
    parameters = list(inspect.signature(called.__init__ if is_class else called).parameters.values())[is_class:]
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return dict.fromkeys(one.name for one in parameters)


def positive(name: str, value: object, most: float = float("inf")) -> None:
    """Refuses everything but an integer from 1 to `most`.

    Args:
        name: what the message calls the value.
        value: the integer.
        most: the upper bound.

    Raises:
        InputError: for another value.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{name} must be an integer of at least 1, got {value!r}")
    if value > most:
        raise InputError(f"{name} must be at most {most}, got {value}")


def unread(settings: Any, names: Collection[str], choice: str) -> None:
    """Refuses settings that are not at their defaults, where what was chosen reads none of them.

    Args:
        settings: a dataclass; every field of one within it that is named counts.
        names: the fields that are not read.
        choice: what does not read them, such as "network 'lstm'".

    Raises:
        InputError: for the first of them that has another value than its default.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name not in names or value == field.default:
            continue
        if dataclasses.is_dataclass(value):
            with prefixed(field.name):
                unread(value, vars(value), choice)
            continue
        raise InputError(f"{field.name} must stay at {field.default!r} with {choice}, which ignores it; got {value!r}")


def boolean(name: str, value: object) -> None:
    """Raises InputError unless `value` is True or False: every string, "no" too, would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be True or False, got {value!r}")


def seed(name: str, value: int) -> None:
    """Raises InputError unless `value` is a seed from 0 to 2^31 - 1: 32 bits tell these apart."""
    within(name, value, 0, 2**31 - 1)


def distinct(name: str, values: Collection[Any]) -> None:
    """Raises InputError if `values` is empty, or has a value twice."""
    if not len(values):
        raise InputError(f"{name} must have at least one value, got none")
    if len(set(values)) < len(values):
        raise InputError(f"{name} must have each value once, got {values}")


def typed_key(name: str, key: object) -> None:
    """Raises InputError unless `key` is one typed key, traced or not; the message says how to make one."""
    key = _typed(name, key)
    if key.shape:
        raise InputError(f"{name} must be one key, got {list(key.shape)} of them: take one, or vmap over them")


def typed_keys(name: str, keys: object) -> None:
    """Raises InputError unless `keys` are typed keys along one axis, traced or not."""
    keys = _typed(name, keys)
    if keys.ndim != 1 or not keys.shape[0]:
        raise InputError(
            f"{name} must be keys [runs], got shape {list(keys.shape)}: jax.random.split(key, runs) makes some"
        )


def _typed(name: str, key: object) -> jax.Array:
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    if getattr(key, "dtype", None) == np.uint32 and getattr(key, "shape", ())[-1:] == (2,):
        raise InputError(f"{name} must be a typed key, got a legacy one: jax.random.wrap_key_data({name}) is typed")
    seed = key if isinstance(key, int) and not isinstance(key, bool) else "seed"
    raise InputError(f"{name} must be a typed key, got {brief(key)}: jax.random.key({seed}) makes one")


def brief(value: object) -> str:
    """Describes a value in a few words: a number or a string itself, an array's dtype and shape, another's class."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, jax.Array):
        return f"an array {value.dtype}{list(value.shape)}"
    if value is None or isinstance(value, bool | int | float | str):
        return reprlib.repr(value)
    return f"a {type(value).__name__}"


def hashable(value: object) -> Any:
    """Turns lists and arrays of numbers into tuples, at any depth: static arguments must hash."""
    if isinstance(value, np.ndarray | jax.Array) and not isinstance(value, jax.core.Tracer):
        value = value.tolist()
    if isinstance(value, list):
        return tuple(map(hashable, value))
    return tuple(map(hashable, value)) if type(value) is tuple else value


def concrete(name: str, value: object) -> np.ndarray | None:
    """Gives `value` as a NumPy array, or None while it is traced. Raises InputError if it is not a number."""
    if isinstance(value, jax.core.Tracer):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} must be a number or an array of numbers, got {value!r}")
    return array


def shaped(name: str, value: object, shape: tuple[int | None, ...]) -> None:
    """Refuses an array of another shape.

    Args:
        name: what the message calls the value.
        value: a number or an array, traced or not.
        shape: the lengths of its axes; None stands for any length from 1.

    Raises:
        InputError: for another shape, or what is no number.
    """
    array = concrete(name, value)
    given = getattr(value, "shape", ()) if array is None else array.shape
    fits = len(given) == len(shape) and all(a == b or (b is None and a) for a, b in zip(given, shape, strict=True))
    if not fits:
        expected = ", ".join("n" if length is None else str(length) for length in shape)
        raise InputError(f"{name} must have shape [{expected}], got {list(given)}")


def new_file(name: str, path: Path | None) -> None:
    """Raises InputError if the file exists, or its folder does not."""
    if path is None:
        return
    if path.exists():
        raise InputError(f"{name}={str(path)!r} exists, and is not overwritten")
    if not path.parent.is_dir():
        raise InputError(f"{name}={str(path)!r}: there is no folder {str(path.parent)!r}")


def within(name: str, value: object, low: float, high: float) -> None:
    """Refuses concrete numbers outside of [low, high], and NaN; traced ones pass.

    Args:
        name: what the message calls the value.
        value: a number or an array of numbers.
        low: the lower bound, allowed itself.
        high: the upper bound, allowed itself.

    Raises:
        InputError: for a number outside; the message gives it.
    """
    array = concrete(name, value)
    if array is None:
        return
    outside = ~((array >= low) & (array <= high))
    if outside.any():
        raise InputError(f"{name} must be within [{low}, {high}], got {array[outside].flat[0]}")


def bounded(tree: PyTree, name: str) -> None:
    """Raises InputError, which names the leaf, if a concrete leaf of `tree` is no number, NaN or beyond `LARGEST`."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        within(f"{name}{jax.tree_util.keystr(path)}", leaf, -LARGEST, LARGEST)


def ordered(low_name: str, low: object, high_name: str, high: object) -> None:
    """Refuses concrete numbers of which a lower one exceeds a higher one; traced ones pass.

    Args:
        low_name: what the message calls `low`.
        low: a number or an array of numbers.
        high_name: what the message calls `high`.
        high: a number or an array that broadcasts against `low`.

    Raises:
        InputError: if `low` exceeds `high` anywhere.
    """
    low_array, high_array = concrete(low_name, low), concrete(high_name, high)
    if low_array is not None and high_array is not None and (low_array > high_array).any():
        raise InputError(f"{low_name} must not exceed {high_name}, got {low_name} = {low} and {high_name} = {high}")
