"""Platforms that log, learn their users off line and redeploy, round after round."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.agents import NetworkPolicy
from jaxrec.envs.learned import Deployed, DeployedParams, LearnedParams, LearnedUsers
from jaxrec.envs.preference import PreferenceParams
from jaxrec.estimation import LearnUsers, Logs, Platform, Population, deploy, generate
from jaxrec.estimation.user_model import KINDS
from jaxrec.experiments.preference.models import learn, run
from jaxrec.experiments.preference.recommenders import as_believed, as_lived, play, train_recommenders
from jaxrec.experiments.preference.rounds.settings import Counts, RoundsConfig, title
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched


@dataclass(frozen=True)
class Round:
    """All runs of one round.

    Attributes:
        sums: metric -> float[runs, trajectories], over an episode, of new users as they are.
        anticipated: float[runs, steps, 36], P(u_t) as the model expected before the deployment.
        lived: float[runs, steps + 1, 36], P(u_t) of new users after it.
        expected: float[runs], the engagement in an episode that the model expects.
        logged: float[runs], that of the users who are logged, of whom some may have stayed.
        error: float[runs], loss of the model on the choices logged by what was trained in it.
    """

    sums: dict[str, np.ndarray]
    anticipated: np.ndarray
    lived: np.ndarray
    expected: np.ndarray
    logged: np.ndarray
    error: np.ndarray

    def of(self, mine: np.ndarray) -> "Round":
        """Some of the runs."""
        sums = {name: values[mine] for name, values in self.sums.items()}
        return Round(
            sums, self.anticipated[mine], self.lived[mine], self.expected[mine], self.logged[mine], self.error[mine]
        )

    def mean(self, metric: str) -> np.ndarray:
        """float[runs]; "safe" is engagement under initial and natural preferences together."""
        if metric == "safe":
            return self.mean("engagement_initial") + self.mean("engagement_natural")
        if metric in ("error", "expected", "logged"):
            return getattr(self, metric)
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


class Kept(NamedTuple):
    """What is left of the second round, to be taken apart: leaves [runs, ...].

    Attributes:
        env: users as they are, with a model that tells beliefs.
        policies: the recommenders.
        params: of the environment, with the models.
    """

    env: Deployed
    policies: NetworkPolicy
    params: DeployedParams

    def of(self, mine: slice) -> "Kept":
        """Some of the runs."""
        policies, params = jax.tree.map(lambda leaf: leaf[mine], (self.policies, self.params))
        return Kept(self.env, policies, params)


def play_rounds(config: RoundsConfig, counts: Counts, key: Array, tools: Tools) -> tuple[list[Condition], Kept | None]:
    """Plays all rounds of all penalties; every platform starts from logs of the paper's mixed policies.

    Args:
        config: the settings.
        counts: what engagement is counted by.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        (a condition for each penalty, the second round if there is one).
    """
    model = config.learned(counts=counts)
    deployed = Deployed(users=config.society(counts=counts), model=model)
    runs = len(config.penalties) * config.seeds
    weights = np.repeat(np.asarray(config.penalties, np.float32), config.seeds)
    world, populations = config.params(PreferenceParams()), [config.population()] * runs
    key_first, key = jax.random.split(key)
    starts = [jax.random.fold_in(key_first, number % config.seeds) for number in range(runs)]
    logs = [generate(start, world, config.users)[0] for start in starts]
    models = batched(config.params(model.default_params), runs).replace(
        safe_weights=np.stack([weights, weights], axis=1)
    )
    worlds, kept = batched(world, runs), None
    played: list[Round] = []
    for number in range(config.rounds):
        key, *keys = jax.random.split(key, 6)
        models = learn_each(config, model, models, keys[0], logs, tools)
        task = f"paid for {counts}, round {number + 1}"
        policies, _ = train_recommenders(config, model, config.ppo.gamma, keys[1], models, tools, task)
        params = DeployedParams(worlds.influence, worlds.reward_weights, worlds, models)
        expected, anticipated = play(
            model, policies, jax.random.split(keys[2], runs), models, config.eval_episodes, as_believed
        )
        sums, lived = play(deployed, policies, jax.random.split(keys[3], runs), params, config.eval_episodes, as_lived)
        served = [
            serve(deployed, run(policies, at), populations[at], jax.random.fold_in(keys[4], at), run(params, at))
            for at in range(runs)
        ]
        populations, logs, logged = map(list, zip(*served, strict=True))
        error = np.array([prediction_error(model, run(models, at), logs[at]) for at in range(runs)])
        wanted = expected["engagement"].mean(axis=1)
        played.append(Round(sums, anticipated, lived, wanted, np.array(logged), error))
        kept = Kept(deployed, policies, params) if number == 1 else kept
        engagement = sums["engagement"].mean(axis=1)
        tools.log(part="round", counts=counts, round=number + 1, error=error, engagement=engagement)
    return [
        Condition(counts, nu, [one.of(weights == np.float32(nu)) for one in played]) for nu in config.penalties
    ], kept


def learn_each(
    config: RoundsConfig, env: LearnedUsers, models: LearnedParams, key: Array, logs: list[Logs], tools: Tools,
    kinds: Sequence[str] = KINDS,
) -> LearnedParams:  # fmt: skip
    """Learns a model for each run, from its own logs alone.

    Args:
        config: the settings.
        env: the model's environment.
        models: the models before, with a leading axis of runs.
        key: a typed key.
        logs: of each run.
        tools: its log takes lines of metrics, its meter is notified of the progress.
        kinds: the networks to learn.

    Returns:
        The models, with a leading axis of runs.
    """
    each = zip(*(own.split(config.training_users) for own in logs), strict=True)
    training, validation = (jax.tree.map(lambda *leaves: jnp.stack(leaves), *own) for own in each)
    return learn(config, env, models, key, training, validation, tools, kinds)


def serve(
    env: Deployed, policy: NetworkPolicy, population: Population, key: Array, params: DeployedParams
) -> tuple[Population, Logs, float]:
    """Deploys one recommender for a session, and logs it; it draws its slates as it learned to, for some variety.

    Args:
        env: users as they are, with a model that tells beliefs.
        policy: the recommender.
        population: its users before.
        key: a typed key.
        params: of the environment.

    Returns:
        (population after, logs, mean engagement in the session).
    """
    population, logs, lives = deploy(
        env, population, Platform(policy.replace(greedy=False), params), key, observations=False, propensities=False
    )
    return population, logs, float(env.horizon * lives.engagement.mean())


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
