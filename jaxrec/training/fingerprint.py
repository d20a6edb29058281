"""What decides about the states of a training, as a text that is the same in every process that trains the same.

First the versions of Python and of packages: `versions.jax=0.10.2`. Then a line for each value that is given:
`agent.gamma=0.99`; of arrays, and of functions within functions, a digest. A dataclass is known by its fields; a
function by its code and what it was made with (what it encloses, defaults, arguments given); an object of a user's
class, and one that is called or whose method is, by its attributes; any other by its class and how it prints.

Last the code, a line with a digest for each class and function: `code.Mine.transition=5891b5b522d5df08`. These are the
classes of all that is given, with their bases, methods, properties and constants; and the classes and functions that
any of these finds by a name, in its module or in a module named there, with the values that it finds so. Docstrings
and line numbers do not count. The code of Python and of installed packages is left out, which are known by their
versions; that of jaxrec is not, nor that of a package which was installed from a folder.

Not noticed are compiled libraries, files that are read on the way, settings of JAX, attributes set on modules or
classes of others, and what a function imports or looks up by a text while it runs.
"""

import dataclasses
import functools
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from types import FunctionType, MethodType, ModuleType
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import core

from jaxrec.training import code
from jaxrec.training.code import Named, digest, is_function, is_object, plain

VERSIONED = ("flax", "jax", "jaxlib", "jaxrec", "jraph", "numpy", "optax")  # whatever is given


@dataclasses.dataclass
class _Met:
    """On the way; all by where it lies, and kept, so that nothing else comes to lie there.

    Attributes:
        digests: of functions and objects.
        labels: of classes, functions and modules: their names, which are numbered where several have the same.
        code: those of them whose code is told.
        packages: those of the others.
        counts: how many have a name.
    """

    digests: dict[int, tuple[Any, str]] = dataclasses.field(default_factory=dict)
    labels: dict[int, tuple[Any, str]] = dataclasses.field(default_factory=dict)
    code: list[Any] = dataclasses.field(default_factory=list)
    packages: set[str] = dataclasses.field(default_factory=set)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)

    def label(self, thing: object) -> str:
        """Of a class, a function or a module; notes it, and the bases of a class."""
        for each in thing.__mro__ if isinstance(thing, type) else (thing,):
            if id(each) not in self.labels:
                self._note(each)
        return self.labels[id(thing)][1]

    def _note(self, thing: object) -> None:
        name, package = code.name(thing), code.package(thing)
        self.counts[name] += 1
        self.labels[id(thing)] = thing, name if self.counts[name] == 1 else f"{name}#{self.counts[name]}"
        if code.is_installed(package) and not code.holds_values(thing):
            self.packages.add(package)
        else:
            self.code.append(thing)


def identity(**parts: object) -> str:
    """Of what a training is given, whatever it is made of; a part that is None is left out."""
    met = _Met()
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):  # NumPy else leaves out numbers, and digits
        given = [line for name, part in parts.items() if part is not None for line in _lines(name, part, met)]
        told = [f"code.{met.label(thing)}={_digested(thing, met)}" for thing in met.code]  # which grows on the way
    return "\n".join([*_versions(met.packages), *given, *told])


def differing(text: str, other: str, most: int = 3, width: int = 100) -> tuple[str, str]:
    """Gives the first lines of each that the other has not, in one short line.

    Args:
        text: what one training is, from `identity`.
        other: what another is.
        most: lines that are shown.
        width: characters of a line that are shown.

    Returns:
        (of `text`, of `other`).
    """
    lines, others = text.split("\n"), other.split("\n")
    return _brief(lines, set(others), most, width), _brief(others, set(lines), most, width)


def _brief(lines: list[str], known: set[str], most: int, width: int) -> str:
    new = [line for line in lines if line not in known]
    shown = [line if len(line) <= width else f"{line[: width - 4]} ..." for line in new[:most]]
    return ", ".join(shown + ["..."] * (len(new) > most)) or "nothing more"


