"""Environments around environments: another calling convention, flat observations, a time limit from outside."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.spaces import Box, Space
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
    def num_start_states(self) -> int | None:
        """That of the environment inside."""
        return self.env.num_start_states

    @property
    def may_truncate(self) -> bool:
        """As the environment inside."""
        return self.env.may_truncate

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

    def incentives(self, state: Any, action: Any, next_state: Any, params: Any) -> Utilities:
        """As the environment inside."""
        return self.env.incentives(state, action, next_state, params)

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

    def info(self, state: Any, action: Any, next_state: Any, params: Any) -> dict[str, Array]:
        """As the environment inside."""
        return self.env.info(state, action, next_state, params)

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

    @property
    def may_truncate(self) -> bool:
        """True."""
        return True

    def is_truncated(self, state: Any, params: Any) -> Array:
        """bool[]: the limit is reached."""
        return (state.time >= self.max_steps) | self.env.is_truncated(state, params)


@dataclasses.dataclass(unsafe_hash=True)
class FlatObservation(Wrapper):
    """Observations as one vector float[n], for agents and wrappers that know arrays only.

    The fields of a structured observation follow each other in the order in which they are declared. The policies of
    the environment inside read its own observations, so there are none here.
    """

    @property
    def policies(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """None."""
        return {}

    def reset_env(self, key: Array, params: Any) -> tuple[Array, Any]:
        """As the environment inside, the observation flattened."""
        obs, state = self.env.reset_env(key, params)
        return flat(obs), state

    def observe(self, state: Any, params: Any) -> Array:
        """float[n]: what the environment inside observes."""
        return flat(self.env.observe(state, params))

    def observation_space(self, params: Any = None) -> Box:
        """Vectors of the length of all fields together."""
        params = self.default_params if params is None else params
        obs, _ = jax.eval_shape(self.reset_env, jax.random.key(0), params)
        return Box(-float("inf"), float("inf"), obs.shape, obs.dtype)

    def observation_index(self, obs: Any) -> Array:
        """Raises InputError: a flattened observation has no index."""
        raise checks.InputError("FlatObservation has no observation index; index the environment inside")

    @property
    def num_observations(self) -> None:
        """None: see `observation_index`."""
        return None


def flat(obs: Any) -> Array:
    """float[n]: an observation of any structure as one vector."""
    return ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, float), obs))[0]
