"""What decides about the states of a training, as a text that is the same in every process that trains the same.

A line for each value: `agent.gamma=0.99`; of arrays, and of functions within functions, a digest. A dataclass is known
by its fields; a function by its name, its code, what it was made with (what it encloses, defaults, arguments given) and
the constants of its module that it reads, not by what it calls; an object that is called, or whose method is, by its
class and attributes; any other by its class and how it prints.
"""

import dataclasses
import functools
import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import core

CONSTANTS = (int, float, complex, str, bytes, tuple, list, dict, set, frozenset, np.ndarray, np.generic, jax.Array)

Digests = dict[int, tuple[Any, str]]
"""Of functions met before, by where they lie; each is kept, so that nothing else comes to lie there."""


def identity(**parts: Any) -> str:
    """Of what a training is given, whatever it is made of; a part that is None is left out."""
    digests: Digests = {}
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):  # NumPy else leaves out numbers, and digits
        return "\n".join(
            line for name, part in parts.items() if part is not None for line in _lines(name, part, digests)
        )


def differing(text: str, other: str, most: int = 3, width: int = 100) -> tuple[str, str]:
    """The first lines of each that the other has not, in one short line."""
    lines, others = text.split("\n"), other.split("\n")
    return _brief(lines, set(others), most, width), _brief(others, set(lines), most, width)


def _brief(lines: list[str], known: set[str], most: int, width: int) -> str:
    new = [line for line in lines if line not in known]
    shown = [line if len(line) <= width else f"{line[: width - 4]} ..." for line in new[:most]]
    return ", ".join(shown + ["..."] * (len(new) > most)) or "nothing more"


def _lines(path: str, value: Any, digests: Digests, within: tuple[int, ...] = ()) -> Iterator[str]:
    """One for `value`, and those of what it is made of; `within` which objects it lies, so that rings end."""
    text, parts = _described(value)
    yield f"{path}={text}".replace("\n", "\\n")
    if id(value) in within:
        return
    for name, part in parts.items():
        if callable(value) and _is_function(part):
            yield f"{path}{name}={_digested(part, digests)}"
        else:
            yield from _lines(path + name, part, digests, (*within, id(value)))


def _digested(function: Any, digests: Digests) -> str:
    """All lines of a function as one digest: made once, as functions may hold each other along many ways."""
    if id(function) not in digests:
        digests[id(function)] = function, "itself"  # where it is met within
        digests[id(function)] = function, _digest("\n".join(_lines("", function, digests)).encode())
    return digests[id(function)][1]


def _described(value: Any) -> tuple[str, dict[str, Any]]:
    """What is said of the value itself, and its parts by what leads to them."""
    kind = type(value).__name__  # not its module: that of a script is another where the script is imported
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _array(value)
    if isinstance(value, Mapping) and type(value).__module__ != "weakref":
        return kind, {f"[{_plain(key)}]": value[key] for key in sorted(value, key=_plain)}
    if names := isinstance(value, tuple) and getattr(value, "_fields", None):
        return kind, {f".{name}": getattr(value, name) for name in names}
    if isinstance(value, list | tuple):
        return f"{kind} of {len(value)}", {f"[{i}]": part for i, part in enumerate(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f".{field.name}": getattr(value, field.name, None) for field in dataclasses.fields(value)}
        return kind, fields | ({".variables": value.variables} if isinstance(value, nn.Module) and value.scope else {})
    if _is_function(value):
        return _function(value)
    leaves, structure = jax.tree.flatten(value)
    if not jax.tree_util.treedef_is_leaf(structure):
        return _plain(structure), {f"[{i}]": leaf for i, leaf in enumerate(leaves)}
    return _plain(value), {}


def _is_function(value: Any) -> bool:
    """Whether it is called, and no class, and known by more than its fields."""
    return callable(value) and not isinstance(value, type) and not dataclasses.is_dataclass(value)


def _function(value: Any) -> tuple[str, dict[str, Any]]:
    """As `_described`, of what is called."""
    if isinstance(value, functools.partial):
        return "partial", {".func": value.func, ".args": value.args, ".keywords": value.keywords}
    if isinstance(value, MethodType):
        owner = value.__self__
        inside = (
            {".__self__": owner} if dataclasses.is_dataclass(owner) or isinstance(owner, type) else _attributes(owner)
        )
        return f"method of {type(owner).__name__}", {".__func__": value.__func__} | inside
    if isinstance(value, FunctionType):
        made_with = {".defaults": value.__defaults__, ".kwdefaults": value.__kwdefaults__}
        made_with = {name: part for name, part in made_with.items() if part is not None}
        return f"{value.__qualname__} {_code(value.__code__)}", made_with | _enclosed(value) | _constants(value)
    wrapped = {".__wrapped__": value.__wrapped__} if hasattr(value, "__wrapped__") else {}
    called = {".__call__": call} if isinstance(call := type(value).__call__, FunctionType) else {}
    return _plain(value), called | wrapped | (_attributes(value) if called else {})


def _attributes(value: Any) -> dict[str, Any]:
    """Without those that were worked out from the others, or are of what the object wraps, and where that lies."""
    held, wrapped = getattr(value, "__dict__", {}), getattr(getattr(value, "__wrapped__", None), "__dict__", {})
    own = sorted(name for name in held if name not in wrapped and not name.startswith("__"))
    cached = functools.cached_property
    return {f".{name}": held[name] for name in own if not isinstance(getattr(type(value), name, None), cached)}


def _enclosed(function: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[f".{name}"] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def _constants(function: FunctionType) -> dict[str, Any]:
    """Of its module, those whose names stand in its code."""
    names = sorted({name for code in _codes(function.__code__) for name in code.co_names} & set(function.__globals__))
    found = {f".{name}": function.__globals__[name] for name in names if not name.startswith("__")}
    return {name: value for name, value in found.items() if isinstance(value, CONSTANTS)}


def _codes(code: CodeType) -> Iterator[CodeType]:
    """It, and the code that lies in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)


def _code(code: CodeType) -> str:
    """Of what it does, not of where it is written."""
    said = []
    for each in _codes(code):
        consts = [_plain(part) for part in each.co_consts if not isinstance(part, CodeType)]
        said.append((each.co_code, each.co_names, each.co_flags, each.co_argcount, each.co_kwonlyargcount, consts))
    return _digest(repr(said).encode())


def _array(leaf: Any) -> tuple[str, dict[str, Any]]:
    kind = f"{leaf.dtype}{list(leaf.shape)}"
    if isinstance(leaf, core.Tracer) or (isinstance(leaf, jax.Array) and leaf.is_deleted()):
        return kind, {}  # it has no values, or none any more
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    values = np.ascontiguousarray(leaf)
    if values.dtype == object:
        return kind, {f"[{i}]": part for i, part in enumerate(values.ravel())}
    return f"{kind} {repr(values.item()) if values.size == 1 else _digest(values.tobytes())}", {}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _plain(value: Any) -> str:
    """As it prints, without what another process would print otherwise: its class's module, and where it lies."""
    if isinstance(value, type | ModuleType):
        return value.__name__
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__} of {', '.join(sorted(map(_plain, value)))}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as optax makes the one of the other
    try:
        text = repr(value)
    except Exception:  # whatever a class of the user's does there
        return type(value).__name__
    text = re.sub(r"<(?:[\w<>]+\.)+(\w+) object at", r"<\1 object at", text)
    return re.sub(r"( at )?0x[0-9a-fA-F]+", "", text)
