"""Recommenders trained in a model of users that was learned from logs, and what they do when they are deployed.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 7.2, Table 2.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxrec import checks
from jaxrec.envs.learned import Deployed, DeployedParams, LearnedParams, LearnedUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.experiments.preference.models import ModelConfig, choice_models, learn, log_users
from jaxrec.experiments.preference.recommenders import (
    RecommenderConfig,
    as_believed,
    as_lived,
    play,
    train_recommenders,
)
from jaxrec.experiments.preference.simulation.report import PENALTIES, Cell, Simulated, write
from jaxrec.experiments.reports.report import Report
from jaxrec.experiments.study import Log, Study
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter

WORLD = PreferenceShift(reward="penalised")
MODEL = LearnedUsers(reward="penalised")
DEPLOYED = Deployed(users=PreferenceShift(observe_as="state"), model=MODEL)


@dataclass(frozen=True)
class SimulationConfig(RecommenderConfig, ModelConfig):
    """Settings of training in simulation."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        super().check()
        self.check_recommenders()
        if self.eval_episodes < 2:
            raise checks.InputError(f"trajectories must be at least 2, got {self.eval_episodes}")
        self.agent(WORLD, self.gamma).check()


def execute(config: SimulationConfig, log: Log, meter: Meter) -> Report:
    """Learns a user model for each seed, trains recommenders in it and among the users, plays each in both."""
    key_logs, key_learn, key_train, key_play = jax.random.split(jax.random.key(config.seed), 4)
    data = log_users(config, key_logs)
    models = choice_models(("correct",), config.seeds, MODEL.default_params)
    models = learn(config, MODEL, models, key_learn, data.training, data.validation, log, meter)
    worlds = batched(WORLD.default_params, config.seeds)
    oracle, _ = train_recommenders(config, WORLD, config.gamma, key_train, penalised(worlds), log, meter, "oracle")
    simulated, _ = train_recommenders(
        config, MODEL, config.gamma, key_train, penalised(models), log, meter, "in simulation"
    )
    meter.start("playing", 4)
    cells = {}
    for trained, policies in (("oracle", oracle), ("simulation", simulated)):
        cells[trained, "oracle"] = play_real(config, trained, policies, key_play, penalised(worlds), penalised(models))
        meter.advance(f"{trained} training, oracle evaluation")
        cells[trained, "estimated"] = play_model(config, policies, key_play, penalised(models))
        meter.advance(f"{trained} training, estimated evaluation")
    return write(config, Simulated(cells))


def penalised(params: Any) -> Any:
    """Rows of `params` without penalty, then with it."""
    without, with_penalty = (
        params.replace(safe_weights=jnp.full_like(jnp.asarray(params.safe_weights), nu)) for nu in PENALTIES
    )
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), without, with_penalty)


def play_real(
    config: SimulationConfig, trained: str, policies: Any, key: Array, worlds: Any, models: LearnedParams
) -> Cell:
    """Among the users as they are: what was trained among them sees exact beliefs, the other those of the model."""
    keys = jax.random.split(key, len(worlds.influence))
    if trained == "oracle":
        return Cell(*play(WORLD, policies, keys, worlds, config.eval_episodes, as_lived))
    params = DeployedParams(worlds.influence, worlds.reward_weights, worlds, models)
    return Cell(*play(DEPLOYED, policies, keys, params, config.eval_episodes, as_lived))


def play_model(config: SimulationConfig, policies: Any, key: Array, models: LearnedParams) -> Cell:
    """Among users simulated by the model: before anything is deployed."""
    keys = jax.random.split(key, len(models.influence))
    return Cell(*play(MODEL, policies, keys, models, config.eval_episodes, as_believed))


QUICK = SimulationConfig(seeds=3, steps=64_000, eval_episodes=500)
PAPER = SimulationConfig(seeds=5)

STUDY = Study(
    "preference-simulation",
    "Recommenders trained in a model learned from logs, held against training among users (Carroll et al., Table 2)",
    {"quick": QUICK, "paper": PAPER},
    execute,
)
