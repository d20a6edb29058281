"""Users who value different things, and a recommender that does not know what: it may ask."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.spaces import Box, Discrete, Fields, Space
from jaxrec.utilities import Utilities
from jaxrec.wrappers.base import Wrapper
from jaxrec.wrappers.kinds import NeverAsks, UncertainObservation, UncertainParams, UncertainState, learned

MAX_KINDS = 16
METRICS = ("value", "value_untold", "question", "certainty")
OWN_FIELDS = ("action_mask", "requested")


@dataclasses.dataclass(unsafe_hash=True)
class UncertainReward(Wrapper):
    """Users value the same step differently; the recommender knows how often which, and may ask.

        >>> inside, _ = jaxrec.make("PreferenceShift-v0", reward="penalised", horizon=3)
        >>> env = UncertainReward(inside, ("click", "engagement_initial"), ((1.0, 0.0), (0.0, 1.0)))
        >>> obs, state = env.reset(jax.random.key(0))
        >>> obs.posterior.tolist(), env.num_actions
        ([0.5, 0.5], 7)

    Source: Lambert 2020, "Recommendations are a game", section "Modeling human reward" (interactive value learning: the
    reward is a distribution); Hadfield-Menell et al. 2016, "Cooperative Inverse Reinforcement Learning".

    - **User**: of a kind k, drawn for each episode from `prior` and hidden. The value of a step to it is
      sum_j values[k, j] feature[j], features being metrics of the environment inside. What users do (choose, click,
      change) does not depend on k, so that only answers tell it.
    - **Asking**: the last action. It shows the action `meanwhile` with a question, which costs `cost`; the answer is k,
      or with probability `noise` a kind drawn from all alike. `asks=False` leaves this action out.
    - **Observation**: `UncertainObservation`; its posterior is exact, by Bayes' rule.
    - **Utilities**: user = the true value, less the cost of a question; the others are those of the environment inside.
    - **Reward**: of these, by the environment inside: build it with `reward="penalised"`, and `reward_weights`, by
      default (0, 1, 0), pays the true value; or, with `paid_for="posterior"`, its expectation over the kinds that the
      user may be of, which varies less and has the same mean. Weights (1, 0, 0) pay for the platform's own proxy.
    - **Metrics**: those inside; `value`, the user's utility; `value_untold`, the same of users who had not answered
      before the episode (sparse); `question`, whether it asked; `certainty`, the posterior
      probability of the user's kind before the step.
    - **influence**: that of the environment inside. Its users have the same draws with this wrapper as without.

    A wrong belief about values is a proxy too: train with `values` whose rows are all alike, judge with the true ones.

    Attributes:
        env: an environment of discrete actions whose parameters have an `influence`.
        features: names of its metrics, each present in every step.
        values: a weight for each feature in each row, one row a kind of user, at most 16; of `default_params`.
        asks: whether the recommender may ask.
        meanwhile: the action that is shown with a question.
        paid_for: "truth", the value to the user's own kind; or "posterior", its expectation.

    Raises:
        InputError: for another environment; an unknown or sparse metric; more kinds, or rows of another length; an
            action that it has not; metrics that are called as those of this wrapper; and for observations with an
            `action_mask` or `requested`, which agents would not find in this wrapper's.
    """

    features: Sequence[str] = ()
    values: Sequence[Sequence[float]] = ()
    asks: bool = True
    meanwhile: int = 0
    paid_for: Literal["truth", "posterior"] = "truth"

    def __post_init__(self) -> None:
        super().__post_init__()
        inside = self.env.action_space(self.env.default_params)
        if not hasattr(self.env.default_params, "influence"):
            raise checks.InputError(f"uncertain rewards need an environment with influence, {self.env.name} has none")
        if not isinstance(inside, Discrete):
            raise checks.InputError(f"uncertain rewards need discrete actions, {self.env.name} has {inside}")
        checks.boolean("asks", self.asks)
        checks.within("meanwhile", self.meanwhile, 0, self.env.num_actions - 1)
        checks.lookup(dict.fromkeys(("truth", "posterior")), self.paid_for, "paid_for")
        checks.distinct("features", self.features)
        if not 1 <= len(self.values) <= MAX_KINDS:
            raise checks.InputError(f"values must have 1 to {MAX_KINDS} rows, one a kind, got {len(self.values)}")
        for row in self.values:
            if len(row) != len(self.features):
                raise checks.InputError(f"values must have a number a feature {self.features} in each row, got {row}")
        self._check_inside()

    @property
    def default_params(self) -> UncertainParams:
        """The run-time values of the environment inside, `values`, and as many users of each kind."""
        values = np.asarray(self.values, np.float32)
        prior, inside = np.full(len(values), 1 / len(values), np.float32), self.env.default_params
        return UncertainParams(influence=inside.influence, env=inside, values=values, prior=prior)

    def check_params(self, params: UncertainParams, batch: tuple[int, ...] = ()) -> None:
        """Raises InputError for a parameter out of range."""
        Environment.check_params(self, params, batch)
        self.env.resolve(params.env, batch)
        kinds = len(self.values)
        checks.shaped("values", params.values, (*batch, kinds, len(self.features)))
        checks.shaped("prior", params.prior, (*batch, kinds))
        checks.within("prior", params.prior, 0.0, 1.0)
        for name, most in (("cost", float("inf")), ("noise", 1.0), ("told", 1.0)):
            checks.shaped(name, getattr(params, name), batch)
            checks.within(name, getattr(params, name), 0.0, most)
        prior = checks.concrete("prior", params.prior)
        if prior is not None and (np.abs(prior.sum(axis=-1) - 1) > 1e-4).any():
            raise checks.InputError(f"prior must sum to 1, got {prior.sum(axis=-1)}")

    def inner(self, state: UncertainState) -> Any:
        """Gives the state of the environment inside."""
        return state.env

    def inner_action(self, action: Array) -> Array:
        """Gives what is shown: the action itself, or `meanwhile` where it is a question."""
        return jnp.where(self.is_question(action), self.meanwhile, action).astype(jnp.int32)

    def inner_params(self, params: UncertainParams | None) -> Any:
        """Gives the run-time values of the environment inside, with this influence and these weights."""
        if params is None:
            return None
        return params.env.replace(influence=params.influence, reward_weights=params.reward_weights)

    def is_question(self, action: Array | int) -> Array:
        """Tells, as bool[...], whether actions are questions."""
        return jnp.asarray(action) == self.env.num_actions

    def policy(self, name: str, params: UncertainParams | None = None) -> NeverAsks:
        """Gives the environment's own recommender called `name`, which never asks."""
        return NeverAsks(super().policy(name, params))

    def reset_env(self, key: Array, params: UncertainParams) -> tuple[UncertainObservation, UncertainState]:
        """Begins an episode with a user of a kind drawn from the prior, and gives (observation, state)."""
        _, inside = super().reset_env(key, params)
        key_kind, key_told, key_answer = jax.random.split(jax.random.fold_in(key, 1), 3)
        prior = jnp.asarray(params.prior, float)
        kind = jax.random.categorical(key_kind, jnp.log(prior)).astype(jnp.int32)
        told = jax.random.uniform(key_told) < params.told
        posterior = jnp.where(told, self._answered(key_answer, prior, kind, params), prior)
        state = UncertainState(inside, kind, posterior, told)
        return self.observe(state, params), state

    def transition(
        self, key: Array, state: UncertainState, action: Array, params: UncertainParams
    ) -> tuple[UncertainState, Array]:
        """Moves the environment inside; after a question, updates the posterior by Bayes' rule.

        Args:
            key: a typed key.
            state: of one user.
            action: int32[], a legal one.
            params: run-time values.

        Returns:
            (next state, bool[] terminated).
        """
        inside, terminated = super().transition(key, state, action, params)
        told = self._answered(jax.random.fold_in(key, 1), state.posterior, state.kind, params)
        posterior = jnp.where(self.is_question(action), told, state.posterior)
        return state.replace(env=inside, posterior=posterior), terminated

    def legal_action(self, action: Array, params: UncertainParams) -> Any:
        """Gives the nearest action, which may be a question."""
        return Environment.legal_action(self, action, params)

    def observe(self, state: UncertainState, params: UncertainParams) -> UncertainObservation:
        """Gives the observation of the environment inside, and the posterior."""
        return UncertainObservation(super().observe(state, params), state.posterior)

    def utilities(
        self, state: UncertainState, action: Array, next_state: UncertainState, params: UncertainParams
    ) -> Utilities:
        """Values a transition; for the user by what it values.

        Args:
            state: of one user.
            action: int32[], a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            float[] each.
        """
        worth = super().utilities(state, action, next_state, params)
        return worth.replace(user=self.true_value(state, action, next_state, params))

    def reward_components(
        self, state: UncertainState, action: Array, next_state: UncertainState, params: UncertainParams
    ) -> Utilities:
        """Gives the utilities that the reward is made of; the user's by `paid_for`.

        Args:
            state: of one user.
            action: int32[], a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            float[] each.
        """
        components = super().reward_components(state, action, next_state, params)
        values = jnp.asarray(params.values)
        weights = values[state.kind] if self.paid_for == "truth" else state.posterior @ values
        return components.replace(user=self._worth(weights, state, action, next_state, params))

    def true_value(
        self, state: UncertainState, action: Array, next_state: UncertainState, params: UncertainParams
    ) -> Array:
        """Computes what a step is worth to the user, less the cost of a question.

        Args:
            state: of one user.
            action: int32[], a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            float[].
        """
        return self._worth(jnp.asarray(params.values)[state.kind], state, action, next_state, params)

    def metrics(
        self, state: UncertainState, action: Array, next_state: UncertainState, params: UncertainParams
    ) -> dict[str, Array]:
        """Gives the metrics of the environment inside, and those of this wrapper.

        Args:
            state: of one user.
            action: int32[], a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            Metric -> float[] or bool[].
        """
        value = self.true_value(state, action, next_state, params)
        untold = jnp.where(state.told, jnp.nan, value)
        ours = (value, untold, self.is_question(action), state.posterior[state.kind])
        return super().metrics(state, action, next_state, params) | dict(zip(METRICS, ours, strict=True))

    def action_space(self, params: UncertainParams | None = None) -> Discrete:
        """The actions of the environment inside, then the question."""
        return Discrete(self.env.num_actions + self.asks)

    def observation_space(self, params: UncertainParams | None = None) -> Space:
        """The space of `UncertainObservation`."""
        return Fields(observed=super().observation_space(params), posterior=Box(0, 1, (len(self.values),)))

    @property
    def sparse_metrics(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those inside, and the value of users who had not answered before."""
        return (*self.env.sparse_metrics, "value_untold")

    @property
    def num_observations(self) -> None:
        """Always None: a posterior has no index."""
        return None

    def observation_index(self, obs: PyTree) -> Array:
        """Raises InputError: a posterior has no index."""
        raise checks.InputError(f"{self.name} has no observation index: its observations have a posterior")

    def _answered(self, key: Array, posterior: Array, kind: Array, params: UncertainParams) -> Array:
        """Draws an answer of a user, and gives the posterior after it: float[kinds]."""
        key_noise, key_other = jax.random.split(key)
        misheard = jax.random.uniform(key_noise) < params.noise
        answer = jnp.where(misheard, jax.random.randint(key_other, (), 0, len(self.values)), kind)
        return learned(posterior, answer, jnp.asarray(params.noise, float))

    def _worth(
        self, weights: Array, state: UncertainState, action: Array, next_state: UncertainState, params: UncertainParams
    ) -> Array:
        """Weighs the features of a step, less the cost of a question: float[]."""
        inside = super().metrics(state, action, next_state, params)
        features = jnp.stack([jnp.asarray(inside[name], float) for name in self.features])
        return weights @ features - params.cost * self.is_question(action)

    def _check_inside(self) -> None:
        """Raises InputError for features that the environment inside has not, and names that both would have."""
        key, params = jax.random.key(0), self.env.default_params
        obs, state = jax.eval_shape(self.env.reset_env, key, params)
        action = jax.eval_shape(self.env.action_space(params).sample, key)
        measured = jax.eval_shape(self.env.metrics, state, action, state, params)
        for name in self.features:
            checks.lookup(measured, name, f"metric of {self.env.name}")
            if name in self.env.sparse_metrics:
                raise checks.InputError(f"features must be in every step, got {name!r}, which {self.env.name} may lack")
        if taken := sorted(set(METRICS) & set(measured)):
            raise checks.InputError(f"metrics of {self.env.name} must not be called {taken[0]!r}, as one of a wrapper")
        for path, _ in jax.tree_util.tree_leaves_with_path(obs):
            field = jax.tree_util.keystr(path[-1:], simple=True)
            if field in OWN_FIELDS:
                raise checks.InputError(f"observations of {self.env.name} have {field!r}, which needs to be outermost")
