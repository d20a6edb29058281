"""Real users, of whom the recommender knows what a model estimated from logs tells it."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from flax import struct
from jax import Array

from jaxrec import checks
from jaxrec.environment import Environment, EnvParams, EnvState
from jaxrec.envs.episodes import check_one_environment
from jaxrec.envs.learned.env import LearnedParams, LearnedState, LearnedUsers
from jaxrec.envs.preference.env import PreferenceParams, PreferenceShift, PreferenceState
from jaxrec.spaces import Discrete, Space
from jaxrec.utilities import RewardFunction, Utilities


class DeployedState(EnvState):
    """One user.

    Attributes:
        time: int32[], slates shown.
        user: as it is; hidden.
        model: what is believed of it.
    """

    user: PreferenceState
    model: LearnedState

    @property
    def preference(self) -> Any:
        """int32[], the bin of u_t."""
        return self.user.preference

    @property
    def natural(self) -> Any:
        """int32[], the bin of u_t^rnd."""
        return self.user.natural

    @property
    def choice(self) -> Any:
        """int32[], the last item chosen; -1 at first."""
        return self.user.choice


class DeployedParams(EnvParams):
    """Run-time values.

    Attributes:
        influence: that on the user; the model always remembers what was shown.
        users: of `PreferenceShift`; its own `influence` and `reward_weights` are not read.
        model: of `LearnedUsers`; likewise.
    """

    reward_weights: Utilities = Utilities(recommender=1.0, user=1.0, society=0.0)
    users: PreferenceParams = struct.field(default_factory=PreferenceParams)
    model: LearnedParams = struct.field(default_factory=LearnedParams)


@dataclasses.dataclass(unsafe_hash=True)
class Deployed(Environment):
    """A recommender that was trained in a model, deployed to the users the model is of.

    Users are those of `PreferenceShift`. The recommender sees what it saw in `LearnedUsers`: slate, choice and the
    model's beliefs, now after what the user really did. Utilities are those of the users; rewards and the metrics
    `estimated_...` are what the model takes them to be (Carroll et al. 2022, section 7.2: oracle and estimated
    evaluation of the same interactions).

    Attributes:
        users: who they are; its observation is not read.
        model: of them, with the same slates and horizon.
        reward: see `jaxrec.utilities`.
    """

    users: PreferenceShift = dataclasses.field(default_factory=lambda: PreferenceShift(observe_as="state"))
    model: LearnedUsers = dataclasses.field(default_factory=LearnedUsers)
    reward: str | RewardFunction = "engagement"

    policies: ClassVar[dict[str, Callable[[Any, Any], Any]]] = LearnedUsers.policies
    preferences: ClassVar[tuple[str, ...]] = ("user.preference",)

    def __post_init__(self) -> None:
        for name in ("horizon", "slate_means", "slate_deviations", "slate_items", "counts"):
            ours, theirs = getattr(self.users, name), getattr(self.model, name)
            if ours != theirs:
                raise checks.InputError(f"{name} of users and model must be the same, got {ours} and {theirs}")
        self.check_reward()

    @property
    def default_params(self) -> DeployedParams:
        """Those of both."""
        return DeployedParams(users=self.users.default_params, model=self.model.default_params)

    @property
    def horizon(self) -> int:
        """Slates in an episode."""
        return self.users.horizon

    @property
    def slates(self) -> Array:
        """float[slates, 36]: what can be shown."""
        return self.users.slates

    @property
    def fixed_horizon(self) -> int:
        """Every episode is `horizon` steps long."""
        return self.users.horizon

    def check_params(self, params: DeployedParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range."""
        super().check_params(params, batch)
        self.users.resolve(params.users, batch)
        self.model.resolve(params.model, batch)

    def policy(self, name: str, params: DeployedParams | None = None) -> Any:
        """The recommender of the model called `name`: it sees what the model makes of the users."""
        return self.model.policy(name, self.resolve(params).model)

    def of_users(self, params: DeployedParams) -> PreferenceParams:
        """The parameters of the users, with the influence in force."""
        return params.users.replace(influence=params.influence)

    def reset_env(self, key: Array, params: DeployedParams) -> tuple[Any, DeployedState]:
        """Somebody new."""
        _, user = self.users.reset_env(key, self.of_users(params))
        obs, model = self.model.reset_env(key, params.model)
        return obs, DeployedState(user.time, user, model)

    def transition(
        self, key: Array, state: DeployedState, action: Array | int, params: DeployedParams
    ) -> tuple[DeployedState, Array]:
        """The user chooses and shifts; the model remembers what it chose."""
        user, terminated = self.users.transition(key, state.user, action, self.of_users(params))
        model = self.model.remember(state.model, self.model.slates[action], user.choice, params.model)
        return DeployedState(user.time, user, model), terminated

    def observe(self, state: DeployedState, params: DeployedParams) -> Any:
        """As in the model."""
        return self.model.observe(state.model, params.model)

    def utilities(
        self, state: DeployedState, action: Array | int, next_state: DeployedState, params: DeployedParams
    ) -> Utilities:
        """Of the users as they are."""
        return self.users.utilities(state.user, action, next_state.user, self.of_users(params))

    def counterfactual_engagement(
        self, state: Any, action: Any, next_state: Any, safe: Any, served: Any, params: DeployedParams
    ) -> Array:
        """float[]: what the users make of the item under the preferences in `safe`."""
        states = (state.user, action, next_state.user, safe.user, served.user)
        return self.users.counterfactual_engagement(*states, self.of_users(params))

    def reward_components(
        self, state: DeployedState, action: Array | int, next_state: DeployedState, params: DeployedParams
    ) -> Utilities:
        """As the model estimates them."""
        return self.model.reward_components(state.model, action, next_state.model, params.model)

    def metrics(
        self, state: DeployedState, action: Array | int, next_state: DeployedState, params: DeployedParams
    ) -> dict[str, Array]:
        """Of the users as they are; `estimated_...`: as the model takes them to be."""
        known = self.model.expected(state.model, action, params.model)
        return self.users.metrics(state.user, action, next_state.user, self.of_users(params)) | {
            f"estimated_{name}": value for name, value in known.items()
        }

    def action_space(self, params: Any = None) -> Discrete:
        """Which slate."""
        return self.users.action_space()

    def observation_space(self, params: Any = None) -> Space:
        """As in the model."""
        return self.model.observation_space()

    def render(self, trajectory: Any, params: DeployedParams | None = None) -> Any:
        """A matplotlib figure of one episode of the users: see `PreferenceShift.render`."""
        check_one_environment(trajectory)
        users = {name: getattr(trajectory, name).user for name in ("state", "next_state")}
        return self.users.render(trajectory.replace(**users), self.of_users(self.resolve(params)))
