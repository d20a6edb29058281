"""Another calling convention, flat observations, a time limit from outside."""

import dataclasses
from typing import Any

import jax
from jax import Array

from jaxrec import checks
from jaxrec.spaces import Box, flatten
from jaxrec.wrappers.base import Wrapper


@dataclasses.dataclass(unsafe_hash=True)
class LegacyStepAPI(Wrapper):
    """`step` returns (obs, state, reward, done, info), as agents from before gymnax 1.0 expect (PureJaxRL).

    `info` keeps `terminated`, `truncated`, `discount` and `final_observation`.
    """

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
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
        super().__post_init__()
        checks.positive("max_steps", self.max_steps, checks.MOST_STEPS)

    @property
    def fixed_horizon(self) -> int | None:
        """The common length of all episodes: the limit, where it comes first."""
        inner = self.env.fixed_horizon
        return None if inner is None else min(inner, self.max_steps)

    @property
    def may_truncate(self) -> bool:
        """True: the limit may cut episodes off."""
        return True

    def is_truncated(self, state: Any, params: Any) -> Array:
        """bool[]: the limit is reached."""
        return (state.time >= self.max_steps) | super().is_truncated(state, params)


@dataclasses.dataclass(unsafe_hash=True)
class FlattenObservation(Wrapper):
    """Observations as one vector float[n], for agents and wrappers that know arrays only.

    The fields of a structured observation follow each other in the order in which they are declared. The policies of
    the environment inside read its own observations, so there are none here.
    """

    @property
    def policies(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """No recommenders: those of the environment inside read its own observations."""
        return {}

    def reset_env(self, key: Array, params: Any) -> tuple[Array, Any]:
        """(observation, state), the observation flattened."""
        obs, state = self.env.reset_env(key, params)
        return flatten(obs), state

    def observe(self, state: Any, params: Any) -> Array:
        """float[n]: what the environment inside observes."""
        return flatten(super().observe(state, params))

    def observation_space(self, params: Any = None) -> Box:
        """Vectors of the length of all fields together."""
        params = self.default_params if params is None else params
        obs, _ = jax.eval_shape(self.reset_env, jax.random.key(0), params)
        return Box(-float("inf"), float("inf"), obs.shape, obs.dtype)

    def observation_index(self, obs: Any) -> Array:
        """Raises InputError: a flattened observation has no index."""
        raise checks.InputError("FlattenObservation has no observation index; index the environment inside")

    @property
    def num_observations(self) -> None:
        """None, for no observation has an index."""
        return None
