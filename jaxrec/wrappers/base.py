"""An environment around another one, which answers for all that the outer one does not change."""

import dataclasses
from typing import Any

from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.inputs import check_env
from jaxrec.spaces import Space
from jaxrec.utilities import Utilities


@dataclasses.dataclass(unsafe_hash=True)
class Wrapper(Environment[Any, Any]):
    """An environment that forwards everything to the environment inside; a subclass changes one thing.

        >>> class Generous(Wrapper):
        ...     def utilities(self, state, action, next_state, params):
        ...         worth = super().utilities(state, action, next_state, params)
        ...         return worth.replace(user=2 * worth.user)
        >>> env = Generous(jaxrec.make("PolarisingUsers-v0")[0])
        >>> env.name
        'Generous'

    Every method forwards with the state, the action and the run-time values of the environment inside, which `inner`,
    `inner_action` and `inner_params` give: a subclass whose own differ overrides them. `__getattr__` forwards other
    attributes. The methods are documented at `Environment`.

    Attributes:
        env: the environment inside.
    """

    env: Environment

    def __post_init__(self) -> None:
        check_env(self.env)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "env":
            raise AttributeError(name)
        return getattr(self.env, name)

    def inner(self, state: PyTree) -> Any:
        """Gives the state of the environment inside; by default the whole state."""
        return state

    def inner_action(self, action: PyTree) -> Any:
        """Gives the action that the environment inside takes, of one action or of an array; by default the same."""
        return action

    def inner_params(self, params: PyTree) -> Any:
        """Gives the run-time values of the environment inside; by default the same."""
        return params

    @property
    def reward(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.env.reward

    @property
    def policies(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.env.policies

    def policy(self, name: str, params: PyTree = None) -> Any:
        checks.lookup(self.policies, name, f"policy of {self.name}")
        return self.env.policy(name, self.inner_params(params))

    @property
    def preferences(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.env.preferences

    def preferences_of(self, state: PyTree) -> tuple[Any, ...]:
        return self.env.preferences_of(self.inner(state))

    @property
    def sparse_metrics(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.env.sparse_metrics

    @property
    def default_params(self) -> Any:
        return self.env.default_params

    @property
    def fixed_horizon(self) -> int | None:
        return self.env.fixed_horizon

    @property
    def num_start_states(self) -> int | None:
        return self.env.num_start_states

    @property
    def may_truncate(self) -> bool:
        return self.env.may_truncate

    @property
    def num_observations(self) -> int | None:
        return self.env.num_observations

    def check_reward(self) -> None:
        self.env.check_reward()

    def check_params(self, params: PyTree, batch: tuple[int, ...] = ()) -> None:
        self.env.check_params(params, batch)

    def prepare(self, params: PyTree) -> Any:
        return self.env.prepare(params) if self.inner_params(params) is params else params

    def reset_env(self, key: Array, params: PyTree) -> tuple[Any, Any]:
        return self.env.reset_env(key, self.inner_params(params))

    def transition(self, key: Array, state: PyTree, action: PyTree, params: PyTree) -> tuple[Any, Array]:
        """Moves the environment inside by one step.

        Args:
            key: a typed key.
            state: as `inner` takes it.
            action: a legal one.
            params: run-time values of the environment inside.

        Returns:
            (next state, bool[] terminated).
        """
        return self.env.transition(key, self.inner(state), self.inner_action(action), self.inner_params(params))

    def legal_action(self, action: PyTree, params: PyTree) -> Any:
        return self.env.legal_action(self.inner_action(action), self.inner_params(params))

    def observe(self, state: PyTree, params: PyTree) -> Any:
        return self.env.observe(self.inner(state), self.inner_params(params))

    def utilities(self, state: PyTree, action: PyTree, next_state: PyTree, params: PyTree) -> Utilities:
        """Values a transition as the environment inside does.

        Args:
            state: as `inner` takes it.
            action: a legal one.
            next_state: where the action led.
            params: run-time values of the environment inside.

        Returns:
            float[] each.
        """
        return self.env.utilities(
            self.inner(state), self.inner_action(action), self.inner(next_state), self.inner_params(params)
        )

    def reward_components(self, state: PyTree, action: PyTree, next_state: PyTree, params: PyTree) -> Utilities:
        """Gives what the environment inside pays.

        Args:
            state: as `inner` takes it.
            action: a legal one.
            next_state: where the action led.
            params: run-time values of the environment inside.

        Returns:
            float[] each.
        """
        return self.env.reward_components(
            self.inner(state), self.inner_action(action), self.inner(next_state), self.inner_params(params)
        )

    def counterfactual_engagement(
        self, state: PyTree, action: PyTree, next_state: PyTree, safe: PyTree, served: PyTree, params: PyTree
    ) -> Array:
        """Values a recommendation under other preferences as the environment inside does.

        Args:
            state: as `inner` takes it.
            action: a legal one.
            next_state: where the action led.
            safe: the state of the same user had it been served safely.
            served: where the same action leads from `safe`.
            params: run-time values of the environment inside.

        Returns:
            float[], the engagement.
        """
        states = map(self.inner, (state, next_state, safe, served))
        state, next_state, safe, served = states
        return self.env.counterfactual_engagement(
            state, self.inner_action(action), next_state, safe, served, self.inner_params(params)
        )

    def metrics(self, state: PyTree, action: PyTree, next_state: PyTree, params: PyTree) -> dict[str, Array]:
        """Describes a transition as the environment inside does.

        Args:
            state: as `inner` takes it.
            action: a legal one.
            next_state: where the action led.
            params: run-time values of the environment inside.

        Returns:
            Metric -> float[] or bool[].
        """
        return self.env.metrics(
            self.inner(state), self.inner_action(action), self.inner(next_state), self.inner_params(params)
        )

    def action_space(self, params: PyTree = None) -> Space:
        return self.env.action_space(self.inner_params(params))

    def observation_space(self, params: PyTree = None) -> Space:
        return self.env.observation_space(self.inner_params(params))

    def observation_index(self, obs: PyTree) -> Array:
        return self.env.observation_index(obs)

    def info(self, state: PyTree, action: PyTree, next_state: PyTree, params: PyTree) -> dict[str, Array]:
        """Gives the further entries of the environment inside.

        Args:
            state: as `inner` takes it.
            action: a legal one.
            next_state: where the action led.
            params: run-time values of the environment inside.

        Returns:
            Name -> array.
        """
        return self.env.info(
            self.inner(state), self.inner_action(action), self.inner(next_state), self.inner_params(params)
        )

    def render(self, trajectory: PyTree, params: PyTree = None) -> Any:
        if hasattr(trajectory, "next_state"):  # the environment inside refuses all others
            states = {name: self.inner(getattr(trajectory, name)) for name in ("state", "next_state")}
            trajectory = trajectory.replace(**states, action=self.inner_action(trajectory.action))
        return self.env.render(trajectory, self.inner_params(params))

    def is_truncated(self, state: PyTree, params: PyTree) -> Array:
        return self.env.is_truncated(self.inner(state), self.inner_params(params))
