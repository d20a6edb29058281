"""Which environment a command is about, with constructor arguments and run-time values from the terminal."""

import ast
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tyro
from flax import struct
from jaxtyping import PyTree

from jaxrec import Environment, checks, make

WORDS = {"true": True, "false": False, "none": None, "inf": np.inf, "-inf": -np.inf, "infinity": np.inf, "nan": np.nan}


@dataclass
class EnvOptions:
    """Which environment."""

    env: tyro.conf.Positional[str]
    """Environment id; see `jaxrec list`."""
    params: dict[str, str] = field(default_factory=dict)
    """Run-time values by name, e.g. --params influence 0.5 reward_weights.user 2"""
    args: dict[str, str] = field(default_factory=dict)
    """Constructor arguments by name, e.g. --args horizon 10"""

    def make(self) -> tuple[Environment, Any]:
        """(environment, parameters), checked."""
        env, params = make(self.env, **{name: _literal(value) for name, value in self.args.items()})
        for name, value in self.params.items():
            params = _replaced(params, name, name, _number(value), self.env)
        return env, env.resolve(params)


def _replaced(params: PyTree, path: str, name: str, value: object, env_id: str) -> PyTree:
    """`params` with the one at `path`, such as "reward_weights.user", replaced; `name` is what is left of the path."""
    first, _, rest = name.partition(".")
    known = dict.fromkeys(vars(params)) if isinstance(params, struct.PyTreeNode) else {}
    checks.lookup(known, first, f"parameter of {env_id} {path!r}:" if first != path else f"parameter of {env_id}")
    return params.replace(**{first: _replaced(getattr(params, first), path, rest, value, env_id) if rest else value})


def _literal(text: str) -> Any:
    """A Python literal, a word such as true or inf in any case, or the text itself."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _number(text: str) -> Any:
    """A literal; a list of numbers becomes an array."""
    value = _literal(text)
    try:
        return np.asarray(value) if isinstance(value, list | tuple) else value
    except ValueError:  # lists of unequal lengths, refused by name where parameters are checked
        return value
