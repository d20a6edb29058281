"""Rollouts and logs as datasets of Minari, which libraries of offline learning read.

Needs `pip install jaxrec[minari]`.
"""

import warnings
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.estimation.logs import PADDING, Logs
from jaxrec.inputs import check_env
from jaxrec.offline.minari_environments import env_of, extra, spec_of
from jaxrec.offline.transitions import observed
from jaxrec.spaces import Discrete
from jaxrec.trajectories import Trajectory, episodes

MinariDataset = Any  # of an extra, which is imported where a dataset is written or read

LOGGED = ("propensity", "policy")
"""Infos of logs, whose names no metric may have."""


def write_minari(
    dataset_id: str, played: Trajectory | Logs, env: Environment | int, name: str = "policy"
) -> MinariDataset:
    """Writes a new dataset where Minari keeps them (`MINARI_DATASETS_PATH`).

        played = jaxrec.rollout(env, policy, key, num_envs, num_steps, trajectory=("next_obs", "metrics"))
        write_minari("polarising/random-v0", played.trajectory, env, name="random").recover_environment()

    The whole episodes of a *trajectory* are written as they were. Its metrics are `infos`, in Minari's order: that of
    step t stands at t + 1, with the observation after the step, and NaN at 0.

    *Logs* are one episode a user. A step's `infos` have its `propensity` (NaN where it is unknown) and the index of its
    `policy`. Logs end with the last action: the last observation is repeated, and the last step counts as terminated.

    Spaces and observations are those of `jaxrec.gymnasium`. `recover_environment()` builds the environment with its
    constructor arguments and default parameters, `recover_environment(params=...)` with others. It cannot where
    `jaxrec.offline.minari_environments.spec_of` gives None; Minari warns then.

    Args:
        dataset_id: in Minari's form, such as "preference/random-v0".
        played: a trajectory with `next_obs`, of any action space; or logs with actions, rewards and observations.
        env: the environment; or the number of its actions, for logs of no environment of jaxrec.
        name: of the policy in a trajectory, the dataset's algorithm name. Logs have names of their own.

    Returns:
        The `minari.MinariDataset`.

    Raises:
        InputError: for a trajectory without `next_obs` or a whole episode, of another environment, or with a metric
            called "propensity" or "policy"; for logs that lack a part, or have other actions or observations than the
            environment; and for a policy with a comma in its name.
    """
    minari = extra("minari")
    if not isinstance(env, int):
        check_env(env)
    names = played.policies if isinstance(played, Logs) else (name,)
    if any("," in each for each in names):
        raise checks.InputError(f"policies must have names without commas for a Minari dataset, got {names}")
    found = _of_logs(played, env) if isinstance(played, Logs) else _of_trajectory(played, env)
    acts, observes = _spaces(played, env)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`\w+` is set to None")  # of metadata that only documentation needs
        return minari.create_dataset_from_buffers(
            dataset_id,
            [minari.data_collector.EpisodeBuffer(id=i, **each) for i, each in enumerate(found)],
            env=None if isinstance(env, int) else spec_of(env),
            action_space=acts,
            observation_space=observes,
            algorithm_name=",".join(names),
        )


def _spaces(played: Trajectory | Logs, env: Environment | int) -> tuple[Any, Any]:
    """Gives Gymnasium's spaces of actions and observations; those of logs alone are as wide as their dtypes."""
    if not isinstance(env, int):
        to_gymnasium, params = extra("jaxrec.gymnasium").to_gymnasium, env.default_params
        return to_gymnasium(env.action_space(params)), to_gymnasium(env.observation_space(params))
    assert isinstance(played, Logs)
    spaces, (*_, size), kind = extra("gymnasium.spaces"), played.observations.shape, played.observations.dtype
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind == "i" else (-np.inf, np.inf)
    return spaces.Discrete(env), spaces.Box(low, high, (size,), kind)


def _of_trajectory(trajectory: Trajectory, env: Environment | int) -> list[dict[str, Any]]:
    """Gives the fields of each whole episode."""
    if isinstance(env, int):
        raise checks.InputError(f"env must be the environment that the trajectory is of, got {env}")
    for field in ("next_obs", "terminated", "truncated"):
        if getattr(trajectory, field) is None:
            raise checks.InputError(
                f'trajectory must have {field} for a Minari dataset: rollout(..., trajectory=("next_obs", "metrics"))'
            )
    taken = set(LOGGED) & set(trajectory.metrics or {})
    if taken:
        raise checks.InputError(f"metrics must not be called {min(taken)!r}, which is an info of logs: rename it")
    played, params = episodes(trajectory), env.default_params
    if not played:
        raise checks.InputError("trajectory must have at least one whole episode, got none")
    env.action_space(params).check("trajectory.action", played[0][0].action)
    env.observation_space(params).check("trajectory.obs", played[0][0].obs)
    return [_episode(each, env) for each in played]


def _episode(episode: Trajectory, env: Environment) -> dict[str, Any]:
    """Gives the fields of one whole episode."""
    to_numpy, params, steps = extra("jaxrec.gymnasium.spaces").to_numpy, env.default_params, len(episode.done)
    seen = jax.tree.map(lambda obs, after: np.concatenate([obs, after[-1:]]), episode.obs, episode.next_obs)
    metrics = {name: values for name, values in (episode.metrics or {}).items() if name != "reward"}
    return {
        "observations": to_numpy(env.observation_space(params), seen, (steps + 1,)),
        "actions": to_numpy(env.action_space(params), episode.action, (steps,)),
        "rewards": episode.reward,
        "terminations": episode.terminated,
        "truncations": episode.truncated,
        "infos": {name: np.concatenate([np.full(1, np.nan, values.dtype), values]) for name, values in metrics.items()},
    }


