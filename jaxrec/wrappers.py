"""Environments around environments: another calling convention, a time limit from outside."""

import dataclasses
from typing import Any

from jax import Array

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.spaces import Space
from jaxrec.utilities import Utilities


@dataclasses.dataclass(unsafe_hash=True)
class Wrapper(Environment):
    """An environment that is another one in everything; a subclass changes one thing."""

    env: Environment

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "env":
            raise AttributeError(name)
        return getattr(self.env, name)

    @property
    def reward(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the environment inside."""
        return self.env.reward

    @property
    def policies(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those of the environment inside."""
        return self.env.policies

    @property
    def default_params(self) -> Any:
        """Those of the environment inside."""
        return self.env.default_params

    @property
    def fixed_horizon(self) -> int | None:
        """That of the environment inside."""
        return self.env.fixed_horizon

    @property
    def num_observations(self) -> int | None:
        """That of the environment inside."""
        return self.env.num_observations

    def check_params(self, params: Any, batch: tuple[int, ...] = ()) -> None:
        """As the environment inside."""
        self.env.check_params(params, batch)

    def reset_env(self, key: Array, params: Any) -> tuple[Any, Any]:
        """As the environment inside."""
        return self.env.reset_env(key, params)

    def transition(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Array]:
        """As the environment inside."""
        return self.env.transition(key, state, action, params)

    def observe(self, state: Any, params: Any) -> Any:
        """As the environment inside."""
        return self.env.observe(state, params)

    def utilities(self, state: Any, action: Any, next_state: Any, params: Any) -> Utilities:
        """As the environment inside."""
        return self.env.utilities(state, action, next_state, params)

    def metrics(self, state: Any, action: Any, next_state: Any, params: Any) -> dict[str, Array]:
        """As the environment inside."""
        return self.env.metrics(state, action, next_state, params)

    def action_space(self, params: Any = None) -> Space:
        """That of the environment inside."""
        return self.env.action_space(params)

    def observation_space(self, params: Any = None) -> Space:
        """That of the environment inside."""
        return self.env.observation_space(params)

    def observation_index(self, obs: Any) -> Array:
        """As the environment inside."""
        return self.env.observation_index(obs)

    def render(self, trajectory: Any, params: Any = None) -> Any:
        """As the environment inside."""
        return self.env.render(trajectory, params)

    def is_truncated(self, state: Any, params: Any) -> Array:
        """As the environment inside."""
        return self.env.is_truncated(state, params)


@dataclasses.dataclass(unsafe_hash=True)
class FiveValues(Wrapper):
    """`step` returns (obs, state, reward, done, info), as agents from before gymnax 1.0 expect (PureJaxRL).

    `info` keeps `terminated`, `truncated`, `discount` and `final_observation`.
    """

    def step(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, key: Array, state: Any, action: Any, params: Any = None
    ) -> tuple[Any, Any, Array, Array, dict[str, Any]]:
        """One step with automatic reset; `done` is termination or truncation."""
        obs, state, reward, terminated, truncated, info = self.env.step(key, state, action, params)
        return obs, state, reward, terminated | truncated, info


@dataclasses.dataclass(unsafe_hash=True)
class TimeLimit(Wrapper):
    """Cuts episodes off (`truncated`) after `max_steps` steps; a step that also ends the game sets both flags."""

    max_steps: int = 1000

    def __post_init__(self) -> None:
        checks.positive("max_steps", self.max_steps)

    @property
    def fixed_horizon(self) -> int | None:
        """The common length of all episodes: the limit, where it comes first."""
        inner = self.env.fixed_horizon
        return None if inner is None else min(inner, self.max_steps)

    def is_truncated(self, state: Any, params: Any) -> Array:
        """bool[]: the limit is reached."""
        return (state.time >= self.max_steps) | self.env.is_truncated(state, params)
