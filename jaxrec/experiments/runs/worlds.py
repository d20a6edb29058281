"""Environments with constructor arguments and run-time values that are written as text."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flax import struct
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.registration import make

WORDS = {"true": True, "false": False, "none": None, "inf": np.inf, "-inf": -np.inf, "infinity": np.inf, "nan": np.nan}


@dataclass(frozen=True)
class WorldSettings:
    """Settings of a society."""

    env: str = "PolarisingUsers-v0"
    """Environment id; see `jaxrec list`."""
    args: tuple[str, ...] = ()
    """Constructor arguments, such as horizon=10."""
    params: tuple[str, ...] = ()
    """Run-time values, such as influence=0.5."""

    def world(self) -> tuple[Environment, Any]:
        """(environment, parameters), checked."""
        with checks.prefixed("env, args, params"):
            return world(self.env, named("args", self.args), named("params", self.params))


def named(setting: str, pairs: Sequence[str]) -> dict[str, str]:
    """Reads texts such as "horizon=10".

    Raises:
        InputError: for one without a name or a value, or a name that stands twice.
    """
    split = [pair.partition("=") for pair in pairs]
    for pair, (name, _, value) in zip(pairs, split, strict=True):
        if not name or not value:
            raise checks.InputError(f"{setting} must be of the form name=value, got {pair!r}")
    found = {name: value for name, _, value in split}
    if len(found) < len(pairs):
        raise checks.InputError(f"{setting} must name each value once, got {', '.join(pairs)}")
    return found


def world(env_id: str, args: Mapping[str, str], params: Mapping[str, str]) -> tuple[Environment, Any]:
    """Builds an environment from text.

    Args:
        env_id: one of `jaxrec.registered_envs()`.
        args: constructor arguments by name, such as "horizon": "10".
        params: run-time values by name, such as "reward_weights.user": "2".

    Returns:
        The environment, and its parameters, checked.

    Raises:
        InputError: for an unknown id or name, or a value that is not allowed.
    """
    env, values = make(env_id, **{name: literal(value) for name, value in args.items()})
    for name, value in params.items():
        values = _replaced(values, name, name, _number(value), env_id)
    return env, env.resolve(values)


def _replaced(params: PyTree, path: str, name: str, value: object, env_id: str) -> PyTree:
    """`params` with the one at `path`, such as "reward_weights.user", replaced; `name` is what is left of the path."""
    first, _, rest = name.partition(".")
    known = dict.fromkeys(vars(params)) if isinstance(params, struct.PyTreeNode) else {}
    checks.lookup(known, first, f"parameter of {env_id} {path!r}:" if first != path else f"parameter of {env_id}")
    return params.replace(**{first: _replaced(getattr(params, first), path, rest, value, env_id) if rest else value})


def literal(text: str) -> Any:
    """A Python literal, a word such as true or inf in any case, or the text itself."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _number(text: str) -> Any:
    """A literal; a list of numbers becomes an array."""
    value = literal(text)
    try:
        return np.asarray(value) if isinstance(value, list | tuple) else value
    except ValueError:  # lists of unequal lengths, refused by name where parameters are checked
        return value