def _of_logs(logs: Logs, env: Environment | int) -> list[dict[str, Any]]:
    """Gives the fields of each user's episode."""
    logs.require("actions", "rewards", "observations", reader="a Minari dataset")
    seen = np.asarray(logs.observations)
    if not isinstance(env, int):
        params = env.default_params
        if not isinstance(env.action_space(params), Discrete):
            raise checks.InputError(f"env must have discrete actions, got those of {env.name}")
        whole = jax.device_get(observed(env, logs))
        seen = extra("jaxrec.gymnasium.spaces").to_numpy(env.observation_space(params), whole, np.shape(logs.valid))
    checks.within("logs.actions", logs.actions, 0, (env if isinstance(env, int) else env.num_actions) - 1)
    actions, rewards = np.asarray(logs.actions), np.asarray(logs.rewards)
    known = np.full(rewards.shape, np.nan) if logs.propensities is None else np.asarray(logs.propensities)

    def episode(user: int, steps: int) -> dict[str, Any]:
        rows = np.minimum(np.arange(steps + 1), steps - 1)
        return {
            "observations": jax.tree.map(lambda leaf: leaf[user, rows], seen),
            "actions": actions[user, :steps],
            "rewards": rewards[user, :steps],
            "terminations": np.arange(steps) == steps - 1,
            "truncations": np.zeros(steps, bool),
            "infos": {
                "propensity": np.append(known[user, :steps], np.nan),
                "policy": np.full(steps + 1, int(logs.policy[user])),
            },
        }

    return [episode(user, int(steps)) for user, steps in enumerate(np.asarray(logs.valid).sum(axis=1))]


def read_minari(dataset: str | MinariDataset) -> Logs:
    """Reads a dataset of discrete actions; each episode is a user.

    Args:
        dataset: its id, or a `minari.MinariDataset`. Its observations are arrays, or those of an environment of jaxrec
            that it records, which become vectors as in logs of `record`. Propensities and policies are those of
            `write_minari`, if present.

    Returns:
        The logs, padded to the longest episode.

    Raises:
        InputError: for a dataset without episodes, with actions that are not discrete, or observations of several
            parts and no environment of jaxrec that observes them.
    """
    minari = extra("minari")
    opened: MinariDataset = minari.load_dataset(dataset) if isinstance(dataset, str) else dataset
    paths = _paths(opened)
    found = list(opened.iterate_episodes())
    if not found:
        raise checks.InputError("dataset must have at least one episode, got none")
    steps = max(len(episode.rewards) for episode in found)

    def padded(name: str, values: list[np.ndarray]) -> Array:
        whole = np.full((len(values), steps, *values[0].shape[1:]), PADDING[name], values[0].dtype)
        for row, each in zip(whole, values, strict=True):
            row[: len(each)] = each
        return jnp.asarray(whole)

    first, infos = int(opened.action_space.start), [episode.infos or {} for episode in found]
    seen = [_vectors(episode, paths) for episode in found]
    known = _known(infos, [len(each) for each in seen])
    parts = {} if known is None else {"propensities": padded("propensities", known)}
    names = opened.storage.metadata.get("algorithm_name") or "policy"
    return Logs(
        valid=padded("valid", [np.ones(len(each), bool) for each in seen]),
        policy=jnp.array([int(np.asarray(info.get("policy", [0]))[0]) for info in infos], jnp.int32),
        policies=tuple(names.split(",")),
        actions=padded("actions", [np.asarray(episode.actions, np.int32) - first for episode in found]),
        rewards=padded("rewards", [np.asarray(episode.rewards, np.float32) for episode in found]),
        observations=padded("observations", seen),
        **parts,
    )


def _paths(dataset: MinariDataset) -> list[tuple[str, ...]]:
    """Gives the keys that lead to each array of an observation, in the order of `jaxrec.observations.packed`."""
    spaces = extra("gymnasium.spaces")
    if not isinstance(dataset.action_space, spaces.Discrete):
        raise checks.InputError(f"dataset must have discrete actions, got {dataset.action_space}")
    if isinstance(dataset.observation_space, spaces.Box | spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete):
        return [()]
    env = env_of(dataset.env_spec)
    if env is None:
        raise checks.InputError(
            "dataset must have arrays as observations, or record the environment of jaxrec that they are of, got "
            f"{dataset.observation_space}"
        )
    like = jax.eval_shape(env.reset_env, jax.random.key(0), env.default_params)[0]
    leaves = jax.tree_util.tree_leaves_with_path(like)
    return [tuple(jax.tree_util.keystr(path, simple=True, separator="/").split("/")) for path, _ in leaves]


def _vectors(episode: Any, paths: list[tuple[str, ...]]) -> np.ndarray:
    """int32 or float32[steps, n]: the observations before each step."""
    steps = len(episode.rewards)
    try:
        arrays = [reduce(lambda part, key: part[key], path, episode.observations) for path in paths]
    except KeyError as error:
        raise checks.InputError(f"dataset must have all that its environment observes, got no {error}") from error
    seen = np.concatenate([np.asarray(each)[:steps].reshape(steps, -1) for each in arrays], axis=1)
    return seen.astype(np.int32 if seen.dtype.kind in "biu" else np.float32)


def _known(infos: list[dict[str, Any]], lengths: list[int]) -> list[np.ndarray] | None:
    """The propensities of each episode, or None where there are none."""
    if not all("propensity" in info for info in infos):
        return None
    given = [np.asarray(info["propensity"], np.float32) for info in infos]
    known = [each[:length] for each, length in zip(given, lengths, strict=True)]
    return None if all(np.isnan(each).all() for each in known) else known
