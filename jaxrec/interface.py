"""The modelling interface: the methods that a society supplies, as pure functions of PyTrees."""

import operator
from abc import ABC, abstractmethod
from functools import cache
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks, observations
from jaxrec.spaces import Space
from jaxrec.utilities import RewardFunction, Utilities, reward_function

State = TypeVar("State")
Params = TypeVar("Params")


class Interface(checks.KnownKeywords, ABC, Generic[State, Params]):
    """The methods of a society, of which `jaxrec.Environment` makes an environment.

    `State` and `Params` are the classes of its states and of its run-time values.
    """

    reward: str | RewardFunction

    @property
    def name(self) -> str:
        """The name of the class."""
        return type(self).__name__

    @property
    @abstractmethod
    def default_params(self) -> Params:
        """The run-time values of the paper."""

    def check_reward(self) -> None:
        """Raises InputError for a reward that does not exist; constructors call it."""
        reward_function(self.reward)

    def check_params(self, params: Params, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError, and names the parameter, for a wrong shape or a concrete value out of range.

        `batch` is the shape of the leading axes that every leaf has: () for one society.
        """
        influence, weights = operator.attrgetter("influence", "reward_weights")(params)
        if not isinstance(weights, Utilities):
            raise checks.InputError(f"reward_weights must be jaxrec.Utilities, got {checks.brief(weights)}")
        checks.bounded(params, "params")
        checks.shaped("influence", influence, batch)
        checks.within("influence", influence, 0.0, 1.0)
        for name in ("recommender", "user", "society"):
            checks.shaped(f"reward_weights.{name}", getattr(weights, name), batch)

    def prepare(self, params: Params) -> Params:
        """Gives `params` with all that each step would compute from them alone, such as tables; by default the same.

        Loops over steps call it once, before the first. What it gives is for the other methods; `replace` drops what
        was prepared (`EnvParams.prepared`).
        """
        return params

    @abstractmethod
    def reset_env(self, key: Array, params: Params) -> tuple[Any, State]:
        """Begins an episode and gives (observation, state)."""

    @abstractmethod
    def transition(self, key: Array, state: State, action: PyTree, params: Params) -> tuple[State, Array]:
        """Moves the society by one step, by its own rules: without observation, reward or reset.

        Args:
            key: a typed key, for the draws of this step.
            state: of one society.
            action: a legal one.
            params: run-time values.

        Returns:
            (next state, bool[] terminated).
        """

    @abstractmethod
    def observe(self, state: State, params: Params) -> Any:
        """Gives the observation that the recommender has of `state`."""

    @abstractmethod
    def utilities(self, state: State, action: PyTree, next_state: State, params: Params) -> Utilities:
        """Values a transition for recommender, users and society.

        Args:
            state: of one society.
            action: a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            float[] each; `user` may have a value for each user.
        """

    @abstractmethod
    def metrics(self, state: State, action: PyTree, next_state: State, params: Params) -> dict[str, Array]:
        """Describes a transition by numbers, which `rollout` averages.

        Args:
            state: of one society.
            action: a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            Metric -> float[] or bool[]; none has a name in `jaxrec.measures.RESERVED`.
        """

    @abstractmethod
    def action_space(self, params: Params | None = None) -> Space:
        """The space of actions."""

    @abstractmethod
    def observation_space(self, params: Params | None = None) -> Space:
        """The space of observations."""

    @property
    def fixed_horizon(self) -> int | None:
        """The steps of every episode where all are equally long, else None. Such batches are reset together."""
        return None

    @property
    def num_start_states(self) -> int | None:
        """The number of start states that a batch draws once, where a reset is costly; None to draw each afresh."""
        return None

    @property
    def may_truncate(self) -> bool:
        """Whether `is_truncated` is ever true. If not, agents need not value final observations."""
        return False

    @property
    def num_observations(self) -> int | None:
        """The number of distinct observations, where they can be indexed without gaps; else None.

        By default that of `observation_space`, where it is of bounded integers and has at most 10^8 elements.
        """
        elements = observations.count(_known_space(self))
        return elements if elements is not None and elements <= observations.MAX_INDEXED else None

    def observation_index(self, obs: PyTree) -> Array:
        """Gives the index of `obs`, int32[] in 0 ... num_observations - 1, where observations can be indexed."""
        space = _known_space(self)
        if self.num_observations is None:
            why = observations.too_many(space)
            raise checks.InputError(f"{self.name} has no observation index: a tabular agent cannot learn in it{why}")
        return observations.index(space, obs)

    def reward_components(self, state: State, action: PyTree, next_state: State, params: Params) -> Utilities:
        """Gives the utilities that the agent's reward is made of; by default those of the step.

        Where a utility is a level of which only the end of an episode counts, a society gives the step's addition to
        it: the same return, paid step by step (potential-based; Ng, Harada & Russell 1999).

        Args:
            state: of one society.
            action: a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            float[] each; `user` may have a value for each user.
        """
        return self.utilities(state, action, next_state, params)

    def counterfactual_engagement(
        self, state: State, action: PyTree, next_state: State, safe: State, served: State, params: Params
    ) -> Array:
        """Values a recommendation under the preferences that the user has in another state, `safe`.

        By default this is the recommender's utility of the same recommendation there.

        Args:
            state: of the user.
            action: a legal one.
            next_state: where the action led.
            safe: the state of the same user had it been served safely.
            served: where the same action leads from `safe`, on the same draws.
            params: run-time values.

        Returns:
            float[], the engagement.
        """
        return jnp.asarray(self.utilities(safe, action, served, params).recommender, float)

    def info(self, state: State, action: PyTree, next_state: State, params: Params) -> dict[str, Array]:
        """Gives further entries of the `info` that `step` returns.

        Args:
            state: of one society.
            action: a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            Name -> array.
        """
        return {}

    def render(self, trajectory: PyTree, params: Params | None = None) -> Any:
        """Draws one episode, a `Trajectory` of one environment, as a matplotlib figure."""
        raise checks.InputError(f"{self.name} has no picture of an episode")


@cache
def _known_space(env: Interface[Any, Any]) -> Space:
    """The observation space by default parameters, with bounds that are known also where this is called in a trace."""
    with jax.ensure_compile_time_eval():
        return env.observation_space(env.default_params)
