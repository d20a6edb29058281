"""Wrappers that adapt an environment: an older calling convention, a time limit, observations as vectors."""

import dataclasses
from typing import Any

import jax
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks, observations
from jaxrec.spaces import Box, flatten
from jaxrec.wrappers.base import Wrapper


@dataclasses.dataclass(unsafe_hash=True)
class LegacyStepAPI(Wrapper):
    """Gives `step` the five values (obs, state, reward, done, info) of gymnax before 1.0, as PureJaxRL expects them.

        >>> env = LegacyStepAPI(jaxrec.make("PolarisingUsers-v0")[0])
        >>> obs, state = env.reset(jax.random.key(0))
        >>> obs, state, reward, done, info = env.step(jax.random.key(1), state, 0)

    `info` keeps `terminated`, `truncated`, `discount` and `final_observation`.
    """

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: Array, state: PyTree, action: PyTree, params: PyTree = None
    ) -> tuple[Any, Any, Array, Array, dict[str, Any]]:
        """Takes one step with automatic reset.

        Args:
            key: a typed key.
            state: of one society.
            action: an element of `action_space`.
            params: run-time values; the environment's defaults if None.

        Returns:
            (observation, state, float[] reward, bool[] done, info); `done` is termination or truncation.
        """
        obs, state, reward, terminated, truncated, info = self.env.step(key, state, action, params)
        return obs, state, reward, terminated | truncated, info


@dataclasses.dataclass(unsafe_hash=True)
class TimeLimit(Wrapper):
    """Truncates episodes after `max_steps` steps; a step that also ends the game sets both flags.

        >>> env = TimeLimit(jaxrec.make("RewiringGame-v0")[0], max_steps=100)
        >>> env.may_truncate
        True

    Attributes:
        env: the environment inside.
        max_steps: the limit, at least 1.

    Raises:
        InputError: for another limit.
    """

    max_steps: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("max_steps", self.max_steps, checks.MOST_STEPS)

    @property
    def fixed_horizon(self) -> int | None:
        """The common length of all episodes: the limit, where it is shorter."""
        inner = self.env.fixed_horizon
        return None if inner is None else min(inner, self.max_steps)

    @property
    def may_truncate(self) -> bool:
        """Always True."""
        return True

    def is_truncated(self, state: PyTree, params: PyTree) -> Array:
        """Tells, as bool[], whether the limit is reached."""
        return (state.time >= self.max_steps) | super().is_truncated(state, params)


@dataclasses.dataclass(unsafe_hash=True)
class FlattenObservation(Wrapper):
    """Gives observations as one vector float[n], for agents and wrappers that know arrays only.

        >>> env = FlattenObservation(jaxrec.make("RewiringGame-v0")[0])
        >>> obs, state = env.reset(jax.random.key(0))
        >>> obs.ndim
        1

    The fields of a structured observation follow each other in the order in which they are declared. The policies of
    the environment inside read its own observations, so this environment has no policies.
    """

    @property
    def policies(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Always empty: the recommenders of the environment inside read its own observations."""
        return {}

    def reset_env(self, key: Array, params: PyTree) -> tuple[Array, Any]:
        """Begins an episode and gives (flattened observation, state)."""
        obs, state = self.env.reset_env(key, params)
        return self.vector(obs, params), state

    def observe(self, state: PyTree, params: PyTree) -> Array:
        """Gives the flattened observation of the environment inside."""
        return self.vector(super().observe(state, params), params)

    def vector(self, obs: PyTree, params: PyTree) -> Array:
        """Makes a vector of an observation of the environment inside."""
        return flatten(obs)

    def observation_space(self, params: PyTree = None) -> Box:
        """The space of vectors that have the length of all fields together."""
        params = self.default_params if params is None else params
        obs, _ = jax.eval_shape(self.reset_env, jax.random.key(0), params)
        return Box(-float("inf"), float("inf"), obs.shape, obs.dtype)

    def observation_index(self, obs: PyTree) -> Array:
        """Raises InputError: a flattened observation has no index."""
        raise checks.InputError(f"{self.name} has no observation index; index the environment inside")

    @property
    def num_observations(self) -> None:
        """Always None: a flattened observation has no index."""
        return None


@dataclasses.dataclass(unsafe_hash=True)
class EncodeObservation(FlattenObservation):
    """Gives observations as one vector that a network learns from at once, by the observation space.

        >>> env = EncodeObservation(jaxrec.make("PolarisingUsers-v0", horizon=4)[0])
        >>> obs, state = env.reset(jax.random.key(0))
        >>> obs.shape  # six counts from 0 to 4
        (30,)

    A category, which is an integer or truth value of few values, becomes one number a value (one-hot); another number
    that has two bounds is scaled to [0, 1]; see `jaxrec.observations.encode`. A network takes a category for an amount
    where it is given 0 ... 4 as they are.

    Attributes:
        env: the environment inside.
        max_categories: the most values of a category, at least 1.

    Raises:
        InputError: for another number.
    """

    max_categories: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("max_categories", self.max_categories)

    def vector(self, obs: PyTree, params: PyTree) -> Array:
        """Encodes an observation of the environment inside."""
        return observations.encode(self.env.observation_space(params), obs, self.max_categories)
