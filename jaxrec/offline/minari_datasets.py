"""Logs as datasets of Minari, which libraries of offline learning read; needs `pip install jaxrec[minari]`."""

from typing import Any

import numpy as np

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
    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    logs.require("actions", "rewards", "observations", reader="a Minari dataset")
    checks.within("logs.actions", logs.actions, 0, num_actions - 1)
    if any("," in name for name in logs.policies):
        raise checks.InputError(f"policies must have names without commas for a Minari dataset, got {logs.policies}")
    valid, observations = np.asarray(logs.valid), np.asarray(logs.observations)
    known = np.full(valid.shape, np.nan) if logs.propensities is None else np.asarray(logs.propensities)
    buffers = []
    for user in range(logs.num_users):
        steps = int(valid[user].sum())
        ends = (np.arange(steps) == steps - 1).tolist()
        buffers.append(
            EpisodeBuffer(
                id=user,
                observations=[*observations[user, :steps], observations[user, steps - 1]],
                actions=np.asarray(logs.actions)[user, :steps].tolist(),
                rewards=np.asarray(logs.rewards)[user, :steps].tolist(),
                terminations=ends,
                truncations=[False] * steps,
                infos={
                    "propensity": np.append(known[user, :steps], np.nan),
                    "policy": np.full(steps + 1, int(logs.policy[user])),
                },
            )
        )
    kind = observations.dtype
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind == "i" else (-np.inf, np.inf)
    return minari.create_dataset_from_buffers(
        dataset_id,
        buffers,
        action_space=gymnasium.spaces.Discrete(num_actions),
        observation_space=gymnasium.spaces.Box(low, high, observations.shape[2:], kind),
        algorithm_name=",".join(logs.policies),
    )


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
    import gymnasium
    import minari

    dataset = minari.load_dataset(dataset) if isinstance(dataset, str) else dataset
    if not isinstance(dataset.action_space, gymnasium.spaces.Discrete):
        raise checks.InputError(f"dataset must have discrete actions, got {dataset.action_space}")
    if not isinstance(dataset.observation_space, gymnasium.spaces.Box | gymnasium.spaces.Discrete):
        raise checks.InputError(f"dataset must have arrays as observations, got {dataset.observation_space}")
    episodes = list(dataset.iterate_episodes())
    if not episodes:
        raise checks.InputError("dataset must have at least one episode, got none")
    steps = max(len(episode.rewards) for episode in episodes)
    infos = [episode.infos or {} for episode in episodes]

    def padded(name: str, values: list[np.ndarray]) -> np.ndarray:
        whole = np.full((len(values), steps, *values[0].shape[1:]), PADDING[name], values[0].dtype)
        for row, each in zip(whole, values, strict=True):
            row[: len(each)] = each
        return whole

    first = int(dataset.action_space.start)
    seen = [np.asarray(episode.observations)[: len(episode.rewards)] for episode in episodes]
    whole = seen[0].dtype.kind in "biu"
    flat = [each.reshape(len(each), -1).astype(np.int32 if whole else np.float32) for each in seen]
    propensities = None
    if all("propensity" in info for info in infos):
        known = [
            np.asarray(info["propensity"], np.float32)[: len(each)] for info, each in zip(infos, flat, strict=True)
        ]
        propensities = None if all(np.isnan(each).all() for each in known) else padded("propensities", known)
    names = dataset.storage.metadata.get("algorithm_name") or "policy"
    return Logs(
        valid=padded("valid", [np.ones(len(each), bool) for each in flat]),
        policy=np.array([int(np.asarray(info.get("policy", [0]))[0]) for info in infos], np.int32),
        policies=tuple(names.split(",")),
        actions=padded("actions", [np.asarray(episode.actions, np.int32) - first for episode in episodes]),
        propensities=propensities,
        rewards=padded("rewards", [np.asarray(episode.rewards, np.float32) for episode in episodes]),
        observations=padded("observations", flat),
    )
