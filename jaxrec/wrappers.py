"""Environments around environments: another calling convention, flat observations, a time limit from outside, and
users as they would be had they been served safely.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
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

    def engagement_under(self, state: Any, action: Any, next_state: Any, safe: Any, served: Any, params: Any) -> Array:
        """As the environment inside."""
        return self.env.engagement_under(state, action, next_state, safe, served, params)

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
        checks.positive("max_steps", self.max_steps, checks.MOST_STEPS)

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


SAFE = ("initial", "natural")
Safe = str | Callable[[Environment], Any]


class SafeState(struct.PyTreeNode):
    """A user, and the same user served safely.

    Attributes:
        env: state of the environment inside.
        safe: one state for each safe shift: where the same user would be, on the same draws.
        carries: of the safe policies; () for shifts without one.
        worth: float[shifts], what the last step would have been worth to each of them.
    """

    env: Any
    safe: Any
    carries: Any
    worth: Any

    @property
    def time(self) -> Array:
        """int32[]: that of the environment inside."""
        return self.env.time


@dataclasses.dataclass(unsafe_hash=True)
class SafeShifts(Wrapper):
    """Users are worth what is recommended to them under the preferences that they would have had.

    The engagement of what a policy recommends, judged by preferences as they would be under a shift that is trusted
    (Carroll et al. 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender Systems", section 5):
    utilities are those of the environment inside, but the user's is `sum(weights[i] * engagement under safe[i])`. With
    `reward="penalised"` and the default `reward_weights` that is the paper's objective, engagement now and under safe
    shifts; `reward_weights.user` weighs it at run time. For each shift a twin of the user lives on beside it, on the
    same draws; see `Environment.engagement_under`.

    Attributes:
        env: any environment whose parameters have an `influence`.
        safe: "initial", preferences never shift; "natural", they shift as they do where influence is 0; or a safe
            policy, by its name in the environment or as a function of the environment.
        weights: of each of them, nu in the paper.

    Raises:
        InputError: for an environment without `influence`, an unknown shift, or other than one weight each.
    """

    safe: tuple[Safe, ...] = SAFE
    weights: tuple[float, ...] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if not hasattr(self.env.default_params, "influence"):
            raise checks.InputError(f"safe shifts need an environment with influence, {self.env.name} has none")
        if len(self.weights) != len(self.safe):
            raise checks.InputError(f"weights must have one number a safe shift, got {self.weights} for {self.safe}")
        for shift in self.safe:
            if isinstance(shift, str):
                checks.lookup(dict.fromkeys((*SAFE, *self.env.policies)), shift, "safe shift")

    @property
    def default_params(self) -> Any:
        """Those of the environment inside, with weights (1, 1, 0) of `reward="penalised"`."""
        return self.env.default_params.replace(reward_weights=Utilities(recommender=1.0, user=1.0, society=0.0))

    def reset_env(self, key: Array, params: Any) -> tuple[Any, SafeState]:
        """As the environment inside."""
        key_env, *keys = jax.random.split(key, 1 + len(self.safe))
        obs, state = self.env.reset_env(key_env, params)
        carries = tuple(policy.init(key) if policy else () for policy, key in zip(self._policies(), keys, strict=True))
        return obs, SafeState(state, (state,) * len(self.safe), carries, jnp.zeros(len(self.safe)))

    def transition(self, key: Array, state: SafeState, action: Any, params: Any) -> tuple[SafeState, Array]:
        """As the environment inside; its twins go their own way on the same draws."""
        key, key_safe = jax.random.split(key)
        next_state, terminated = self.env.transition(key, state.env, action, params)
        unmoved = params.replace(influence=jnp.zeros_like(jnp.asarray(params.influence, float)))
        lived, carries, worth = [], [], []
        for shift, policy, safe, carry in zip(self.safe, self._policies(), state.safe, state.carries, strict=True):
            served, _ = self.env.transition(key, safe, action, unmoved)
            worth.append(self.env.engagement_under(state.env, action, next_state, safe, served, params))
            if policy:
                chosen, carry = policy.act(carry, self.env.observe(safe, params), key_safe)
                served, _ = self.env.transition(key, safe, chosen, params)
            lived.append(safe if shift == "initial" else served)
            carries.append(carry)
        return SafeState(next_state, tuple(lived), tuple(carries), jnp.stack(worth)), terminated

    def observe(self, state: SafeState, params: Any) -> Any:
        """As the environment inside."""
        return self.env.observe(state.env, params)

    def utilities(self, state: SafeState, action: Any, next_state: SafeState, params: Any) -> Utilities:
        """Those of the environment inside; the user's: engagement under safe shifts."""
        return self._safely(self.env.utilities(state.env, action, next_state.env, params), next_state)

    def incentives(self, state: SafeState, action: Any, next_state: SafeState, params: Any) -> Utilities:
        """Likewise."""
        return self._safely(self.env.incentives(state.env, action, next_state.env, params), next_state)

    def metrics(self, state: SafeState, action: Any, next_state: SafeState, params: Any) -> dict[str, Array]:
        """Those of the environment inside, and `safe_0`, ...: engagement under each safe shift."""
        inside = self.env.metrics(state.env, action, next_state.env, params)
        return inside | {f"safe_{i}": next_state.worth[i] for i in range(len(self.safe))}

    def info(self, state: SafeState, action: Any, next_state: SafeState, params: Any) -> dict[str, Array]:
        """As the environment inside."""
        return self.env.info(state.env, action, next_state.env, params)

    def is_truncated(self, state: SafeState, params: Any) -> Array:
        """As the environment inside."""
        return self.env.is_truncated(state.env, params)

    def _safely(self, worth: Utilities, next_state: SafeState) -> Utilities:
        return worth.replace(user=(jnp.asarray(self.weights) * next_state.worth).sum())

    def _policies(self) -> list[Any]:
        """The policy of each safe shift; None where there is none."""
        return [
            None if shift in SAFE else self.env.policy(shift) if isinstance(shift, str) else shift(self.env)
            for shift in self.safe
        ]
