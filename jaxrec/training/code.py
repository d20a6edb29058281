"""What classes and functions do, and what they find by names: what `identity` tells of code.

Of users' code alone, jaxrec's own among it: that of Python and of installed packages is known by their versions.
"""

import dataclasses
import dis
import functools
import hashlib
import inspect
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import numpy as np

CONSTANTS = (int, float, complex, str, bytes, tuple, list, dict, set, frozenset, np.ndarray, np.generic, jax.Array)
CHECKERS = ("beartype", "jaxtyping")  # what they put around a function is another in every process
UNTOLD = ("__doc__", "__firstlineno__")  # what a class within a function is given that it does not use
STANDARD = Path(os.__file__).parent  # Python's own modules


@dataclasses.dataclass(frozen=True)
class Named:
    """What code finds by a name: a class, a function or a module, to be told by itself."""

    thing: object


def name(thing: object) -> str:
    """Of a class, a function or a module; a user's without its module, which is another for a script once imported."""
    own = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or type(thing).__name__
    return own if isinstance(thing, ModuleType) or not is_installed(_module(thing)) else f"{_module(thing)}.{own}"


def is_function(value: object) -> bool:
    """Whether it is called, and no class, and known by more than its fields."""
    return callable(value) and not isinstance(value, type) and not dataclasses.is_dataclass(value)


def is_object(value: object) -> bool:
    """Whether it is of a class of the user's, and known by its attributes."""
    known = isinstance(value, (*CONSTANTS, type, ModuleType)) or dataclasses.is_dataclass(value)
    return not known and not is_installed(_module(type(value)))


def unchecked(value: object) -> Any:
    """A function without what checks its types."""
    while isinstance(value, FunctionType) and "__wrapped__" in vars(value) and _checks(value):
        value = vars(value)["__wrapped__"]
    return value


def _checks(function: FunctionType) -> bool:
    """Whether a checker of types wrote it; beartype writes into the module of what it checks."""
    return _home(function).partition(".")[0] in CHECKERS or function.__code__.co_filename.startswith("<@beartype")


def package(thing: object) -> str:
    """The outermost module of a class, a function or a module."""
    return _module(thing).partition(".")[0]


def _module(thing: Any) -> str:
    """Of a function, where what is within all its wrappers was written."""
    thing = thing if isinstance(thing, type) else inspect.unwrap(thing)
    if isinstance(thing, FunctionType):
        return _home(thing)
    module = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return module or type(thing).__module__


def _home(function: FunctionType) -> str:
    return function.__globals__.get("__name__") or ""


@functools.cache
def is_installed(module: str) -> bool:
    """Whether it is Python's own, or of a package that is known by its version, and so its code is left out."""
    package = module.partition(".")[0]
    if package in ("", "__main__", "jaxrec"):
        return False
    there = sys.modules.get(package)
    place = next(iter(getattr(there, "__path__", ())), None) or getattr(there, "__file__", None)
    if place is None:
        return package in sys.stdlib_module_names
    if {"site-packages", "dist-packages"} & set(Path(place).parts):
        return not _is_from_folder(package)
    return Path(place).is_relative_to(STANDARD)


def _is_from_folder(package: str) -> bool:
    """Whether it was installed by `pip install FOLDER`: a project on the way, which may change and keep its version."""
    try:
        return "dir_info" in (distribution(package).read_text("direct_url.json") or "")
    except PackageNotFoundError:
        return False


def holds_values(thing: Any) -> bool:
    """Whether it is a function made with values, such as a schedule of optax: those are told, whosever it is."""
    inner = None if isinstance(thing, type) else inspect.unwrap(thing)
    return isinstance(inner, functools.partial | MethodType) or bool(getattr(inner, "__closure__", None))


def contents(kind: type) -> dict[str, Any]:
    """Methods, properties and constants of a class, without those of its bases."""
    found = {f".{name}": _told(_behind(part), name) for name, part in sorted(vars(kind).items())}
    return {name: part for name, part in found.items() if part is not None}


def read(function: FunctionType) -> dict[str, Any]:
    """What its code names, of its module and of modules that it names."""
    if is_installed(_home(function)):
        return {}
    names = {each for code in _codes(function.__code__) for each in code.co_names}
    found, modules = {}, [("", function.__globals__)]
    for path, held in modules:  # which grows on the way
        for each in sorted(names & held.keys()):
            part = held[each]
            if not isinstance(part, ModuleType) or is_installed(_module(part)):
                found[f".{path}{each}"] = _told(part, each)
            elif all(vars(part) is not known for _, known in modules):
                modules.append((f"{path}{each}.", vars(part)))
    return {name: part for name, part in found.items() if part is not None}


def _behind(part: object) -> Any:
    """The function of what a class makes of one."""
    if isinstance(part, property):
        return part.fget
    if isinstance(part, staticmethod | classmethod):
        return part.__func__
    if isinstance(part, functools.cached_property):
        return part.func
    if isinstance(part, functools.partialmethod):
        return functools.partial(part.func, *part.args, **part.keywords)
    return part


def _told(part: object, name: str) -> Any:
    """What a name leads to, as it is told; None where it is not, as for what Python gives every class and module."""
    if is_function(part):
        return Named(part)
    if name.startswith("__"):
        return None
    if isinstance(part, type | ModuleType):
        return Named(part)
    return part if isinstance(part, CONSTANTS) or dataclasses.is_dataclass(part) or is_object(part) else None


def _codes(code: CodeType) -> Iterator[CodeType]:
    """It, and the code that lies in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)


def digest_of(code: CodeType) -> str:
    """Of what it does, not of where it is written."""
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    flags = code.co_flags & ~0x4000000  # of Python 3.13: there is a docstring
    said = (_steps(code), code.co_names, code.co_exceptiontable, flags, code.co_posonlyargcount, arguments)
    return digest(repr(said).encode())


def _steps(code: CodeType) -> list[tuple[int, Any]]:
    """Instructions, with the constants that they take: so a docstring, which none takes, moves nothing."""
    steps: list[tuple[int, Any]] = []
    number = 0
    for step, low in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        number = number << 8 | low
        if step == dis.EXTENDED_ARG:
            continue
        if step == dis.opmap["STORE_NAME"] and code.co_names[number] in UNTOLD:
            steps[-1] = (step, number)
        elif step in dis.hasconst:
            part = code.co_consts[number]
            steps.append((step, digest_of(part) if isinstance(part, CodeType) else plain(part)))
        else:
            steps.append((step, number))
        number = 0
    return steps


def digest(data: bytes) -> str:
    """In 16 characters."""
    return hashlib.sha256(data).hexdigest()[:16]


def plain(value: object) -> str:
    """A value as it prints, without what another process prints otherwise: its class's module, and where it lies."""
    if isinstance(value, type | ModuleType):
        return value.__name__
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__} of {', '.join(sorted(map(plain, value)))}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as optax makes the one of the other
    try:
        text = repr(value)
    except Exception:  # whatever a class of the user's does there
        return type(value).__name__
    text = re.sub(r"<(?:[\w<>]+\.)+(\w+) object at", r"<\1 object at", text)
    return re.sub(r"( at )?0x[0-9a-fA-F]+", "", text)
