"""What decides about the states of a training, as a text that is the same in every process that trains the same.

A line for each value: `agent.gamma=0.99`, of arrays a digest. A function is known by its name, its code and what it was
made with (what it encloses, defaults, arguments given), not by what it calls; an object of a class that is no dataclass
by that class and how it prints, and where it is called, or a method of it, by its attributes too.
"""

import dataclasses
import functools
import hashlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def identity(**parts: Any) -> str:
    """Of what a training is given, whatever it is made of; a part that is None is left out."""
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):  # NumPy else leaves out numbers, and digits
        return "\n".join(line for name, part in parts.items() if part is not None for line in _lines(name, part))


def differing(text: str, other: str, most: int = 3, width: int = 100) -> tuple[str, str]:
    """The first lines of each that the other has not, in one short line."""
    lines, others = text.split("\n"), other.split("\n")
    return _brief([line for line in lines if line not in others], most, width), _brief(
        [line for line in others if line not in lines], most, width
    )


def _brief(lines: list[str], most: int, width: int) -> str:
    shown = [line if len(line) <= width else f"{line[: width - 4]} ..." for line in lines[:most]]
    return ", ".join(shown + ["..."] * (len(lines) > most)) or "nothing more"


def _lines(path: str, value: Any, within: tuple[int, ...] = ()) -> Iterator[str]:
    """One for `value`, and those of what it is made of; `within` which objects it lies, so that rings end."""
    text, parts = _described(value)
    yield f"{path}={' '.join(text.split())}"
    if id(value) not in within:
        for name, part in parts.items():
            yield from _lines(path + name, part, (*within, id(value)))


def _described(value: Any) -> tuple[str, dict[str, Any]]:
    """What is said of the value itself, and its parts by what leads to them."""
    kind = type(value).__name__  # not its module: that of a script is another where the script is imported
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _array(value), {}
    if isinstance(value, type | ModuleType):
        return value.__name__, {}
    if isinstance(value, Mapping):
        return kind, {f"[{_plain(key)}]": value[key] for key in sorted(value, key=_plain)}
    if names := isinstance(value, tuple) and getattr(value, "_fields", None):
        return kind, {f".{name}": getattr(value, name) for name in names}
    if isinstance(value, list | tuple):
        return f"{kind} of {len(value)}", {f"[{i}]": part for i, part in enumerate(value)}
    if isinstance(value, set | frozenset):
        return f"{kind} of {', '.join(sorted(map(_plain, value)))}", {}
    if dataclasses.is_dataclass(value):
        return kind, {f".{field.name}": getattr(value, field.name, None) for field in dataclasses.fields(value)}
    if callable(value):
        return _function(value)
    leaves, structure = jax.tree.flatten(value)
    if not jax.tree_util.treedef_is_leaf(structure):
        return _plain(structure), {f"[{i}]": leaf for i, leaf in enumerate(leaves)}
    return _plain(value), {}


def _function(value: Any) -> tuple[str, dict[str, Any]]:
    """As `_described`, of what can be called."""
    if isinstance(value, functools.partial):
        return "partial", {".func": value.func, ".args": value.args, ".keywords": value.keywords}
    if isinstance(value, MethodType):
        owner = value.__self__
        inside = {} if dataclasses.is_dataclass(owner) else _attributes(owner, ".__self__")
        return "method", {".__func__": value.__func__, ".__self__": owner, **inside}
    if isinstance(value, FunctionType):
        made_with = {".defaults": value.__defaults__, ".kwdefaults": value.__kwdefaults__} | _enclosed(value)
        return f"{value.__qualname__} {_code(value.__code__)}", {
            name: part for name, part in made_with.items() if part is not None
        }
    if hasattr(value, "__wrapped__"):  # by jit, vmap and others
        return type(value).__name__, {".__wrapped__": value.__wrapped__}
    return _plain(value), {} if inspect.isbuiltin(value) else _attributes(value, "")


def _attributes(value: Any, path: str) -> dict[str, Any]:
    return {f"{path}.{name}": part for name, part in sorted(getattr(value, "__dict__", {}).items())}


def _enclosed(function: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[f".{name}"] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def _code(code: CodeType) -> str:
    """Of what it does, not of where it is written."""
    consts = [_code(part) if isinstance(part, CodeType) else list(_lines("", part)) for part in code.co_consts]
    return _digest(repr((code.co_code, code.co_names, consts)).encode())


def _array(leaf: Any) -> str:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    values = np.ascontiguousarray(leaf)
    said = repr(values.item()) if values.size == 1 else _digest(values.tobytes())
    return f"{values.dtype}{list(leaf.shape)} {said}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _plain(value: Any) -> str:
    """As it prints, without what another process would print otherwise: its class's module, and where it lies."""
    text = re.sub(r"<(?:[\w<>]+\.)+(\w+) object at", r"<\1 object at", repr(value))
    return re.sub(r" at 0x[0-9a-f]+", "", text)
