"""Adapters for agents that expect another calling convention, and a time limit from outside."""

import dataclasses
from typing import Any

from jax import Array

from jaxrec import checks
from jaxrec.environment import Environment


@dataclasses.dataclass(unsafe_hash=True)
class Wrapper:
    """Passes everything on to the environment inside; a subclass changes one thing."""

    env: Environment

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "env":
            raise AttributeError(name)
        return getattr(self.env, name)


@dataclasses.dataclass(unsafe_hash=True)
class FiveValues(Wrapper):
    """`step` returns (obs, state, reward, done, info), as agents from before gymnax 1.0 expect (PureJaxRL, rejax 0.1).

    `info` keeps `terminated`, `truncated` and `final_observation`, and gains `discount`: 0 where the game terminated.
    """

    def step(
        self, key: Array, state: Any, action: Any, params: Any = None
    ) -> tuple[Any, Any, Array, Array, dict[str, Any]]:
        """One step with automatic reset; `done` is termination or truncation."""
        obs, state, reward, terminated, truncated, info = self.env.step(key, state, action, params)
        return obs, state, reward, terminated | truncated, info | {"discount": 1.0 - terminated}


@dataclasses.dataclass(unsafe_hash=True)
class TimeLimit(Wrapper):
    """Cuts episodes off (`truncated`) after `max_steps` steps; a step that also ends the game sets both flags."""

    max_steps: int = 1000

    # Automatic reset has to see this class's `is_truncated`, not that of the environment inside.
    reset, _reset, step = Environment.reset, Environment._reset, Environment.step

    def __post_init__(self) -> None:
        checks.positive("max_steps", self.max_steps)

    @property
    def fixed_horizon(self) -> int | None:
        """The common length of all episodes: the limit, where it comes first."""
        inner = self.env.fixed_horizon
        return None if inner is None else min(inner, self.max_steps)

    def is_truncated(self, state: Any, params: Any) -> Array:
        """bool[]: the limit is reached."""
        return state.time >= self.max_steps
