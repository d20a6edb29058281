"""Real users whom the recommender observes through a model that was estimated from logs."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment, EnvParams, EnvState
from jaxrec.envs.episodes import check_one_environment
from jaxrec.envs.learned import metrics
from jaxrec.envs.learned.env import LearnedParams, LearnedState, LearnedUsers
from jaxrec.envs.preference.env import PreferenceShift, PreferenceState
from jaxrec.envs.preference.params import PreferenceParams
from jaxrec.spaces import Discrete, Space
from jaxrec.utilities import RewardFunction, Utilities


class DeployedState(EnvState):
    """One user, and the model's beliefs about it.

    Attributes:
        time: int32[], slates shown.
        user: the true state. Hidden from the recommender.
        model: the beliefs.
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
        influence: float[] in [0, 1], how far slates change the user; the model always remembers the slate shown.
        users: run-time values of `PreferenceShift`; its own `influence` and `reward_weights` are not read.
        model: run-time values of `LearnedUsers`; its own `influence` and `reward_weights` are not read.
    """

    reward_weights: Utilities = Utilities(recommender=1.0, user=1.0, society=0.0)
    users: PreferenceParams = struct.field(default_factory=PreferenceParams)
    model: LearnedParams = struct.field(default_factory=LearnedParams)


@dataclasses.dataclass(unsafe_hash=True)
class Deployed(Environment[DeployedState, DeployedParams]):
    """Deploy a recommender that was trained in a model of users to the users themselves.

    Users are those of `PreferenceShift`. The recommender observes what `LearnedUsers` shows: slate, choice and the
    model's beliefs, here after real choices. Utilities are those of the users; rewards and the metrics `estimated_...`
    are the model's estimates (Carroll et al. 2022, section 7.2: oracle and estimated evaluation of the same
    interactions). Actions, spaces, observations and policies are forwarded to `users` and `model`.

    Examples:
        >>> import jax
        >>> from jaxrec.envs.learned import BeliefTransformer, Deployed, LearnedUsers
        >>> from jaxrec.envs.preference import PreferenceShift
        >>> network = BeliefTransformer(width=8, heads=1, layers=1, mixtures=2)
        >>> env = Deployed(PreferenceShift(horizon=3), LearnedUsers(horizon=3, network=network))
        >>> obs, state = env.reset(jax.random.key(0))
        >>> obs, state, reward, terminated, truncated, info = env.step(jax.random.key(1), state, 0)
        >>> obs.current.shape
        (36,)

    Attributes:
        users: the society; its observation is not read.
        model: a model of it, with the same slates and horizon.
        reward: a name in `jaxrec.utilities.REWARDS`, or a function of (utilities, weights).
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
        """The defaults of users and model."""
        return DeployedParams(users=self.users.default_params, model=self.model.default_params)

    def check_params(self, params: DeployedParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range."""
        super().check_params(params, batch)
        self.users.resolve(params.users, batch)
        self.model.resolve(params.model, batch)

    def reset_env(self, key: Array, params: DeployedParams) -> tuple[Any, DeployedState]:
        """Starts a new user and the model's prior beliefs about it."""
        _, user = self.users.reset_env(key, self.of_users(params))
        obs, model = self.model.reset_env(key, params.model)
        return obs, DeployedState(user.time, user, model)

    def transition(
        self, key: Array, state: DeployedState, action: Array | int, params: DeployedParams
    ) -> tuple[DeployedState, Array]:
        """Lets the user choose and shift; the model remembers the choice.

        Args:
            key: a typed key, for the choice and the shift.
            state: of one user.
            action: int32[], the slate shown.
            params: run-time values.

        Returns:
            (next state, bool[] terminated).
        """
        user, terminated = self.users.transition(key, state.user, action, self.of_users(params))
        model = self.model.remember(state.model, self.model.slates[action], user.choice, params.model)
        return DeployedState(user.time, user, model), terminated

    def observe(self, state: DeployedState, params: DeployedParams) -> Any:
        """Returns the observation of the model."""
        return self.model.observe(state.model, params.model)

    def utilities(
        self, state: DeployedState, action: Array | int, next_state: DeployedState, params: DeployedParams
    ) -> Utilities:
        """Returns the utilities of the real users.

        Args:
            state: before the step.
            action: int32[], the slate shown.
            next_state: after the step.
            params: run-time values.

        Returns:
            float[] each.
        """
        return self.users.utilities(state.user, action, next_state.user, self.of_users(params))

    def metrics(
        self, state: DeployedState, action: Array | int, next_state: DeployedState, params: DeployedParams
    ) -> dict[str, Array]:
        """Returns the metrics of the real users; those of `metrics.expected` are called `estimated_...`.

        Args:
            state: before the step.
            action: int32[], the slate shown.
            next_state: after the step.
            params: run-time values.

        Returns:
            Metric -> float[].
        """
        known = metrics.expected(state.model, action, self.model.offers(params.model))
        return self.users.metrics(state.user, action, next_state.user, self.of_users(params)) | {
            f"estimated_{name}": value for name, value in known.items()
        }

    def action_space(self, params: DeployedParams | None = None) -> Discrete:
        """The slates, by index."""
        return self.users.action_space()

    def observation_space(self, params: DeployedParams | None = None) -> Space:
        """The space of `observe`."""
        return self.model.observation_space()

    @property
    def fixed_horizon(self) -> int:
        """Every episode is `horizon` steps long."""
        return self.users.horizon

    def reward_components(
        self, state: DeployedState, action: Array | int, next_state: DeployedState, params: DeployedParams
    ) -> Utilities:
        """Returns the model's estimates.

        Args:
            state: before the step.
            action: int32[], the slate shown.
            next_state: after the step.
            params: run-time values.

        Returns:
            float[] each.
        """
        return self.model.reward_components(state.model, action, next_state.model, params.model)

    def counterfactual_engagement(
        self,
        state: DeployedState,
        action: Array | int,
        next_state: DeployedState,
        safe: DeployedState,
        served: DeployedState,
        params: DeployedParams,
    ) -> Array:
        """Judges the real choice by the preferences in `safe`.

        Args:
            state: before the step.
            action: int32[], the slate shown.
            next_state: after the step, which holds the choice.
            safe: the state of the same user had it been served safely.
            served: where the same action leads from `safe`.
            params: run-time values.

        Returns:
            float[], the engagement.
        """
        states = (state.user, action, next_state.user, safe.user, served.user)
        return self.users.counterfactual_engagement(*states, self.of_users(params))

    def render(self, trajectory: PyTree, params: DeployedParams | None = None) -> Any:
        """Draws the first episode of the real users (`PreferenceShift.render`)."""
        check_one_environment(trajectory, "user", "model")
        users = {name: getattr(trajectory, name).user for name in ("state", "next_state")}
        return self.users.render(trajectory.replace(**users), self.of_users(self.resolve(params)))

    def policy(self, name: str, params: DeployedParams | None = None) -> Any:
        """Returns the policy of the model called `name`, which acts on the model's beliefs."""
        return self.model.policy(name, self.resolve(params).model)

    @property
    def horizon(self) -> int:
        """Slates in an episode."""
        return self.users.horizon

    @property
    def slates(self) -> Array:
        """float[slates, 36]: the probability of each item in each slate."""
        return self.users.slates

    def of_users(self, params: DeployedParams) -> PreferenceParams:
        """Returns the parameters of the users, with `params.influence`."""
        return params.users.replace(influence=params.influence)
