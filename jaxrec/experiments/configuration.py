"""The configuration of a run as its manifest holds it, and back: a run that goes on has no other source of it."""

import dataclasses
import math
from typing import Any

from jaxrec import checks

NOT_FINITE = ("inf", "-inf", "nan")  # which JSON has not


def to_json(config: Any) -> dict[str, Any]:
    """The fields of a dataclass of numbers, strings and tuples of them."""
    return {name: _written(value) for name, value in dataclasses.asdict(config).items()}


def from_json(kind: type, fields: dict[str, Any]) -> Any:
    """The configuration whose fields were written.

    Raises:
        InputError: if they are not those of a `kind`.
    """
    try:
        return kind(**{name: _read(value) for name, value in fields.items()})
    except TypeError as error:
        raise checks.InputError(f"not the settings of a {kind.__name__}: {error}") from None


def _written(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read(item) for item in value)
    return float(value) if value in NOT_FINITE else value
