"""What training in simulation measures: what each recommender does among users, and in the model of them."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import random
from jaxrec.envs.learned import DeployedParams, LearnedParams
from jaxrec.experiments.preference.models import choice_models, learn, log_users
from jaxrec.experiments.preference.recommenders import as_believed, as_lived, play, train_recommenders
from jaxrec.experiments.preference.reference import METRICS
from jaxrec.experiments.preference.simulation.settings import DEPLOYED, MODEL, WORLD, SimulationConfig
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched

PENALTIES = (0.0, 1.0)


@dataclass(frozen=True)
class Cell:
    """All seeds of the recommenders of one training in one evaluation, without penalty, then with it.

    Attributes:
        sums: metric -> float[2 seeds, trajectories], over an episode.
        users: float[2 seeds, times, 36], P(u_t).
    """

    sums: dict[str, np.ndarray]
    users: np.ndarray

    def means(self, penalty: int, metric: str, prefix: str = "") -> np.ndarray:
        """Means over trajectories of a sum.

        Args:
            penalty: a place in `PENALTIES`.
            metric: one of `METRICS`, or "sum" for the sum of all three.
            prefix: "estimated_" for the beliefs of the model.

        Returns:
            float[seeds].
        """
        names = METRICS if metric == "sum" else (metric,)
        every = np.sum([self.sums[prefix + name].mean(axis=1) for name in names], axis=0)
        return every.reshape(2, -1)[penalty]

    def shares(self, penalty: int) -> np.ndarray:
        """float[seeds, times, 36]: P(u_t) of row `penalty` of `PENALTIES`."""
        return self.users.reshape(2, -1, *self.users.shape[1:])[penalty]


@dataclass(frozen=True)
class Measured:
    """Cells by (training, evaluation)."""

    cells: dict[tuple[str, str], Cell]


def measure(config: SimulationConfig, tools: Tools) -> Measured:
    """Learns a user model for each seed, trains recommenders in it and among the users, plays each in both.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Every training in every evaluation.
    """
    key_logs, key_learn, key_train, key_play = jax.random.split(random.key(config.seed, config.generator), 4)
    data = log_users(config, key_logs)
    models = choice_models((0.0,), config.seeds, MODEL.default_params)
    models = learn(config, MODEL, models, key_learn, data.training, data.validation, tools)
    worlds = batched(WORLD.default_params, config.seeds)
    oracle, _ = train_recommenders(config, WORLD, config.ppo.gamma, key_train, penalised(worlds), tools, "oracle")
    simulated, _ = train_recommenders(
        config, MODEL, config.ppo.gamma, key_train, penalised(models), tools, "in simulation"
    )
    tools.meter.start("playing", 4)
    cells = {}
    for trained, policies in (("oracle", oracle), ("simulation", simulated)):
        cells[trained, "oracle"] = play_real(config, trained, policies, key_play, penalised(worlds), penalised(models))
        tools.meter.advance(f"{trained} training, oracle evaluation")
        cells[trained, "estimated"] = play_model(config, policies, key_play, penalised(models))
        tools.meter.advance(f"{trained} training, estimated evaluation")
    return Measured(cells)


def penalised(params: Any) -> Any:
    """Rows of `params` without penalty, then with it."""
    without, with_penalty = (
        params.replace(safe_weights=jnp.full_like(jnp.asarray(params.safe_weights), nu)) for nu in PENALTIES
    )
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), without, with_penalty)


def play_real(
    config: SimulationConfig, trained: str, policies: Any, key: Array, worlds: Any, models: LearnedParams
) -> Cell:
    """Plays recommenders among the users as they are.

    Args:
        config: how many episodes.
        trained: "oracle" for recommenders trained among users, who see exact beliefs; "simulation" for those trained
            in the model, who see its beliefs.
        policies: with a leading axis of runs.
        key: a typed key.
        worlds: parameters of the users, with a leading axis of runs.
        models: parameters of the models, likewise.

    Returns:
        What they do.
    """
    keys = jax.random.split(key, jnp.shape(worlds.influence)[0])
    if trained == "oracle":
        return Cell(*play(WORLD, policies, keys, worlds, config.eval_episodes, as_lived))
    params = DeployedParams(worlds.influence, worlds.reward_weights, worlds, models)
    return Cell(*play(DEPLOYED, policies, keys, params, config.eval_episodes, as_lived))


def play_model(config: SimulationConfig, policies: Any, key: Array, models: LearnedParams) -> Cell:
    """Plays recommenders among users simulated by the model: before anything is deployed.

    Args:
        config: how many episodes.
        policies: with a leading axis of runs.
        key: a typed key.
        models: parameters of the models, with a leading axis of runs.

    Returns:
        What they do.
    """
    keys = jax.random.split(key, jnp.shape(models.influence)[0])
    return Cell(*play(MODEL, policies, keys, models, config.eval_episodes, as_believed))
