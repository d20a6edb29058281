"""User models of the preference studies: the logs they are learned from, and the training."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import checks, random
from jaxrec.envs.learned import LearnedParams, LearnedUsers
from jaxrec.estimation import Logs, Trajectories, generate, learn_users
from jaxrec.estimation.user_model import KINDS
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched
from jaxrec.runtime import devices

NUM_CHUNKS = 4
"""Of a training, at most: in each the likelihoods of all choices are computed anew."""


@dataclass(frozen=True)
class UserModelSettings:
    """Hyper-parameters of `jaxrec.estimation.LearnUsers`."""

    num_epochs: int = 12
    """Passes over the users."""
    batch_size: int = 125
    """Users in an update."""
    learning_rate: float = 2e-3
    """Of Adam, falling to 0 over the training."""
    ent_coef: float = 0.003
    """Of the entropy of beliefs while they are learned."""

    def check(self, training_users: int) -> None:
        """Raises InputError for a value out of range where so many users are learned from."""
        for name in ("num_epochs", "batch_size"):
            checks.positive(name, getattr(self, name))
        if self.batch_size > training_users:
            raise checks.InputError(
                f"batch_size must be at most training_users={training_users}, got {self.batch_size}"
            )
        updates = training_users // self.batch_size
        checks.positive(f"num_epochs, of {updates} updates each,", self.num_epochs, checks.MOST_STEPS // updates)
        for name in ("learning_rate", "ent_coef"):
            checks.within(name, getattr(self, name), 0.0, checks.LARGEST)


@dataclass(frozen=True)
class ModelConfig:
    """Settings of user models; the base of each study's own."""

    seed: int = 0
    """Seed of all runs."""
    generator: str = "threefry"
    """Of random numbers: threefry, JAX's own; or hash, which compiles sooner and fuses on a GPU (`jaxrec.random`)."""
    seeds: int = 3
    """Independent trainings of each model, all in one vmap."""
    users: int = 10_000
    """Users in the logs, of ten steps each."""
    training_users: int = 7_500
    """So many of them to learn from; the others to validate."""
    model: UserModelSettings = UserModelSettings()
    """How models are learned."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "training_users"):
            checks.positive(name, getattr(self, name))
        checks.positive("users", self.users, checks.MOST_STEPS)
        checks.seed("seed", self.seed)
        checks.lookup(random.GENERATORS, self.generator, "generator")
        if self.training_users >= self.users:
            raise checks.InputError(
                f"training_users must be below users={self.users}, some validate; got {self.training_users}"
            )
        with checks.prefixed("model"):
            self.model.check(self.training_users)


@dataclass
class Data:
    """Logs, and what their users preferred, which no model sees.

    Attributes:
        training, validation: what the models see.
        truth: of the validation users.
    """

    training: Logs
    validation: Logs
    truth: Trajectories


def log_users(config: ModelConfig, key: Array, params: Any = None) -> Data:
    """Logs users as the paper's dataset does.

    Args:
        config: how many users, and how many of them to learn from.
        key: a typed key.
        params: of `PreferenceShift`, its defaults if None.

    Returns:
        The logs, and what the validation users preferred.
    """
    logs, truth = generate(key, params, config.users)
    training, validation = logs.split(config.training_users)
    return Data(training, validation, jax.tree.map(lambda leaf: leaf[config.training_users :], truth))


def choice_models(doses: Sequence[float], seeds: int, params: LearnedParams) -> LearnedParams:
    """Parameters with each of several choice models, for all seeds.

    Args:
        doses: of mis-specification (`LearnedParams.mis_specified`); 0 for the correct choice model.
        seeds: rows of each.
        params: with the correct choice model.

    Returns:
        Leaves [doses * seeds, ...].
    """
    parts = [batched(params.mis_specified(dose), seeds) for dose in doses]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def learn(
    config: ModelConfig, env: LearnedUsers, params: LearnedParams, key: Array, training: Logs, validation: Logs,
    tools: Tools, kinds: Sequence[str] = KINDS,
) -> LearnedParams:  # fmt: skip
    """Learns one model for each row of `params`.

    Args:
        config: the settings of the training.
        env: the model's environment.
        params: with a leading axis of runs.
        key: a typed key.
        training: the logs to learn from; or those of each run, with a leading axis of runs.
        validation: the logs to validate on, with that axis where `training` has it.
        tools: its log takes lines of metrics, its meter is notified of the progress.
        kinds: the networks to learn.

    Returns:
        `params` with learned weights.
    """

    def on_metrics(kind: str, updates: int, metrics: dict[str, np.ndarray]) -> None:
        tools.log(part="model", kind=kind, updates=updates, **metrics)

    keys, num_chunks = jax.random.split(key, jnp.shape(params.influence)[0]), min(NUM_CHUNKS, config.model.num_epochs)
    learned = learn_users(
        env, keys, params, training, validation, num_chunks, tools.meter, on_metrics,
        tools.log.checkpoints("user model"), kinds, **dataclasses.asdict(config.model),
    )  # fmt: skip
    return devices.gathered(learned)


def run(params: Any, number: int) -> Any:
    """One row of `params`."""
    return jax.tree.map(lambda leaf: leaf[number], params)