def _versions(packages: set[str]) -> Iterator[str]:
    yield f"versions.python={sys.version_info.major}.{sys.version_info.minor}"
    for name in sorted({*VERSIONED, *packages} - sys.stdlib_module_names):
        try:
            yield f"versions.{name}={version(name)}"
        except PackageNotFoundError:  # distributed by another name, or a source tree that was never installed
            yield f"versions.{name}={getattr(sys.modules.get(name), '__version__', 'unknown')}"


def _lines(path: str, value: object, met: _Met, within: tuple[int, ...] = (), deep: bool = False) -> Iterator[str]:
    """One for `value`, and those of what it is made of; `within` which objects it lies, so that rings end.

    `deep` within what may be reached along many ways, the like is told as a digest.
    """
    value = code.unchecked(value)
    met.label(type(value))
    text, parts = _described(value)
    yield f"{path}={text}".replace("\n", "\\n")
    if id(value) in within:
        return
    deep = deep or callable(value) or is_object(value)
    for name, part in parts.items():
        if isinstance(part, Named | type | ModuleType):
            yield f"{path}{name}={met.label(part.thing if isinstance(part, Named) else part)}"
        elif deep and (is_function(part) or is_object(part)):
            yield f"{path}{name}={_digested(part, met)}"
        else:
            yield from _lines(path + name, part, met, (*within, id(value)), deep)


def _digested(thing: object, met: _Met) -> str:
    """All its lines as one digest: made once, as functions and objects may hold each other along many ways."""
    if id(thing) not in met.digests:
        met.digests[id(thing)] = thing, "itself"  # where it is met within
        met.digests[id(thing)] = thing, digest("\n".join(_lines("", thing, met)).encode())
    return met.digests[id(thing)][1]


def _described(value: object) -> tuple[str, dict[str, Any]]:
    """What is said of the value itself, and its parts by what leads to them."""
    kind = type(value).__name__  # not its module: that of a script is another where the script is imported
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _array(value)
    if isinstance(value, Mapping) and type(value).__module__ != "weakref":
        return kind, {f"[{plain(key)}]": value[key] for key in sorted(value, key=plain)}
    if names := isinstance(value, tuple) and getattr(value, "_fields", None):
        return kind, {f".{name}": getattr(value, name) for name in names}
    if isinstance(value, list | tuple):
        return f"{kind} of {len(value)}", {f"[{i}]": part for i, part in enumerate(value)}
    if isinstance(value, type):
        return f"{value.__name__} of {', '.join(map(plain, value.__bases__))}", code.contents(value)
    if dataclasses.is_dataclass(value):
        fields = {f".{field.name}": getattr(value, field.name, None) for field in dataclasses.fields(value)}
        return kind, fields | ({".variables": value.variables} if isinstance(value, nn.Module) and value.scope else {})
    if is_function(value):
        return _function(value)
    leaves, structure = jax.tree.flatten(value)
    if not jax.tree_util.treedef_is_leaf(structure):
        return plain(structure), {f"[{i}]": leaf for i, leaf in enumerate(leaves)}
    return plain(value), _attributes(value) if is_object(value) else {}


def _function(value: Any) -> tuple[str, dict[str, Any]]:
    """Describes a function by its code and what it finds by names."""
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
        text = f"{value.__qualname__} {code.digest_of(value.__code__)}"
        return text, made_with | _enclosed(value) | code.read(value)
    wrapped = {".__wrapped__": value.__wrapped__} if hasattr(value, "__wrapped__") else {}
    called = {".__call__": call} if isinstance(call := type(value).__call__, FunctionType) else {}
    return plain(value), called | wrapped | (_attributes(value) if called else {})


def _attributes(value: object) -> dict[str, Any]:
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


def _array(leaf: jax.Array | np.ndarray | np.generic) -> tuple[str, dict[str, Any]]:
    kind = f"{leaf.dtype}{list(leaf.shape)}"
    if isinstance(leaf, core.Tracer) or (isinstance(leaf, jax.Array) and leaf.is_deleted()):
        return kind, {}  # it has no values, or none any more
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)  # type: ignore[arg-type]
    values = np.ascontiguousarray(leaf)
    if values.dtype == object:
        return kind, {f"[{i}]": part for i, part in enumerate(values.ravel())}
    return f"{kind} {repr(values.item()) if values.size == 1 else digest(values.tobytes())}", {}
