"""Environments: what follows from a society's own methods (`jaxrec.interface`), the same for every society.

The calling convention is the one of gymnax 1.0, so that its wrappers and agents run on these environments:

    obs, state = env.reset(key, params)
    obs, state, reward, terminated, truncated, info = env.step(key, state, action, params)
"""

import dataclasses
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec import auto_reset, checks
from jaxrec.course import draw_state
from jaxrec.interface import Interface, Params, State
from jaxrec.policy import Policy
from jaxrec.utilities import Leaf, RewardFunction, Utilities, paid

MAX_STEPS_IN_EPISODE = 10_000
"""Of evaluations by other libraries, see `EnvParams.max_steps_in_episode`."""


class EnvState(struct.PyTreeNode):
    """The state of an episode between two steps; a subclass adds the fields of its society.

    Attributes:
        time: int32[], steps taken since the episode began.
    """

    time: Leaf

    def _repr_png_(self) -> bytes | None:
        """The picture that a notebook shows for the state of one environment; None, and so text, for all else.

        A cell never fails for its picture: whatever cannot be drawn is shown as text. `env.render` knows the society.
        """
        try:
            host = jax.device_get(self)
            return None if np.ndim(host.time) else draw_state(host)
        except Exception:
            return None


def _replace(params: "EnvParams", **values: object) -> Any:
    """Gives parameters with other values, without what `prepare` had made of the old ones.

    Raises:
        InputError: for an unknown name.
    """
    for name in values:
        checks.lookup(vars(params), name, f"parameter of {type(params).__name__}")
    return dataclasses.replace(params, **{**dict.fromkeys(params.prepared), **values})


