"""Libraries of offline learning, which read what was played: Minari, and d3rlpy on a dataset of Minari."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

import jaxrec
from benchmarks.clients_of.gymnax import arrays
from benchmarks.clients_of.reasons import refuse_slates
from jaxrec import Environment
from jaxrec.offline.minari_datasets import write_minari

DATASET = "jaxrec/clients-v0"
STEPS = 40
"""Steps that are played where episodes have no common length."""


def minari(env: Environment) -> None:
    """Writes a rollout, reads it and steps the environment that the dataset gives back."""
    with _written(env) as dataset:
        assert dataset.total_steps == sum(len(episode.rewards) for episode in dataset) > 0
        recovered = dataset.recover_environment()
        assert recovered.unwrapped.env == env
        recovered.reset(seed=0)
        obs, *_ = recovered.step(recovered.action_space.sample())
        assert obs in dataset.observation_space


def d3rlpy(env: Environment) -> None:
    """Learns a few steps of conservative Q-learning from a dataset of Minari, and acts."""
    import d3rlpy  # pyright: ignore[reportMissingImports]

    refuse_slates(env, "d3rlpy has actions that are one of n or vectors of real numbers")
    with _written(arrays(env)) as dataset:
        episodes = list(dataset)
    seen = np.concatenate([episode.observations[:-1] for episode in episodes]).astype(np.float32)
    columns = {
        name: np.concatenate([getattr(episode, part) for episode in episodes])
        for name, part in {"actions": "actions", "rewards": "rewards", "terminals": "terminations"}.items()
    }
    columns["timeouts"] = np.concatenate([episode.truncations for episode in episodes])
    log = d3rlpy.dataset.MDPDataset(
        seen, **columns, action_space=d3rlpy.constants.ActionSpace.DISCRETE, action_size=env.num_actions
    )
    learner = d3rlpy.algos.DiscreteCQLConfig(batch_size=8).create(device="cpu")
    quiet = d3rlpy.logging.NoopAdapterFactory()
    learner.fit(log, n_steps=8, n_steps_per_epoch=4, show_progress=False, logger_adapter=quiet)
    chosen = learner.predict(seen[:4])
    assert ((chosen >= 0) & (chosen < env.num_actions)).all()


@contextmanager
def _written(env: Environment) -> Iterator[Any]:
    """Gives the dataset of a rollout of random actions, kept in a folder that goes with the context."""
    import minari  # pyright: ignore[reportMissingImports]

    policy = jaxrec.Random(env.action_space(env.default_params))
    steps = env.fixed_horizon or STEPS
    played = jaxrec.rollout(env, policy, jax.random.key(0), 4, steps, trajectory=("next_obs", "metrics")).trajectory
    before = os.environ.get("MINARI_DATASETS_PATH")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        try:
            write_minari(DATASET, played, env, name="random")
            yield minari.load_dataset(DATASET)
        finally:
            del os.environ["MINARI_DATASETS_PATH"]
            if before is not None:
                os.environ["MINARI_DATASETS_PATH"] = before
