"""Logs as datasets of Minari, which libraries of offline learning read; needs `pip install jaxrec[minari]`."""

import importlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.estimation.logs import PADDING, Logs

MinariDataset = Any  # of an extra, which is imported where a dataset is written or read


def write_minari(dataset_id: str, logs: Logs, num_actions: int) -> MinariDataset:
    """Writes logs as a new dataset where Minari keeps them (`MINARI_DATASETS_PATH`), one episode a user.

    Each step's `infos` have its `propensity` (NaN where it is unknown) and the index of its `policy`; the names of the
    policies are the dataset's algorithm name. Minari wants an observation after the last step: it repeats the last one,
    and a user's last step counts as terminated.

    Args:
        dataset_id: in Minari's form, such as "preference/random-v0".
        logs: with actions, rewards and observations.
        num_actions: of the environment, more than any logged action.

    Returns:
        The `minari.MinariDataset`.

    Raises:
        InputError: for logs that lack a part, an action from `num_actions` on, or a policy with a comma in its name.
    """
    minari, spaces = _extra("minari"), _extra("gymnasium.spaces")
    logs.require("actions", "rewards", "observations", reader="a Minari dataset")
    checks.within("logs.actions", logs.actions, 0, num_actions - 1)
    if any("," in name for name in logs.policies):
        raise checks.InputError(f"policies must have names without commas for a Minari dataset, got {logs.policies}")
    observations = np.asarray(logs.observations)
    buffers = [minari.data_collector.EpisodeBuffer(id=user, **_episode(logs, user)) for user in range(logs.num_users)]
    kind = observations.dtype
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind == "i" else (-np.inf, np.inf)
    return minari.create_dataset_from_buffers(
        dataset_id,
        buffers,
        action_space=spaces.Discrete(num_actions),
        observation_space=spaces.Box(low, high, observations.shape[2:], kind),
        algorithm_name=",".join(logs.policies),
    )


def _extra(name: str) -> Any:
    """Imports a module that the extra `minari` brings. Raises InputError, which says how to get it, without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise checks.InputError(f"{name} is missing: pip install jaxrec[minari]") from error


def _episode(logs: Logs, user: int) -> dict[str, Any]:
    """The fields of an episode."""
    steps = int(np.asarray(logs.valid)[user].sum())
    seen = np.asarray(logs.observations)[user, :steps]
    known = np.full(steps, np.nan) if logs.propensities is None else np.asarray(logs.propensities)[user, :steps]
    return {
        "observations": [*seen, seen[-1]],
        "actions": np.asarray(logs.actions)[user, :steps].tolist(),
        "rewards": np.asarray(logs.rewards)[user, :steps].tolist(),
        "terminations": (np.arange(steps) == steps - 1).tolist(),
        "truncations": [False] * steps,
        "infos": {"propensity": np.append(known, np.nan), "policy": np.full(steps + 1, int(logs.policy[user]))},
    }


def read_minari(dataset: str | MinariDataset) -> Logs:
    """Reads a dataset of discrete actions and of arrays as observations; each episode is a user.

    Args:
        dataset: its id, or a `minari.MinariDataset`. Propensities and policies are those of `write_minari`, if present.

    Returns:
        The logs, padded to the longest episode.

    Raises:
        InputError: for a dataset without episodes, with actions that are not discrete, or observations of several
            parts.
    """
    minari = _extra("minari")
    opened: MinariDataset = minari.load_dataset(dataset) if isinstance(dataset, str) else dataset
    _check_spaces(opened)
    episodes = list(opened.iterate_episodes())
    if not episodes:
        raise checks.InputError("dataset must have at least one episode, got none")
    steps = max(len(episode.rewards) for episode in episodes)

    def padded(name: str, values: list[np.ndarray]) -> Array:
        whole = np.full((len(values), steps, *values[0].shape[1:]), PADDING[name], values[0].dtype)
        for row, each in zip(whole, values, strict=True):
            row[: len(each)] = each
        return jnp.asarray(whole)

    first, infos = int(opened.action_space.start), [episode.infos or {} for episode in episodes]
    seen = [_flat(episode) for episode in episodes]
    known = _known(infos, [len(each) for each in seen])
    parts = {} if known is None else {"propensities": padded("propensities", known)}
    names = opened.storage.metadata.get("algorithm_name") or "policy"
    return Logs(
        valid=padded("valid", [np.ones(len(each), bool) for each in seen]),
        policy=jnp.array([int(np.asarray(info.get("policy", [0]))[0]) for info in infos], jnp.int32),
        policies=tuple(names.split(",")),
        actions=padded("actions", [np.asarray(episode.actions, np.int32) - first for episode in episodes]),
        rewards=padded("rewards", [np.asarray(episode.rewards, np.float32) for episode in episodes]),
        observations=padded("observations", seen),
        **parts,
    )


def _check_spaces(dataset: MinariDataset) -> None:
    spaces = _extra("gymnasium.spaces")
    if not isinstance(dataset.action_space, spaces.Discrete):
        raise checks.InputError(f"dataset must have discrete actions, got {dataset.action_space}")
    if not isinstance(dataset.observation_space, spaces.Box | spaces.Discrete):
        raise checks.InputError(f"dataset must have arrays as observations, got {dataset.observation_space}")


def _flat(episode: Any) -> np.ndarray:
    """int32 or float32[steps, n]: the observations before each step."""
    seen = np.asarray(episode.observations)[: len(episode.rewards)]
    return seen.reshape(len(seen), -1).astype(np.int32 if seen.dtype.kind in "biu" else np.float32)


def _known(infos: list[dict[str, Any]], lengths: list[int]) -> list[np.ndarray] | None:
    """The propensities of each episode, or None where there are none."""
    if not all("propensity" in info for info in infos):
        return None
    given = [np.asarray(info["propensity"], np.float32) for info in infos]
    known = [each[:length] for each, length in zip(given, lengths, strict=True)]
    return None if all(np.isnan(each).all() for each in known) else known
