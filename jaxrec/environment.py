"""The modelling interface: what every society is, whoever recommends in it.

The calling convention is that of gymnax 1.0, so that its wrappers and agents run on these environments:

    obs, state = env.reset(key, params)
    obs, state, reward, terminated, truncated, info = env.step(key, state, action, params)
"""

import dataclasses
from abc import ABC, abstractmethod
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec import auto_reset, checks
from jaxrec.spaces import Space
from jaxrec.utilities import RewardFunction, Utilities, paid, reward_function


class EnvState(struct.PyTreeNode):
    """What an episode carries from step to step.

    Attributes:
        time: int32[], steps taken since the episode began.
    """

    time: Any


class EnvParams(struct.PyTreeNode):
    """Run-time values: each may be swept with `vmap` without recompiling.

    None is beyond a million (`checks.LARGEST`) where nothing else is said.

    Attributes:
        influence: float[] in [0, 1]; how far what is recommended changes users. At 0 it does not: the world in
            which the action is independent of theta (Evans & Kasirzadeh, "User Tampering", Definition 2).
        reward_weights: a weight for each utility, read by `reward="penalised"`.
    """

    influence: Any = 1.0
    reward_weights: Utilities = Utilities(recommender=1.0, user=1.0, society=1.0)


class Environment(ABC):
    """A society that one recommender serves, as pure functions of PyTrees.

    Constructor arguments fix shapes, topology, spaces and the choice of reward; `EnvParams` holds run-time values.
    A subclass is a `dataclass(unsafe_hash=True)`: two equal environments hash equal, and the second does not recompile.
    It supplies `reset_env`, `transition`, `observe`, `utilities`, `metrics`, the spaces and `default_params`, and of
    `check_params`, `reward_components`, `fixed_horizon`, `num_observations` with `observation_index`, and `render` what
    applies to it.

    *Actions* of another shape or kind (integers, floats) than those of `action_space` are refused, traced or not.
    `step` refuses concrete ones outside the space; for a traced one the nearest in the space is taken (`legal_action`)
    and `info["invalid_action"]` is true. `transition`, and what is called after it, is given legal actions only.

    Attributes:
        reward: a name in `jaxrec.utilities.REWARDS`, or a function of (utilities, weights).
        policies: the environment's own recommenders by name, each a function of (environment, parameters).
        preferences: which parts of the state are the users, as paths such as "society.cooperators": what
            recommendations change where `influence` is 1, and do not where it is 0. `jaxrec.testing.api_test` holds the
            environment to that.
        sparse_metrics: metrics that are NaN at steps that have no such value, such as the strategy of whoever was
            recommended where nobody was. Means leave those steps out.
    """

    reward: str | RewardFunction
    policies: ClassVar[dict[str, Any]] = {}
    preferences: ClassVar[tuple[str, ...]] = ()
    sparse_metrics: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        # Settings are static arguments of what is compiled: they must hash, as lists and arrays do not.
        super().__setattr__(name, checks.hashable(value))

    # What a society supplies.

    @property
    @abstractmethod
    def default_params(self) -> Any:
        """The run-time values of the paper."""

    def check_reward(self) -> None:
        """Raises InputError for a reward that does not exist; constructors call it."""
        reward_function(self.reward)

    def check_params(self, params: Any, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError, and names the parameter, for a wrong shape or a concrete value out of range.

        `batch` is the shape of the leading axes that every leaf has: () for one society.
        """
        if not isinstance(params.reward_weights, Utilities):
            raise checks.InputError(
                f"reward_weights must be jaxrec.Utilities, got {checks.brief(params.reward_weights)}"
            )
        checks.bounded(params, "params")
        checks.shaped("influence", params.influence, batch)
        checks.within("influence", params.influence, 0.0, 1.0)
        for name in ("recommender", "user", "society"):
            checks.shaped(f"reward_weights.{name}", getattr(params.reward_weights, name), batch)

    @abstractmethod
    def reset_env(self, key: Array, params: Any) -> tuple[Any, Any]:
        """(observation, state) at the start of an episode."""

    @abstractmethod
    def transition(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Array]:
        """(next state, bool[] terminated): the society's own rules, without observation or reward."""

    @abstractmethod
    def observe(self, state: Any, params: Any) -> Any:
        """What the recommender sees of `state`."""

    @abstractmethod
    def utilities(self, state: Any, action: Any, next_state: Any, params: Any) -> Utilities:
        """What the transition is worth to recommender, users and society."""

    @abstractmethod
    def metrics(self, state: Any, action: Any, next_state: Any, params: Any) -> dict[str, Array]:
        """Scalars (float[] or bool[]) that say what the transition did; `rollout` averages them."""

    @abstractmethod
    def action_space(self, params: Any = None) -> Space:
        """The actions."""

    @abstractmethod
    def observation_space(self, params: Any = None) -> Space:
        """The observations."""

    @property
    def fixed_horizon(self) -> int | None:
        """The length of every episode where all are equally long, else None. Such batches are reset together."""
        return None

    @property
    def num_start_states(self) -> int | None:
        """Where a reset is costly: how many start states a batch draws once, to restart from. None draws afresh."""
        return None

    @property
    def may_truncate(self) -> bool:
        """Whether `is_truncated` is ever true. Where it is not, agents need not value final observations."""
        return False

    @property
    def num_observations(self) -> int | None:
        """How many distinct observations there are, where they can be indexed without gaps; else None."""
        return None

    def observation_index(self, obs: Any) -> Array:
        """int32[]: the index of `obs` in 0 ... num_observations - 1, where observations can be indexed."""
        raise checks.InputError(f"{self.name} has no observation index: a tabular agent cannot learn in it")

    def reward_components(self, state: Any, action: Any, next_state: Any, params: Any) -> Utilities:
        """The utilities as an agent is paid for them, of which `reward` chooses: those of the step.

        Where a utility is a level of which only the end of an episode counts, this is what the step adds to it: the
        same return, paid along the way (potential-based; Ng, Harada & Russell 1999).
        """
        return self.utilities(state, action, next_state, params)

    def counterfactual_engagement(
        self, state: Any, action: Any, next_state: Any, safe: Any, served: Any, params: Any
    ) -> Array:
        """float[]: what the transition is worth under the preferences in `safe`, the state of the same user elsewhere.

        By default what the same recommendation was worth there: it led from `safe` to `served` on the same draws.
        """
        return jnp.asarray(self.utilities(safe, action, served, params).recommender, float)

    def info(self, state: Any, action: Any, next_state: Any, params: Any) -> dict[str, Array]:
        """What else `step` says about a transition."""
        return {}

    def render(self, trajectory: Any, params: Any = None) -> Any:
        """A matplotlib figure of one episode (a `Trajectory` of one environment)."""
        raise checks.InputError(f"{self.name} does not draw itself")

    # What follows from it, the same for every society.

    @property
    def name(self) -> str:
        """The class's name."""
        return type(self).__name__

    def policy(self, name: str, params: Any = None) -> Any:
        """The environment's own recommender called `name`, such as a baseline of the paper.

        Args:
            name: one of `policies`.
            params: the run-time values that it is made for, traced or not: those of the rollout that it acts in. The
                environment's defaults if None.

        Raises:
            InputError: if there is none (the message names the nearest), or for concrete parameters out of range.
        """
        factory = checks.lookup(self.policies, name, f"policy of {self.name}")
        return factory(self, self.resolve(params))

    def resolve(self, params: Any, batch: tuple[int, ...] = ()) -> Any:
        """`params`, or the defaults if None, checked: every entry point takes its parameters through here.

        Raises:
            InputError: for parameters of another environment, a wrong shape, or a concrete value out of range.
        """
        if params is None:
            return self.default_params
        self.check_type(params)
        self.check_params(params, batch)
        return params

    def check_type(self, params: Any) -> None:
        """Raises InputError for parameters of another class than the defaults are of."""
        kind = type(self.default_params)
        if dataclasses.is_dataclass(kind) and not isinstance(params, kind):
            raise checks.InputError(f"params of {self.name} must be {kind.__name__}, got {checks.brief(params)}")

    def preferences_of(self, state: Any) -> tuple[Any, ...]:
        """The parts of `state` that `preferences` names, in its order."""
        return tuple(attrgetter(path)(state) for path in self.preferences)

    @property
    def num_actions(self) -> int:
        """The number of discrete actions."""
        return self.action_space(self.default_params).n  # type: ignore[attr-defined]

    def is_truncated(self, state: Any, params: Any) -> Array:
        """bool[]: never. A horizon belongs to the game and terminates it; only a time-limit wrapper truncates."""
        return jnp.zeros_like(state.time, bool)

    def legal_action(self, action: Any, params: Any) -> Any:
        """The action that is taken where `action` is recommended: the nearest one of `action_space`."""
        return self.action_space(params).nearest(action)

    def step_env(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Any, Array, Array, dict]:
        """(observation, state, reward, terminated, info), without reset at the end of an episode.

        Raises:
            InputError: for an action that has not the shape and the kind of those of `action_space`, traced or not.
        """
        space = self.action_space(params)
        space.check_form("action", action)
        invalid, action = ~space.contains(action), self.legal_action(action, params)
        next_state, terminated = self.transition(key, state, action, params)
        reward_components = self.reward_components(state, action, next_state, params)
        reward = paid(self.reward, reward_components, params.reward_weights)
        return (
            self.observe(next_state, params),
            next_state,
            reward,
            terminated,
            {"invalid_action": invalid} | self.info(state, action, next_state, params),
        )

    def reset(self, key: Array, params: Any = None) -> tuple[Any, Any]:
        """(observation, state) at the start of an episode.

        Raises:
            InputError: for concrete parameters out of range.
        """
        checks.typed_key("key", key)
        return self._reset(key, self.resolve(params))

    @partial(jax.jit, static_argnames="self")
    def _reset(self, key: Array, params: Any) -> tuple[Any, Any]:
        return self.reset_env(key, params)

    def step(
        self, key: Array, state: Any, action: Any, params: Any = None
    ) -> tuple[Any, Any, Array, Array, Array, dict[str, Any]]:
        """(observation, state, reward, terminated, truncated, info).

        At the end of an episode the next one begins: observation and state are those of the reset, and
        `info["final_observation"]` keeps the last observation of the episode that ended; `info["discount"]` is 0 where
        the game terminated, else 1; `info["invalid_action"]` whether a legal one was taken in place of the action.

        Raises:
            InputError: for such an action where it is concrete; for one of another shape or kind, traced or not; and
                for what is no key, no state, or parameters of another environment.
        """
        checks.typed_key("key", key)
        self.action_space(self.default_params if params is None else params).check("action", action)
        return auto_reset.step(self, key, state, action, params)
