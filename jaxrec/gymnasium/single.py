"""One environment as Gymnasium has it."""

from typing import Any, ClassVar

import gymnasium
import jax
import numpy as np
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.gymnasium import steps
from jaxrec.gymnasium.arguments import built, params_of
from jaxrec.gymnasium.rendering import picture
from jaxrec.gymnasium.spaces import no_repeats, to_gymnasium, to_jax, to_numpy
from jaxrec.slates import Slate
from jaxrec.spaces import field_of
from jaxrec.trajectories import Trajectory


class Env(gymnasium.Env[Any, Any]):
    """One society as a `gymnasium.Env`, without automatic reset: an episode that has ended waits for `reset`.

        >>> env = Env("PolarisingUsers-v0", horizon=4)
        >>> obs, info = env.reset(seed=0)
        >>> obs, reward, terminated, truncated, info = env.step(2)
        >>> reward == info["recommender"], info["right"]
        (True, 1.0)

    Random numbers come from `np_random`, which `reset(seed=...)` seeds. `info` holds the environment's metrics and the
    three utilities, float each; a metric in `env.sparse_metrics` is absent at a step that has no such value.

    Attributes:
        env, params: the environment of jaxrec, and its run-time values; `reset(options={"params": ...})` replaces them.
        action_space, observation_space: of Gymnasium; see `jaxrec.gymnasium.spaces`.
        render_mode: None, or "rgb_array" for pictures of the episode so far.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 4}  # pyright: ignore

    def __init__(
        self, env: str | Environment, params: PyTree = None, render_mode: str | None = None, **settings: Any
    ) -> None:
        """Builds the environment.

        Args:
            env: an id of `jaxrec.make`, or an environment.
            params: run-time values; the environment's defaults if None.
            render_mode: None or "rgb_array"; with the latter every step of the episode is kept.
            **settings: constructor arguments of the environment.

        Raises:
            InputError: for an unknown id, setting or mode, and for parameters that the environment refuses.
        """
        if render_mode is not None:
            checks.lookup(dict.fromkeys(self.metadata["render_modes"]), render_mode, "render_mode")
        self.env = built(env, settings)
        self.params = params_of(self.env, None, params)
        self._acts, self._observes = self.env.action_space(self.params), self.env.observation_space(self.params)
        self.action_space, self.observation_space = to_gymnasium(self._acts), to_gymnasium(self._observes)
        self.render_mode = render_mode
        self._now: tuple[Any, Any] | None = None
        self._done = True
        self._episode: list[Trajectory] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode.

        Args:
            seed: seeds `np_random`; it goes on if None.
            options: {"params": run-time values} from here on, or None.

        Returns:
            (observation, {}).

        Raises:
            InputError: for another option, or parameters that the environment refuses.
        """
        super().reset(seed=seed)
        self.params = params_of(self.env, options, self.params)
        obs, state = steps.begin(self.env, steps.seeds(self.np_random), self.params, 1)
        self._now, self._done, self._episode = (obs, state), False, []
        return self._observed(obs), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Takes one step.

        Args:
            action: an element of `action_space`.

        Returns:
            (observation, reward, terminated, truncated, info).

        Raises:
            InputError: for an action outside the space, and for a step before `reset` or after the end of an episode.
        """
        if self._now is None or self._done:
            raise checks.InputError("step must come after reset: no episode is under way")
        chosen = no_repeats(self._acts, jax.tree.map(lambda leaf: leaf[None], to_jax(self._acts, action)))
        self._acts.check("action", jax.tree.map(lambda leaf: leaf[0], chosen))
        obs, state = self._now
        taken = jax.device_get(steps.advance(self.env, steps.seeds(self.np_random), state, obs, chosen, self.params))
        step = taken.step
        ends = bool(step.terminated[0]), bool(step.truncated[0])
        self._now, self._done = (step.next_obs, step.next_state), any(ends)
        if self.render_mode is not None:
            one = Trajectory(
                step.state, step.obs, step.action, step.reward, step.next_state, step.terminated | step.truncated
            )
            self._episode.append(one)
        info = {
            name: value[0].item() if value[0].ndim == 0 else np.array(value[0]) for name, value in taken.info.items()
        }
        there = {name: float(value[0]) for name, value in taken.metrics.items() if taken.present.get(name, [1])[0]}
        return self._observed(step.next_obs), float(step.reward[0]), *ends, info | there

    def action_masks(self) -> np.ndarray:
        """Gives bool[actions]: which actions are valid now, as `sb3_contrib.MaskablePPO` asks for them.

        All are where the observation has no `action_mask` or it allows none.

        Raises:
            InputError: before `reset`.
        """
        if self._now is None:
            raise checks.InputError("action_masks must come after reset: no episode is under way")
        return masks(self.env, self._now[0])[0]

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Draws the episode so far: uint8[height, width, 3] if `render_mode` is "rgb_array", else None."""
        return None if self.render_mode is None else picture(self.env, self._episode, self.params)

    def _observed(self, obs: PyTree) -> Any:
        return to_numpy(self._observes, jax.tree.map(lambda leaf: leaf[0], jax.device_get(obs)))


def masks(env: Environment, obs: PyTree) -> np.ndarray:
    """Gives bool[num_envs, actions], the valid actions of observations [num_envs, ...]: all where none is said valid.

    For slates of k, bool[num_envs, k * items]: the valid items of each place in turn.

    Raises:
        InputError: for an environment whose actions are neither discrete nor slates.
    """
    space, mask = env.action_space(env.default_params), field_of(obs, "action_mask", None)
    if mask is None:
        mask = np.ones((len(jax.tree.leaves(obs)[0]), env.num_actions), bool)
    mask = np.array(mask)
    return np.tile(mask | ~mask.any(axis=-1, keepdims=True), space.k if isinstance(space, Slate) else 1)
