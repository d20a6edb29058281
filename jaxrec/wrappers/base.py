"""An environment around another one, which it is in everything that it does not change."""

import dataclasses
from typing import Any

from jax import Array

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.inputs import check_env
from jaxrec.spaces import Space
from jaxrec.utilities import Utilities


@dataclasses.dataclass(unsafe_hash=True)
class Wrapper(Environment):
    """An environment that is another one in everything; a subclass changes one thing.

    What is not written here is forwarded by `__getattr__`. A subclass whose state holds more than that of the
    environment inside says in `inner` where that is; everything forwarded goes by it.
    """

    env: Environment

    def __post_init__(self) -> None:
        check_env(self.env)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "env":
            raise AttributeError(name)
        return getattr(self.env, name)

    def inner(self, state: Any) -> Any:
        """The state of the environment inside."""
        return state

    @property
    def reward(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the environment inside pays for."""
        return self.env.reward

    @property
    def policies(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The recommenders of the environment inside; they read its observations."""
        return self.env.policies

    def policy(self, name: str, params: Any = None) -> Any:
        """The recommender of the environment inside."""
        checks.lookup(self.policies, name, f"policy of {self.name}")
        return self.env.policy(name, params)

    @property
    def preferences(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The parts of the inner state that are the users."""
        return self.env.preferences

    def preferences_of(self, state: Any) -> tuple[Any, ...]:
        """The users in the state of the environment inside."""
        return self.env.preferences_of(self.inner(state))

    @property
    def sparse_metrics(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The metrics that not every step has."""
        return self.env.sparse_metrics

    @property
    def default_params(self) -> Any:
        """The run-time values of the environment inside."""
        return self.env.default_params

    @property
    def fixed_horizon(self) -> int | None:
        """The common length of all episodes, if there is one."""
        return self.env.fixed_horizon

    @property
    def num_start_states(self) -> int | None:
        """How many start states a batch draws once."""
        return self.env.num_start_states

    @property
    def may_truncate(self) -> bool:
        """Whether episodes may be cut off."""
        return self.env.may_truncate

    @property
    def num_observations(self) -> int | None:
        """How many observations there are, where they can be indexed."""
        return self.env.num_observations

    def check_reward(self) -> None:
        """Raises InputError for a reward that does not exist."""
        self.env.check_reward()

    def check_params(self, params: Any, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for parameters that the environment inside refuses."""
        self.env.check_params(params, batch)

    def reset_env(self, key: Array, params: Any) -> tuple[Any, Any]:
        """(observation, state) at the start of an episode."""
        return self.env.reset_env(key, params)

    def transition(self, key: Array, state: Any, action: Any, params: Any) -> tuple[Any, Array]:
        """(next state, bool[] terminated)."""
        return self.env.transition(key, self.inner(state), action, params)

    def legal_action(self, action: Any, params: Any) -> Any:
        """The action that is taken where `action` is recommended."""
        return self.env.legal_action(action, params)

    def observe(self, state: Any, params: Any) -> Any:
        """What the recommender sees."""
        return self.env.observe(self.inner(state), params)

    def utilities(self, state: Any, action: Any, next_state: Any, params: Any) -> Utilities:
        """What the transition is worth to each party."""
        return self.env.utilities(self.inner(state), action, self.inner(next_state), params)

    def reward_components(self, state: Any, action: Any, next_state: Any, params: Any) -> Utilities:
        """The utilities that an agent is paid for."""
        return self.env.reward_components(self.inner(state), action, self.inner(next_state), params)

    def counterfactual_engagement(
        self, state: Any, action: Any, next_state: Any, safe: Any, served: Any, params: Any
    ) -> Array:
        """float[]: what the transition is worth under the preferences in `safe`."""
        states = map(self.inner, (state, next_state, safe, served))
        state, next_state, safe, served = states
        return self.env.counterfactual_engagement(state, action, next_state, safe, served, params)

    def metrics(self, state: Any, action: Any, next_state: Any, params: Any) -> dict[str, Array]:
        """Scalars that say what the transition did."""
        return self.env.metrics(self.inner(state), action, self.inner(next_state), params)

    def action_space(self, params: Any = None) -> Space:
        """The actions."""
        return self.env.action_space(params)

    def observation_space(self, params: Any = None) -> Space:
        """The observations."""
        return self.env.observation_space(params)

    def observation_index(self, obs: Any) -> Array:
        """int32[]: the index of an observation."""
        return self.env.observation_index(obs)

    def info(self, state: Any, action: Any, next_state: Any, params: Any) -> dict[str, Array]:
        """What else `step` says about a transition."""
        return self.env.info(self.inner(state), action, self.inner(next_state), params)

    def render(self, trajectory: Any, params: Any = None) -> Any:
        """A matplotlib figure of one episode, drawn by the environment inside."""
        if hasattr(trajectory, "next_state"):  # what is no trajectory is for the environment inside to refuse
            states = {name: self.inner(getattr(trajectory, name)) for name in ("state", "next_state")}
            trajectory = trajectory.replace(**states)
        return self.env.render(trajectory, params)

    def is_truncated(self, state: Any, params: Any) -> Array:
        """bool[]: whether the episode is cut off there."""
        return self.env.is_truncated(self.inner(state), params)
