"""Recommending as a slow game: platforms log, learn their users off line, deploy what that trained, and log again.

Lambert 2020, "Recommendations are a game - a dangerous game (for us)", section "Reinforcement Learning with Humans and
Computers in the Loop": batch reinforcement learning in rounds; "Clickthrough led to clickbait". Users and the method of
each round: Carroll et al. 2022, sections 4 and 5.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.agents import NetworkPolicy
from jaxrec.envs.learned import Deployed, DeployedParams, LearnedParams, LearnedUsers
from jaxrec.envs.preference import PreferenceParams, PreferenceShift
from jaxrec.estimation import LearnUsers, Logs, generate, record
from jaxrec.experiments.preference.models import ModelConfig, learn, run
from jaxrec.experiments.preference.recommenders import (
    RecommenderConfig,
    as_believed,
    as_lived,
    play,
    train_recommenders,
)
from jaxrec.experiments.preference.rounds.report import Condition, Round, write
from jaxrec.experiments.reports.report import Report
from jaxrec.experiments.study import Log, Study
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter

PENALTIES = (0.0, 1.0)
Counts = Literal["click", "dwell"]
COUNTS: tuple[Counts, ...] = ("click", "dwell")


@dataclass(frozen=True)
class RoundsConfig(RecommenderConfig, ModelConfig):
    """Settings of retraining in rounds."""

    rounds: int = 4
    """Times that a model is learned from the logs and a recommender from the model."""
    bait_height: float = 1.5
    """How much more the worst bait attracts choice than it deserves; 0 for a world without clickbait."""
    bait_centre: float = 200.0
    """Where bait lies, degrees."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        super().check()
        self.check_recommenders()
        checks.positive("rounds", self.rounds)
        checks.within("bait_height", self.bait_height, 0.0, checks.LARGEST)
        checks.within("bait_centre", self.bait_centre, 0.0, 360.0)
        self.agent(LearnedUsers(), self.gamma).check()

    def params(self, default: Any) -> Any:
        """`default` with bait."""
        return default.replace(bait_height=self.bait_height, bait_centre=self.bait_centre)


def execute(config: RoundsConfig, log: Log, meter: Meter) -> Report:
    """Recommenders paid for clicks and for dwelling, with penalty and without, each with logs and models of its own."""
    key = jax.random.key(config.seed)
    return write(config, [one for counts in COUNTS for one in play_rounds(config, counts, key, log, meter)])


def play_rounds(config: RoundsConfig, counts: Counts, key: Array, log: Log, meter: Meter) -> list[Condition]:
    """All rounds of both penalties; every platform starts from logs of the paper's mixed policies."""
    model = LearnedUsers(reward="penalised", counts=counts)
    deployed = Deployed(users=PreferenceShift(observe_as="state", counts=counts), model=model)
    runs = len(PENALTIES) * config.seeds
    weights = np.repeat(np.asarray(PENALTIES, np.float32), config.seeds)
    world = config.params(PreferenceParams())
    key_first, key = jax.random.split(key)
    logs = [
        generate(jax.random.fold_in(key_first, number % config.seeds), world, config.users)[0] for number in range(runs)
    ]
    models = batched(config.params(model.default_params), runs).replace(
        safe_weights=np.stack([weights, weights], axis=1)
    )
    worlds = batched(world, runs)
    played: list[Round] = []
    for number in range(config.rounds):
        key, *keys = jax.random.split(key, 6)
        models = learn_each(config, model, models, keys[0], logs, log, meter)
        task = f"paid for {counts}, round {number + 1}"
        policies, _ = train_recommenders(config, model, config.gamma, keys[1], models, log, meter, task)
        params = DeployedParams(worlds.influence, worlds.reward_weights, worlds, models)
        _, anticipated = play(
            model, policies, jax.random.split(keys[2], runs), models, config.eval_episodes, as_believed
        )
        sums, lived = play(deployed, policies, jax.random.split(keys[3], runs), params, config.eval_episodes, as_lived)
        logs = deploy(config, deployed, policies, keys[4], params)
        error = np.array([prediction_error(model, run(models, at), logs[at]) for at in range(runs)])
        played.append(Round(sums, anticipated, lived, error))
        log(part="round", counts=counts, round=number + 1, error=error, engagement=sums["engagement"].mean(axis=1))
    return [Condition(counts, nu, [one.of(weights == np.float32(nu)) for one in played]) for nu in PENALTIES]


def learn_each(
    config: RoundsConfig, env: LearnedUsers, models: LearnedParams, key: Array, logs: list[Logs], log: Log, meter: Meter
) -> LearnedParams:
    """A model for each run, from its own logs alone."""
    learned = []
    for at, own in enumerate(logs):
        training, validation = own.split(config.training_users)
        params = jax.tree.map(lambda leaf, at=at: leaf[at : at + 1], models)
        learned.append(learn(config, env, params, jax.random.fold_in(key, at), training, validation, log, meter))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *learned)


def deploy(
    config: RoundsConfig, env: Deployed, policies: NetworkPolicy, key: Array, params: DeployedParams
) -> list[Logs]:
    """What each recommender logs of new users; it draws its slates as it learned to, so that there is some variety."""
    exploring = policies.replace(greedy=False)
    return [
        record(env, run(exploring, at), jax.random.fold_in(key, at), config.users, run(params, at))[0]
        for at in range(len(params.influence))
    ]


@partial(jax.jit, static_argnums=0)
def prediction_error(env: LearnedUsers, params: LearnedParams, logs: Logs) -> Array:
    """float[]: minus the mean log-likelihood of the choices in new logs, by a model that had not seen them."""
    learner = LearnUsers(env, "future", logs, logs)
    return learner.loss(params.weights.future, params, logs, jax.random.key(0))


QUICK = RoundsConfig(
    seeds=3, users=4_000, training_users=3_000, model_epochs=8, rounds=3, steps=51_200, eval_episodes=500
)
LONG = dataclasses.replace(QUICK, seeds=5, rounds=6, users=10_000, training_users=7_500, steps=128_000)

STUDY = Study(
    "retraining-rounds",
    "Platforms that log, learn their users off line and redeploy, for clicks or dwelling, with bait about (Lambert)",
    {"quick": QUICK, "long": LONG},
    execute,
)
