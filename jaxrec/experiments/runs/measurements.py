"""Measurements of a study in one file: nested dataclasses, dictionaries and lists as named arrays and their structure.

The file is a NumPy archive without pickles. The entry `structure` is JSON, and says how the arrays nest.
"""

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxrec import checks
from jaxrec.runtime.atomic_files import DAMAGED, replacing

FILE = "measured.npz"
STRUCTURE = "structure"
CLASSES = ("jaxrec.experiments.", "jaxrec.audit.")  # the modules whose dataclasses may be written, and are made again


def write(path: Path, measured: Any) -> None:
    """Writes what was measured, atomically.

    Raises:
        TypeError: for anything but NumPy arrays of numbers, plain numbers, strings and None in dataclasses of
            `jaxrec.experiments` or `jaxrec.audit`, dictionaries, lists and tuples; the message says where it is.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = _flattened(measured, "measured", arrays)
    arrays[STRUCTURE] = np.array(json.dumps(structure))
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]


def read(path: Path) -> Any:
    """Reads what `write` wrote.

    Raises:
        InputError: if the file is not there, is damaged, or holds a class that this version of jaxrec has not.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return _rebuilt(json.loads(str(archive[STRUCTURE])), archive)
    except FileNotFoundError:
        raise checks.InputError(f"there is no {str(path)!r}") from None
    except DAMAGED as error:
        raise checks.InputError(f"{str(path)!r} cannot be read: {error}") from None


def _flattened(value: Any, path: str, arrays: dict[str, np.ndarray] | None) -> dict[str, Any]:
    """The structure of `value`, whose arrays are added to `arrays` by their path; None where there may be none."""
    if arrays is not None and isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        path = f"{path}#{len(arrays)}" if path in arrays else path
        arrays[path] = np.asarray(value)
        return {"array" if isinstance(value, np.ndarray) else "scalar": path}
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        items = [_flattened(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]
        return {"list" if type(value) is list else "tuple": items}
    if type(value) is dict:
        keys = [_flattened(key, path, None) for key in value]
        items = [_flattened(item, f"{path}.{key}", arrays) for key, item in value.items()]
        return {"dict": list(zip(keys, items, strict=True))}
    kind = type(value)
    if dataclasses.is_dataclass(kind) and kind.__module__.startswith(CLASSES):
        names = [field.name for field in dataclasses.fields(kind)]
        fields = {name: _flattened(getattr(value, name), f"{path}.{name}", arrays) for name in names}
        return {"class": f"{kind.__module__}:{kind.__qualname__}", "fields": fields}
    raise TypeError(f"{path} is {checks.brief(value)}, which is not measured as NumPy arrays and plain values")


def _rebuilt(structure: dict[str, Any], arrays: Any) -> Any:
    """The value of a structure."""
    match structure:
        case {"array": name}:
            return arrays[name]
        case {"scalar": name}:
            return arrays[name][()]
        case {"value": value}:
            return value
        case {"list": items}:
            return [_rebuilt(item, arrays) for item in items]
        case {"tuple": items}:
            return tuple(_rebuilt(item, arrays) for item in items)
        case {"dict": pairs}:
            return {_rebuilt(key, arrays): _rebuilt(item, arrays) for key, item in pairs}
        case {"class": name, "fields": fields}:
            return _class(name)(**{field: _rebuilt(item, arrays) for field, item in fields.items()})
    raise ValueError(f"its structure has {sorted(structure)}")


def _class(name: str) -> type:
    """The dataclass of `jaxrec.experiments` or `jaxrec.audit` called "module:qualname"."""
    module, _, qualname = name.partition(":")
    found: Any = None
    if module.startswith(CLASSES):
        try:
            found = importlib.import_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            found = None
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise ValueError(f"this version of jaxrec has no dataclass {name!r} of measurements")
    return found
