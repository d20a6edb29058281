"""Users judged by the preferences that they would have had, had they been served safely."""

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.utilities import Utilities
from jaxrec.wrappers.base import Wrapper

SAFE = ("initial", "natural")
Safe = str | Callable[[Environment, Any], Any]


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
        """int32[], steps taken since the episode began."""
        return self.env.time


@dataclasses.dataclass(unsafe_hash=True)
class SafeShifts(Wrapper):
    """Users are worth what is recommended to them under the preferences that they would have had.

    The engagement of what a policy recommends, judged by preferences as they would be under a shift that is trusted
    (Carroll et al. 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender Systems", section 5):
    utilities are those of the environment inside, but the user's is `sum(weights[i] * engagement under safe[i])`. With
    `reward="penalised"` and the default `reward_weights` that is the paper's objective, engagement now and under safe
    shifts; `reward_weights.user` weighs it at run time. For each shift a twin of the user lives on beside it, on the
    same draws; see `Environment.counterfactual_engagement`.

    Attributes:
        env: any environment whose parameters have an `influence`.
        safe: "initial", preferences never shift; "natural", they shift as they do where influence is 0; or a safe
            policy, by its name in the environment or as a function of (environment, parameters in force).
        weights: of each of them, nu in the paper.

    Raises:
        InputError: for an environment without `influence`, an unknown shift, or other than one weight each.

    Warns:
        UserWarning: for a reward that does not pay the user's utility, which is all that this changes.
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
        """The run-time values of the environment inside, with weights (1, 1, 0) of `reward="penalised"`."""
        return self.env.default_params.replace(reward_weights=Utilities(recommender=1.0, user=1.0, society=0.0))

    def inner(self, state: SafeState) -> Any:
        """The state of the environment inside."""
        return state.env

    def reset_env(self, key: Array, params: Any) -> tuple[Any, SafeState]:
        """(observation, state) at the start of an episode: every twin begins as the user does."""
        key_env, *keys = jax.random.split(key, 1 + len(self.safe))
        obs, state = self.env.reset_env(key_env, params)
        policies = zip(self._policies(params), keys, strict=True)
        carries = tuple(policy.init(key) if policy else () for policy, key in policies)
        return obs, SafeState(state, (state,) * len(self.safe), carries, jnp.zeros(len(self.safe)))

    def transition(self, key: Array, state: SafeState, action: Any, params: Any) -> tuple[SafeState, Array]:
        """(next state, bool[] terminated); its twins go on in their own worlds, on the same draws."""
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

    def utilities(self, state: SafeState, action: Any, next_state: SafeState, params: Any) -> Utilities:
        """What the transition is worth; to the user: engagement under safe shifts."""
        return self._safely(super().utilities(state, action, next_state, params), next_state)

    def reward_components(self, state: SafeState, action: Any, next_state: SafeState, params: Any) -> Utilities:
        """The utilities that an agent is paid for; the user's: engagement under safe shifts."""
        return self._safely(super().reward_components(state, action, next_state, params), next_state)

    def metrics(self, state: SafeState, action: Any, next_state: SafeState, params: Any) -> dict[str, Array]:
        """The metrics of the environment inside, and `safe_0`, ...: engagement under each safe shift.

        Raises:
            InputError: if the environment inside has metrics of these names, as another `SafeShifts` has.
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

    def _policies(self, params: Any) -> list[Any]:
        """The policy of each safe shift, made for the parameters in force; None where there is none."""
        return [
            None
            if shift in SAFE
            else self.env.policy(shift, params)
            if isinstance(shift, str)
            else shift(self.env, params)
            for shift in self.safe
        ]
