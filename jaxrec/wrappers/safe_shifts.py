"""Recommendations valued by the preferences that users would have, had they been served safely."""

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.utilities import Leaf, Utilities
from jaxrec.wrappers.base import Wrapper

SAFE = ("initial", "natural")
Safe = str | Callable[[Environment, Any], Any]


class SafeState(struct.PyTreeNode):
    """The state of a user, and of the same user served safely.

    Attributes:
        env: state of the environment inside.
        safe: one state for each safe shift: the state of the same user under it, on the same draws.
        carries: of the safe policies; () for shifts without one.
        worth: float[shifts], the value of the last step to each of them.
    """

    env: PyTree
    safe: PyTree
    carries: PyTree
    worth: Leaf

    @property
    def time(self) -> Array:
        """Steps taken since the episode began, int32[]."""
        return self.env.time


@dataclasses.dataclass(unsafe_hash=True)
class SafeShifts(Wrapper):
    """Values recommendations by the preferences that users would have under shifts that are trusted.

        >>> env = SafeShifts(jaxrec.make("PreferenceShift-v0", reward="penalised")[0], ("initial",), (1.0,))
        >>> float(env.default_params.reward_weights.user)
        1.0

    Utilities are those of the environment inside, but the user's is `sum(weights[i] * engagement under safe[i])`
    (Carroll et al. 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender Systems", section 5). With
    `reward="penalised"` and the default `reward_weights` the reward is the paper's objective, engagement now and under
    safe shifts; `reward_weights.user` weighs it at run time. Each shift has a twin of the user, simulated next to it on
    the same draws; `Environment.counterfactual_engagement` values a step for it.

    Attributes:
        env: any environment whose parameters have an `influence`.
        safe: "initial", preferences never shift; "natural", they shift as at influence 0; or a safe policy, by its name
            in the environment or as a function of (environment, run-time values).
        weights: one for each shift, nu in the paper.

    Raises:
        InputError: for an environment without `influence`, an unknown shift, or another number of weights than shifts.

    Warns:
        UserWarning: for a reward that does not pay the user's utility, the only one that this wrapper changes.
    """

    safe: Sequence[Safe] = SAFE
    weights: Sequence[float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not hasattr(self.env.default_params, "influence"):
            raise checks.InputError(f"safe shifts need an environment with influence, {self.env.name} has none")
        if len(self.weights) != len(self.safe):
            raise checks.InputError(f"weights must have one number a safe shift, got {self.weights} for {self.safe}")
        for shift in self.safe:
            if isinstance(shift, str):
                checks.lookup(dict.fromkeys((*SAFE, *self.env.policies)), shift, "safe shift")
        if self.reward in ("engagement", "aligned"):
            warnings.warn(
                f"SafeShifts changes the user's utility, which reward={self.reward!r} does not pay: build "
                f'{self.env.name} with reward="penalised", or a function of the utilities',
                stacklevel=3,
            )

    @property
    def default_params(self) -> Any:
        """The run-time values of the environment inside, with weights (1, 1, 0) for `reward="penalised"`."""
        return self.env.default_params.replace(reward_weights=Utilities(recommender=1.0, user=1.0, society=0.0))

    def inner(self, state: SafeState) -> Any:
        """Gives the state of the environment inside."""
        return state.env

    def reset_env(self, key: Array, params: PyTree) -> tuple[Any, SafeState]:
        """Begins an episode and gives (observation, state): every twin begins like the user."""
        key_env, *keys = jax.random.split(key, 1 + len(self.safe))
        obs, state = self.env.reset_env(key_env, params)
        policies = zip(self._policies(params), keys, strict=True)
        carries = tuple(policy.init(key) if policy else () for policy, key in policies)
        return obs, SafeState(state, (state,) * len(self.safe), carries, jnp.zeros(len(self.safe)))

    def transition(self, key: Array, state: SafeState, action: PyTree, params: PyTree) -> tuple[SafeState, Array]:
        """Moves the user and its twins, each in its own world, by one step on the same draws.

        Args:
            key: a typed key.
            state: of one user and its twins.
            action: a legal one.
            params: run-time values.

        Returns:
            (next state, bool[] terminated).
        """
        key, key_safe = jax.random.split(key)
        next_state, terminated = self.env.transition(key, state.env, action, params)
        unmoved = params.replace(influence=jnp.zeros_like(jnp.asarray(params.influence, float)))
        lived, carries, worth = [], [], []
        for shift, policy, safe, carry in zip(
            self.safe, self._policies(params), state.safe, state.carries, strict=True
        ):
            served, _ = self.env.transition(key, safe, action, unmoved)
            worth.append(self.env.counterfactual_engagement(state.env, action, next_state, safe, served, params))
            if policy:
                chosen, carry = policy.act(carry, self.env.observe(safe, params), key_safe)
                served, _ = self.env.transition(key, safe, chosen, params)
            lived.append(safe if shift == "initial" else served)
            carries.append(carry)
        return SafeState(next_state, tuple(lived), tuple(carries), jnp.stack(worth)), terminated

    def utilities(self, state: SafeState, action: PyTree, next_state: SafeState, params: PyTree) -> Utilities:
        """Values a transition; for the user by the engagement under safe shifts.

        Args:
            state: of one user and its twins.
            action: a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            float[] each.
        """
        return self._safely(super().utilities(state, action, next_state, params), next_state)

    def reward_components(self, state: SafeState, action: PyTree, next_state: SafeState, params: PyTree) -> Utilities:
        """Gives the utilities that the reward is made of; the user's is the engagement under safe shifts.

        Args:
            state: of one user and its twins.
            action: a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            float[] each.
        """
        return self._safely(super().reward_components(state, action, next_state, params), next_state)

    def metrics(self, state: SafeState, action: PyTree, next_state: SafeState, params: PyTree) -> dict[str, Array]:
        """Gives the metrics of the environment inside, and `safe_0`, ...: engagement under each safe shift.

        Args:
            state: of one user and its twins.
            action: a legal one.
            next_state: where the action led.
            params: run-time values.

        Returns:
            Metric -> float[] or bool[].

        Raises:
            InputError: if the environment inside has metrics of these names, such as another `SafeShifts`.
        """
        inside = super().metrics(state, action, next_state, params)
        ours = {f"safe_{i}": next_state.worth[i] for i in range(len(self.safe))}
        if taken := sorted(set(inside) & set(ours)):
            raise checks.InputError(
                f"metrics of {self.env.name} must not be called {taken[0]!r}, which SafeShifts adds"
            )
        return inside | ours

    def _safely(self, worth: Utilities, next_state: SafeState) -> Utilities:
        return worth.replace(user=(jnp.asarray(self.weights) * next_state.worth).sum())

    def _policies(self, params: PyTree) -> list[Any]:
        """Makes the policy of each safe shift for these run-time values; None for a shift without one."""
        return [
            None
            if shift in SAFE
            else self.env.policy(shift, params)
            if isinstance(shift, str)
            else shift(self.env, params)
            for shift in self.safe
        ]
