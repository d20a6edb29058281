"""Which environment a command is about, with constructor arguments and run-time values from the terminal."""

from dataclasses import dataclass, field
from typing import Any

import tyro

from jaxrec import Environment
from jaxrec.experiments.runs.worlds import world


@dataclass
class EnvOptions:
    """Which environment."""

    env: tyro.conf.Positional[str]
    """Environment id; see `jaxrec list`. For one of your own `module:Name`, found in this folder or installed."""
    params: dict[str, str] = field(default_factory=dict)
    """Run-time values by name, e.g. --params influence 0.5 reward_weights.user 2"""
    args: dict[str, str] = field(default_factory=dict)
    """Constructor arguments by name, e.g. --args horizon 10"""

    def settings(self) -> dict[str, Any]:
        """The environment as settings of a study: `env`, `args` and `params`."""
        args, params = (tuple(f"{name}={value}" for name, value in each.items()) for each in (self.args, self.params))
        return {"env": self.env, "args": args, "params": params}

    def make(self) -> tuple[Environment, Any]:
        """(environment, parameters), checked."""
        return world(self.env, self.args, self.params)
