"""The configuration of a run as its manifest and files hold it, and back; wrong values are refused in one line."""

import dataclasses
import json
import math
import reprlib
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from jaxrec import checks

NOT_FINITE = ("inf", "-inf", "nan")  # which JSON has not


def to_json(config: Any) -> dict[str, Any]:
    """The fields of a dataclass of numbers, strings, tuples of them, and dataclasses of the same kind."""
    return {name: written(value) for name, value in dataclasses.asdict(config).items()}


def flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields without tables in tables: "ppo.gamma" for the field `gamma` of `ppo`."""
    flattened: dict[str, Any] = {}
    for name, value in fields.items():
        inner = {f"{name}.{key}": item for key, item in flat(value).items()} if isinstance(value, Mapping) else None
        flattened |= {name: value} if inner is None else inner
    return flattened


def limited(limits: str, config: Any, preset: Any) -> str:
    """What a run of a preset cannot show, and which settings it changed, of which that may no longer be true.

    Args:
        limits: what is said of the preset, or nothing.
        config: the settings of the run.
        preset: the settings of the preset; None where the run has none.
    """
    if not limits or preset is None:
        return limits
    ours, theirs = (flat(dataclasses.asdict(one)) for one in (config, preset))
    others = [name for name in ours if ours[name] != theirs.get(name)]
    return f"{limits} (said of the preset; this run has its own {', '.join(others)})" if others else limits


def from_json(kind: type, fields: Any) -> Any:
    """The configuration whose fields were written, all of them.

    Raises:
        InputError: if they are not those of a `kind`, or a value is not of the type of its field.
    """
    values = _checked(kind, fields)
    if missing := [field.name for field in dataclasses.fields(kind) if field.name not in values]:
        raise checks.InputError(f"not the settings of a {kind.__name__}: {', '.join(missing)} missing")
    return kind(**values)


def changed(config: Any, fields: Any) -> Any:
    """`config` with other values of some fields; of a field that is a dataclass, a table of some of its fields.

    Raises:
        InputError: for a field that it has not, or a value that is not of the type of its field.
    """
    return dataclasses.replace(config, **_checked(type(config), fields, config))


def read_file(path: str | Path) -> dict[str, Any]:
    """The table in a JSON or TOML file, TOML if its name ends so.

    Raises:
        InputError: if it cannot be read, is no table, or names something twice.
    """
    path = Path(path)
    form = "TOML" if path.suffix == ".toml" else "JSON"
    try:
        text = path.read_text(encoding="utf-8-sig")  # with the mark that Windows writes, or without
        if not text.strip():
            raise checks.InputError(f"{str(path)!r} is empty")
        table = tomllib.loads(text) if form == "TOML" else json.loads(text, object_pairs_hook=_unique)
    except checks.InputError:
        raise
    except OSError as error:
        raise checks.InputError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise checks.InputError(f"{str(path)!r} must be UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise checks.InputError(f"{str(path)!r} is nested too deeply") from None
    except ValueError as error:
        raise checks.InputError(f"{str(path)!r} is no {form}: {error}") from None
    if not isinstance(table, dict):
        raise checks.InputError(f"{str(path)!r} must hold a table of settings, got {_shown(table)}")
    return table


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return table


def written(value: Any) -> Any:
    """A setting as JSON has it: a dataclass as a table, a tuple as a list, what is not finite by its name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_json(value)
    if isinstance(value, Mapping):
        return {name: written(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _checked(kind: type, fields: Any, before: Any = None) -> dict[str, Any]:
    """The values of some fields of a `kind`; fields that are dataclasses themselves change those of `before`."""
    if not isinstance(fields, Mapping):
        raise checks.InputError(f"settings must be a table, got {_shown(fields)}")
    types = typing.get_type_hints(kind)
    types = {field.name: types[field.name] for field in dataclasses.fields(kind)}
    return {
        name: _read(name, value, checks.lookup(types, name, "setting"), getattr(before, name, None))
        for name, value in fields.items()
    }


def _read(name: str, value: Any, kind: Any, before: Any = None) -> Any:
    """`value` as a `kind`, of those that configurations are made of."""
    if dataclasses.is_dataclass(kind):
        with checks.prefixed(name):
            return from_json(cast("type", kind), value) if before is None else changed(before, value)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _read_list(name, value, parts)
    if origin is Literal:
        return checks.lookup(dict(zip(parts, parts, strict=True)), _read(name, value, str), name)
    if kind is float and isinstance(value, str) and value in NOT_FINITE:
        return float(value)
    allowed, description = ALLOWED[kind]
    if type(value) not in allowed:  # a bool is an int to isinstance
        raise checks.InputError(f"{name} must be {description}, got {_shown(value)}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise checks.InputError(f"{name} must be a number of at most 64 bits, got one of {value.bit_length()}")
    return kind(value)


ALLOWED: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "an integer"),
    float: ((int, float), 'a number, or "inf", "-inf" or "nan"'),
    str: ((str,), "a string"),
}


def _read_list(name: str, value: Any, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise checks.InputError(f"{name} must be a list, got {_shown(value)}")
    if parts[-1] is ...:
        parts = parts[:1] * len(value)
    if len(value) != len(parts):
        raise checks.InputError(f"{name} must be a list of {len(parts)}, got {_shown(value)}")
    return tuple(_read(f"{name}[{i}]", item, part) for i, (item, part) in enumerate(zip(value, parts, strict=True)))


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # integers of too many digits
        return f"a {type(value).__name__}"
