"""Many environments in one compiled step, as Stable-Baselines3 has them; needs `stable-baselines3`.

from stable_baselines3 import PPO
from jaxrec.gymnasium.stable_baselines3 import VecEnv

PPO("MlpPolicy", VecEnv("PolarisingUsers-v0", num_envs=16)).learn(400_000)
"""

from collections.abc import Iterable
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import PyTree
from stable_baselines3.common import vec_env  # pyright: ignore[reportMissingImports]

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.gymnasium.vector import VectorEnv

Indices = None | int | Iterable[int]


class VecEnv(vec_env.VecEnv):
    """Many societies as a `VecEnv` of Stable-Baselines3.

    Where an episode ends, the info of its last step holds "terminal_observation" and "TimeLimit.truncated", which
    learners bootstrap from, and the observation is the first of the next episode. `action_masks` serves
    `sb3_contrib.MaskablePPO`.

    Attributes:
        envs: the `jaxrec.gymnasium.VectorEnv` that does the work.
    """

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
        self.envs = VectorEnv(env, num_envs, params, **settings)
        super().__init__(num_envs, self.envs.single_observation_space, self.envs.single_action_space)
        self._actions: np.ndarray | None = None

    def reset(self) -> Any:
        """Begins an episode in each environment and gives the observations; seeded by `seed`, if it was called."""
        options = self._options[0] if self._options else None
        obs, _ = self.envs.reset(seed=self._seeds[0], options=options)
        self._reset_seeds()
        self._reset_options()
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        """Takes note of the actions."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Takes one step with the actions of `step_async`: (observations, rewards, dones, infos)."""
        obs, rewards, terminated, truncated, infos = self.envs.step(self._actions)
        final = infos.get("final_obs")
        entries = {name: value.tolist() for name, value in infos.items() if f"_{name}" in infos and "final" not in name}
        there = {name: infos[f"_{name}"].tolist() for name in entries}
        each = []
        for i in range(self.num_envs):
            info = {name: value[i] for name, value in entries.items() if there[name][i]}
            info["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
            if final is not None and final[i] is not None:
                info["terminal_observation"] = final[i]
            each.append(info)
        return obs, rewards, terminated | truncated, each

    def close(self) -> None:
        """Closes the environments."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Gives an attribute of `envs`, the same for each of the environments `indices`."""
        return [getattr(self.envs, attr_name)] * len(self._get_indices(indices))  # pyright: ignore

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Raises InputError: all environments share their settings; `set_options({"params": ...})` changes values."""
        raise checks.InputError(f"{attr_name} must be set where the environments are built, or as option of reset")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Calls a method of `envs` that gives an array of all environments, such as `action_masks`.

        Args:
            method_name: of the method.
            *method_args: its arguments.
            indices: the environments whose parts are given; all if None.
            **method_kwargs: its keyword arguments.

        Returns:
            The part of each environment.
        """
        result = getattr(self.envs, method_name)(*method_args, **method_kwargs)
        return [result[i] for i in self._get_indices(indices)]  # pyright: ignore

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: Indices = None) -> list[bool]:  # pyright: ignore
        """Tells of each of the environments that it has no wrapper."""
        return [False] * len(self._get_indices(indices))  # pyright: ignore
