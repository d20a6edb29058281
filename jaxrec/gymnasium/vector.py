"""Many environments in one compiled step, as Gymnasium has them."""

from typing import Any, ClassVar

import gymnasium
import jax
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.gymnasium import steps
from jaxrec.gymnasium.arguments import built, params_of
from jaxrec.gymnasium.single import masks
from jaxrec.gymnasium.spaces import no_repeats, to_gymnasium, to_jax, to_numpy
from jaxrec.slates import Slate
from jaxrec.spaces import Discrete, Space


class VectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many societies as a `gymnasium.vector.VectorEnv`, all of them in one compiled step.

        >>> envs = VectorEnv("PolarisingUsers-v0", num_envs=3, horizon=4)
        >>> obs, infos = envs.reset(seed=0)
        >>> obs, rewards, terminations, truncations, infos = envs.step([0, 1, 2])
        >>> infos["left"].tolist(), infos["_left"].tolist()
        ([1.0, 0.0, 0.0], [True, True, True])

    Where an episode ends the next one begins within the same step (`AutoresetMode.SAME_STEP`): the observation is the
    first of the next episode, `infos["final_obs"][i]` the last of the old one and `infos["final_info"]` its infos, both
    masked by `infos["_final_obs"]`. The other infos are those of the step that was taken, of every environment; each
    `infos[name]` is an array [num_envs], `infos["_" + name]` tells where it has a value.

    Attributes:
        env, params: the environment of jaxrec, and its run-time values, the same for all.
        num_envs: environments.
        single_action_space, single_observation_space, action_space, observation_space: of Gymnasium.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # pyright: ignore

    def __init__(self, env: str | Environment, num_envs: int = 1, params: PyTree = None, **settings: Any) -> None:
        """Builds the environments.

        Args:
            env: an id of `jaxrec.make`, or an environment.
            num_envs: how many, at least 1.
            params: run-time values; the environment's defaults if None.
            **settings: constructor arguments of the environment.

        Raises:
            InputError: for no environments, an unknown id or setting, and parameters that the environment refuses.
        """
        checks.positive("num_envs", num_envs, checks.MOST_STEPS)
        self.env, self.num_envs = built(env, settings), num_envs
        self.params = params_of(self.env, None, params)
        self._acts, self._observes = self.env.action_space(self.params), self.env.observation_space(self.params)
        self.single_action_space, self.single_observation_space = map(to_gymnasium, (self._acts, self._observes))
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._now: tuple[Any, Any] | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode in each environment.

        Args:
            seed: seeds `np_random`, which all environments draw from; it goes on if None.
            options: {"params": run-time values} from here on, or None.

        Returns:
            (observations, {}).

        Raises:
            InputError: for a seed that is no integer, another option, or parameters that the environment refuses.
        """
        if seed is not None and not isinstance(seed, int | np.integer):
            raise checks.InputError(f"seed must be one integer for all environments, got {checks.brief(seed)}")
        super().reset(seed=seed)
        self.params = params_of(self.env, options, self.params)
        obs, state = steps.begin(self.env, steps.seeds(self.np_random), self.params, self.num_envs)
        self._now = obs, state
        return self._observed(jax.device_get(obs)), {}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Takes one step of every environment.

        Args:
            actions: an element of `action_space`.

        Returns:
            (observations, float32[num_envs] rewards, bool[num_envs] terminations and truncations, infos).

        Raises:
            InputError: for an action outside the space, and for a step before `reset`.
        """
        if self._now is None:
            raise checks.InputError("step must come after reset: no episode is under way")
        actions = no_repeats(self._acts, to_jax(self._acts, actions, (self.num_envs,)))
        _check_all(self._acts, actions)
        obs, state = self._now
        taken = steps.advance(self.env, steps.seeds(self.np_random), state, obs, actions, self.params)
        obs, state = taken.step.next_obs, taken.step.next_state
        reward, terminated, truncated, info, metrics, present = jax.device_get(
            (taken.step.reward, taken.step.terminated, taken.step.truncated, taken.info, taken.metrics, taken.present)
        )
        done, every = terminated | truncated, np.ones(self.num_envs, bool)
        infos = {name: np.array(value) for name, value in (info | metrics).items()}
        infos |= {f"_{name}": present[name] > 0 if name in present else every.copy() for name in list(infos)}
        if done.any():
            infos |= self._final(jax.device_get(obs), infos, done)
            obs, state = steps.begin_where(self.env, steps.seeds(self.np_random), done, (obs, state), self.params)
        self._now = obs, state
        observed = self._observed(jax.device_get(obs))
        return observed, np.array(reward, np.float32), np.array(terminated), np.array(truncated), infos

    def action_masks(self) -> np.ndarray:
        """Gives bool[num_envs, actions]: which actions are valid now.

        Raises:
            InputError: before `reset`.
        """
        if self._now is None:
            raise checks.InputError("action_masks must come after reset: no episode is under way")
        return masks(self.env, self._now[0])

    def _observed(self, obs: PyTree) -> Any:
        return to_numpy(self._observes, obs, (self.num_envs,))

    def _final(self, obs: PyTree, infos: dict[str, Any], done: np.ndarray) -> dict[str, Any]:
        """Gives the infos of episodes that ended: their last observations and infos."""
        final = np.full(self.num_envs, None, object)
        for i in np.flatnonzero(done):
            final[i] = to_numpy(self._observes, jax.tree.map(lambda leaf, i=i: leaf[i], obs))
        masked = {name: value & done if name.startswith("_") else value.copy() for name, value in infos.items()}
        return {"final_obs": final, "_final_obs": done, "final_info": masked, "_final_info": done.copy()}


def _check_all(space: Space, actions: PyTree) -> None:
    """Raises InputError for an action outside the space; leaves are [num_envs, ...]."""
    if isinstance(space, Discrete | Slate) and ((actions >= 0) & (actions < space.n)).all():
        return  # of slates `no_repeats` has made sure
    for i in range(len(jax.tree.leaves(actions)[0])):
        space.check("action", jax.tree.map(lambda leaf, i=i: leaf[i], actions))