class EnvParams(checks.KnownKeywords, struct.PyTreeNode):
    """Run-time values: each may be swept with `vmap` without recompiling.

    Their size is at most a million (`checks.LARGEST`), unless a parameter has bounds of its own.

    Attributes:
        influence: float[] in [0, 1]; how far recommendations change users. At 0 they do not: the world in which the
            action is independent of theta (Evans & Kasirzadeh, "User Tampering", Definition 2).
        reward_weights: a weight for each utility, read by `reward="penalised"`.
    """

    prepared: ClassVar[tuple[str, ...]] = ()
    """The fields that `Environment.prepare` fills, None elsewhere."""

    influence: Leaf | float = 1.0
    reward_weights: Utilities = Utilities(recommender=1.0, user=1.0, society=1.0)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Lets `replace` name the nearest parameter where there is none of a name."""
        super().__init_subclass__(**kwargs)  # flax gives each class a `replace` of its own
        cls.replace = _replace  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def max_steps_in_episode(self) -> int:
        """The steps after which rejax and gymnax's `RolloutWrapper` cut an episode off: 10 000 in every society.

        They read the number from the parameters, which do not know the horizon. Episodes end there in their own loops
        only; an environment cuts none off but by `TimeLimit`.
        """
        return MAX_STEPS_IN_EPISODE


EnvParams.replace = _replace  # pyright: ignore[reportAttributeAccessIssue]


class Environment(Interface[State, Params]):
    """A society that one recommender serves, as pure functions of PyTrees.

        >>> env, params = jaxrec.make("PolarisingUsers-v0", horizon=4)
        >>> obs, state = env.reset(jax.random.key(0), params)
        >>> obs, state, reward, terminated, truncated, info = env.step(jax.random.key(1), state, 0, params)
        >>> int(state.time), bool(terminated)
        (1, False)

    Constructor arguments fix shapes, topology, spaces and the choice of reward; `EnvParams` holds run-time values.
    A subclass is a `dataclass(unsafe_hash=True)`: two equal environments hash equal, and the second does not recompile.
    It supplies `reset_env`, `transition`, `observe`, `utilities`, `metrics`, the spaces and `default_params`, and those
    of `check_params`, `prepare`, `reward_components`, `fixed_horizon`, `num_observations` with `observation_index`, and
    `render` that apply to it. `class Mine(Environment[MyState, MyParams])` tells type checkers the classes of its
    states and parameters.

    *Actions* of another shape or kind (integers, floats) than the elements of `action_space` are refused, traced or
    not. `step` refuses concrete actions outside the space; in place of a traced one the nearest in the space is taken
    (`legal_action`), and `info["invalid_action"]` is true. `transition`, and all methods called after it, get legal
    actions only.

    Attributes:
        reward: a name in `jaxrec.utilities.REWARDS`, or a function of (utilities, weights).
        policies: the environment's own recommenders by name, each a function of (environment, parameters).
        preferences: the parts of the state that are the users, as paths such as "society.cooperators":
            recommendations change them where `influence` is 1, and do not where it is 0. `jaxrec.api_test` checks this.
        sparse_metrics: metrics that are NaN at steps that have no such value, such as the strategy of the recommended
            user where no user was. Means leave those steps out.
    """

    reward: str | RewardFunction
    policies: ClassVar[dict[str, Any]] = {}
    preferences: ClassVar[tuple[str, ...]] = ()
    sparse_metrics: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: object) -> None:
        # Settings are static arguments of what is compiled: they must hash, as lists and arrays do not.
        super().__setattr__(name, checks.hashable(value))

    def policy(self, name: str, params: Params | None = None) -> Policy:
        """Makes the environment's own recommender called `name`, such as a baseline of the paper.

        Args:
            name: one of `policies`.
            params: run-time values of the rollout that it acts in, traced or not; the environment's defaults if None.

        Raises:
            InputError: for an unknown name (the message gives the nearest), or concrete parameters out of range.
        """
        factory = checks.lookup(self.policies, name, f"policy of {self.name}")
        return factory(self, self.resolve(params))

    def resolve(self, params: Params | None, batch: tuple[int, ...] = ()) -> Params:
        """Gives `params`, or the defaults if None, checked: every entry point takes its parameters through here.

        Raises:
            InputError: for parameters of another environment, a wrong shape, or a concrete value out of range.
        """
        if params is None:
            return self.default_params
        self.check_type(params)
        self.check_params(params, batch)
        return params

    def check_type(self, params: object) -> None:
        """Raises InputError for parameters of another class than the defaults."""
        kind = type(self.default_params)
        if dataclasses.is_dataclass(kind) and not isinstance(params, kind):
            raise checks.InputError(f"params of {self.name} must be {kind.__name__}, got {checks.brief(params)}")

    def preferences_of(self, state: State) -> tuple[PyTree, ...]:
        """Gives the parts of `state` that `preferences` names, in its order."""
        return tuple(attrgetter(path)(state) for path in self.preferences)

    @property
    def num_actions(self) -> int:
        """The number of discrete actions; of items, where actions are slates.

        Raises:
            InputError: for other actions.
        """
        space = self.action_space(self.default_params)
        if not hasattr(space, "n"):
            raise checks.InputError(f"{self.name} must have discrete actions or slates to have a number, got {space}")
        return space.n  # type: ignore[attr-defined]

    def is_truncated(self, state: State, params: Params) -> Array:
        """Tells, as bool[], whether the episode is cut off: never. A horizon of the game terminates it instead."""
        if TYPE_CHECKING:
            assert isinstance(state, EnvState)
        return jnp.zeros_like(state.time, bool)

    def legal_action(self, action: PyTree, params: Params) -> Any:
        """Gives the action that is taken where `action` is recommended: the nearest one of `action_space`."""
        return self.action_space(params).nearest(action)

    def step_env(
        self, key: Array, state: State, action: PyTree, params: Params
    ) -> tuple[Any, State, Array, Array, dict[str, Array]]:
        """Takes one step, without reset at the end of an episode.

        Args:
            key: a typed key.
            state: of one society.
            action: of the shape and the kind of the elements of `action_space`.
            params: run-time values.

        Returns:
            (observation, state, float[] reward, bool[] terminated, info).

        Raises:
            InputError: for an action of another shape or kind, traced or not.
        """
        if TYPE_CHECKING:
            assert isinstance(params, EnvParams)
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

    def reset(self, key: Array, params: Params | None = None) -> tuple[Any, State]:
        """Begins an episode and gives (observation, state); compiled.

        Raises:
            InputError: for concrete parameters out of range.
        """
        checks.typed_key("key", key)
        return self._reset(key, self.resolve(params))

    @partial(jax.jit, static_argnames="self")
    def _reset(self, key: Array, params: Params) -> tuple[Any, State]:
        return self.reset_env(key, params)

    def step(
        self, key: Array, state: State, action: PyTree, params: Params | None = None
    ) -> tuple[Any, State, Array, Array, Array, dict[str, Any]]:
        """Takes one step; at the end of an episode the next one begins. Compiled.

        Args:
            key: a typed key.
            state: of one society, from `reset` or `step`.
            action: an element of `action_space`.
            params: run-time values; the environment's defaults if None.

        Returns:
            (observation, state, float[] reward, bool[] terminated, bool[] truncated, info). Where an episode ended,
            observation and state are those of the next one; `info["final_observation"]` is the last observation of the
            old one. `info["discount"]` is 0 where the game terminated, else 1; `info["invalid_action"]` tells whether
            a legal action was taken in place of a traced one outside the space.

        Raises:
            InputError: for a concrete action outside the space; one of another shape or kind, traced or not; a wrong
                key or state, or parameters of another environment.
        """
        checks.typed_key("key", key)
        self.action_space(self.default_params if params is None else params).check("action", action)
        return auto_reset.step(self, key, state, action, params)
