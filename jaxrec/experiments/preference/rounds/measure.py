"""What retraining in rounds measures: platforms that log, learn their users off line and redeploy."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import random
from jaxrec.agents import NetworkPolicy
from jaxrec.envs.learned import Deployed, DeployedParams, LearnedParams, LearnedUsers
from jaxrec.envs.preference import PreferenceParams, PreferenceShift
from jaxrec.estimation import LearnUsers, Logs, generate, record
from jaxrec.experiments.preference.models import learn, run
from jaxrec.experiments.preference.recommenders import as_believed, as_lived, play, train_recommenders
from jaxrec.experiments.preference.rounds.settings import RoundsConfig
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched

PENALTIES = (0.0, 1.0)
Counts = Literal["click", "dwell"]
COUNTS: tuple[Counts, ...] = ("click", "dwell")
PAID = {"click": "clicks", "dwell": "dwelling"}


@dataclass(frozen=True)
class Round:
    """All runs of one round.

    Attributes:
        sums: metric -> float[runs, trajectories], over an episode, of the users as they are.
        anticipated: float[runs, steps, 36], P(u_t) as the model expected before the deployment.
        lived: float[runs, steps + 1, 36], P(u_t) after it.
        error: float[runs], loss of the model on the choices logged by what was trained in it.
    """

    sums: dict[str, np.ndarray]
    anticipated: np.ndarray
    lived: np.ndarray
    error: np.ndarray

    def of(self, mine: np.ndarray) -> "Round":
        """Some of the runs."""
        sums = {name: values[mine] for name, values in self.sums.items()}
        return Round(sums, self.anticipated[mine], self.lived[mine], self.error[mine])

    def mean(self, metric: str) -> np.ndarray:
        """float[runs]; "safe" is engagement under initial and natural preferences together."""
        if metric == "safe":
            return self.mean("engagement_initial") + self.mean("engagement_natural")
        if metric == "error":
            return self.error
        if metric == "apart":
            steps = self.anticipated.shape[1]
            return 0.5 * np.abs(self.anticipated - self.lived[:, :steps]).sum(axis=2).mean(axis=1)
        return self.sums[metric].mean(axis=1)


@dataclass(frozen=True)
class Condition:
    """One kind of platform.

    Attributes:
        counts: "click" or "dwell".
        penalty: nu_1 = nu_2.
        rounds: in order.
    """

    counts: str
    penalty: float
    rounds: list[Round]

    @property
    def title(self) -> str:
        """How the report calls it."""
        return title(self.counts, self.penalty)

    def course(self, metric: str) -> np.ndarray:
        """float[rounds, seeds]."""
        return np.stack([one.mean(metric) for one in self.rounds])


@dataclass(frozen=True)
class Measured:
    """All platforms: paid for clicks without penalty and with it, then for dwelling."""

    conditions: list[Condition]

    def of(self, counts: str, penalty: float) -> Condition:
        """One kind of platform."""
        return next(one for one in self.conditions if (one.counts, one.penalty) == (counts, penalty))


def title(counts: str, penalty: float) -> str:
    """Names a kind of platform as the report does."""
    return f"paid for {PAID[counts]}{', penalised' if penalty else ''}"


def measure(config: RoundsConfig, tools: Tools) -> Measured:
    """Recommenders paid for clicks and for dwelling, with penalty and without, each with logs and models of its own.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The rounds of every platform.
    """
    key = random.key(config.seed, config.generator)
    return Measured([one for counts in COUNTS for one in play_rounds(config, counts, key, tools)])


def play_rounds(config: RoundsConfig, counts: Counts, key: Array, tools: Tools) -> list[Condition]:
    """Plays all rounds of both penalties; every platform starts from logs of the paper's mixed policies.

    Args:
        config: the settings.
        counts: what engagement is counted by.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        One for each of `PENALTIES`.
    """
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
        models = learn_each(config, model, models, keys[0], logs, tools)
        task = f"paid for {counts}, round {number + 1}"
        policies, _ = train_recommenders(config, model, config.ppo.gamma, keys[1], models, tools, task)
        params = DeployedParams(worlds.influence, worlds.reward_weights, worlds, models)
        _, anticipated = play(
            model, policies, jax.random.split(keys[2], runs), models, config.eval_episodes, as_believed
        )
        sums, lived = play(deployed, policies, jax.random.split(keys[3], runs), params, config.eval_episodes, as_lived)
        logs = deploy(config, deployed, policies, keys[4], params)
        error = np.array([prediction_error(model, run(models, at), logs[at]) for at in range(runs)])
        played.append(Round(sums, anticipated, lived, error))
        tools.log(
            part="round", counts=counts, round=number + 1, error=error, engagement=sums["engagement"].mean(axis=1)
        )
    return [Condition(counts, nu, [one.of(weights == np.float32(nu)) for one in played]) for nu in PENALTIES]


def learn_each(
    config: RoundsConfig, env: LearnedUsers, models: LearnedParams, key: Array, logs: list[Logs], tools: Tools
) -> LearnedParams:
    """Learns a model for each run, from its own logs alone.

    Args:
        config: the settings.
        env: the model's environment.
        models: the models before, with a leading axis of runs.
        key: a typed key.
        logs: of each run.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The models, with a leading axis of runs.
    """
    learned = []
    for at, own in enumerate(logs):
        training, validation = own.split(config.training_users)
        params = jax.tree.map(lambda leaf, at=at: leaf[at : at + 1], models)
        learned.append(learn(config, env, params, jax.random.fold_in(key, at), training, validation, tools))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *learned)


def deploy(
    config: RoundsConfig, env: Deployed, policies: NetworkPolicy, key: Array, params: DeployedParams
) -> list[Logs]:
    """Deploys each recommender to new users, and logs them; it draws its slates as it learned to, for some variety.

    Args:
        config: how many users each logs.
        env: users as they are, with a model that tells beliefs.
        policies: with a leading axis of runs.
        key: a typed key.
        params: of the environment, with a leading axis of runs.

    Returns:
        The logs of each run.
    """
    exploring = policies.replace(greedy=False)
    runs = range(jnp.shape(params.influence)[0])
    each = ((run(exploring, at), jax.random.fold_in(key, at), run(params, at)) for at in runs)
    return [record(env, policy, key, config.users, own, observations=False)[0] for policy, key, own in each]


@partial(jax.jit, static_argnums=0)
def prediction_error(env: LearnedUsers, params: LearnedParams, logs: Logs) -> Array:
    """The loss of a model on logs that it had not seen.

    Args:
        env: the model's environment.
        params: of the model.
        logs: of new users.

    Returns:
        float[]: minus the mean log-likelihood of their choices.
    """
    learner = LearnUsers(env, "future", logs, logs)
    return learner.loss(params.weights.future, params, logs, jax.random.key(0))
