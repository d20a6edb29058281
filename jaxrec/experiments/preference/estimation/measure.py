"""What estimating preferences measures: losses and accuracies of beliefs, and natural shifts."""

import dataclasses
from dataclasses import dataclass

import jax
import numpy as np
from jax import Array

from jaxrec import random
from jaxrec.envs.learned import LearnedParams, LearnedUsers
from jaxrec.envs.preference import PreferenceShift, dynamics
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.envs.preference.policies import RandomSlate
from jaxrec.estimation import Logs, future_preferences
from jaxrec.estimation.user_model import KINDS
from jaxrec.experiments.preference.estimation.beliefs import (
    Beliefs,
    estimated,
    everywhere,
    first,
    future,
    natural_twins,
    oracle,
)
from jaxrec.experiments.preference.estimation.hidden_markov import believed, fit_kernels
from jaxrec.experiments.preference.estimation.scores import Scores, score_first, score_future, scores
from jaxrec.experiments.preference.estimation.settings import EstimationConfig
from jaxrec.experiments.preference.models import Data, choice_models, learn, log_users, run
from jaxrec.experiments.runs.tools import Tools

CHOICE_MODELS = {"correct": 0.0, "mis-specified": 1.0}
"""The predictors with networks, and how far their choice models are from the correct one."""
BAUM_WELCH = ("baum-welch, one kernel", "baum-welch")
"""The predictors of `fit_kernels`."""


@dataclass(frozen=True)
class Measured:
    """Everything measured.

    Attributes:
        scored: predictor -> one for each seed, task -> `Scores`.
        natural: float[steps, 36], P(u_t^rnd) over the validation users.
        simulated: float[seeds, steps, 36], the same by users simulated by the models.
        doses: float[doses], how far each choice model is from the correct one, in order.
        sharpness: float[doses, 36], beta_c(u) of each choice model.
        dosed: metric -> float[doses, seeds], of future preferences by models with each choice model.
        masked: "oracle", "causal" or "bidirectional" -> metric -> float[seeds], of u_0 from all steps.
    """

    scored: dict[str, list[dict[str, Scores]]]
    natural: np.ndarray
    simulated: np.ndarray
    doses: np.ndarray
    sharpness: np.ndarray
    dosed: dict[str, np.ndarray]
    masked: dict[str, dict[str, np.ndarray]]

    def values(self, predictor: str, task: str, metric: str) -> np.ndarray:
        """One number of a predictor.

        Args:
            predictor: a key of `scored`.
            task: "future", "initial" or "counterfactual".
            metric: a field of `Scores`.

        Returns:
            float[seeds].
        """
        return np.array([float(getattr(seed[task], metric)) for seed in self.scored[predictor]])

    def closed(self, task: str, metric: str, predictor: str = "correct") -> np.ndarray:
        """The part of the gap between guess and oracle that a predictor closes.

        Args:
            task: "future", "initial" or "counterfactual".
            metric: a field of `Scores` that is a loss.
            predictor: a key of `scored`.

        Returns:
            float[seeds].
        """
        guess, best = (self.values(name, task, metric)[0] for name in ("random", "oracle"))
        return (guess - self.values(predictor, task, metric)) / (guess - best)

    @property
    def apart(self) -> np.ndarray:
        """float[seeds, steps]: the total variation between true and estimated natural preferences."""
        return 0.5 * np.abs(self.simulated - self.natural).sum(axis=2)


def measure(config: EstimationConfig, tools: Tools) -> Measured:
    """Logs users, learns models of them, and scores their beliefs by what the users preferred.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Scores of every predictor, and natural shifts.
    """
    key_logs, key_learn, key_twins, key_natural = jax.random.split(random.key(config.seed, config.generator), 4)
    data = log_users(config, key_logs)
    env = LearnedUsers()
    params = choice_models((*CHOICE_MODELS.values(), *config.doses), config.seeds, env.default_params)
    params = learn(config, env, params, key_learn, data.training, data.validation, tools, KINDS[:1])
    dosed = _dosed(config, env, params, data)
    models = jax.tree.map(lambda leaf: leaf[: len(CHOICE_MODELS) * config.seeds], params)
    models = learn(config, env, models, key_learn, data.training, data.validation, tools, KINDS[1:])
    twins = natural_twins(key_twins, data.truth, PreferenceShift().default_params)
    best = oracle(data.validation, twins, PreferenceShift().default_params)
    scored = _without_network(data, twins, best)
    tools.meter.start("holding beliefs against preferences", len(CHOICE_MODELS) * config.seeds)
    for number, name in enumerate(CHOICE_MODELS):
        scored[name] = []
        for seed in range(config.seeds):
            model = run(models, number * config.seeds + seed)
            beliefs = estimated(env, model, data.validation, twins)
            scored[name].append(scores(beliefs, data.validation, data.truth, twins, model))
            tools.meter.advance(name)
    true = np.asarray(jax.nn.one_hot(data.truth.natural[:, : data.validation.num_steps], BINS).mean(axis=0))
    natural = np.stack([natural_shifts(config, run(models, seed), jax.random.fold_in(key_natural, seed))
                        for seed in range(config.seeds)])  # fmt: skip
    wrong = [env.default_params.mis_specified(dose) for dose in config.all_doses]
    sharpness = np.stack([np.asarray(dynamics.choice_sharpness(each)) for each in wrong])
    correct = jax.tree.map(lambda leaf: leaf[: config.seeds], models)
    masked = _masked(config, env, correct, key_learn, data, tools, best)
    return Measured(scored, true, natural, np.array(config.all_doses), sharpness, dosed, masked)


def _masked(
    config: EstimationConfig, env: LearnedUsers, models: LearnedParams, key: Array, data: Data, tools: Tools,
    best: Beliefs,
) -> dict[str, dict[str, np.ndarray]]:  # fmt: skip
    """Learns u_0 from all steps with bidirectional masks too, and scores both and exact inference."""
    both = dataclasses.replace(env, network=env.network.clone(bidirectional=True))
    attentive = learn(config, both, models, key, data.training, data.validation, tools, KINDS[1:2])
    truth = PreferenceShift().default_params
    rows = {"oracle": [score_first(best.later[:, -1], best.initial[:, -1], data.validation, data.truth, truth)]}
    for name, society, learned in (("causal", env, models), ("bidirectional", both, attentive)):
        each = [run(learned, seed) for seed in range(config.seeds)]
        rows[name] = [
            score_first(*first(society, model, data.validation), data.validation, data.truth, model) for model in each
        ]
    return {name: vars(jax.tree.map(lambda *seeds: np.array(seeds), *each)) for name, each in rows.items()}


def _without_network(data: Data, twins: Logs, best: Beliefs) -> dict[str, list[dict[str, Scores]]]:
    """Scores the guess, exact inference with the true dynamics, and with those that Baum-Welch learns."""
    params = PreferenceShift().default_params
    users, logs = dynamics.users_of(params), data.validation
    beliefs = {"random": everywhere(logs), "oracle": best}
    for name, fitted in zip(BAUM_WELCH, fit_kernels(data.training, users), strict=True):
        beliefs[name] = believed(fitted, users, logs, twins)
    knows = {name: None if name == "random" else params for name in beliefs}
    return {name: [scores(each, logs, data.truth, twins, knows[name])] for name, each in beliefs.items()}


def _dosed(config: EstimationConfig, env: LearnedUsers, params: LearnedParams, data: Data) -> dict[str, np.ndarray]:
    """Scores the future preferences of every model; `params` has the rows of `CHOICE_MODELS`, then `config.doses`."""
    rows = []
    for number in range(len(config.all_doses) * config.seeds):
        model = run(params, number)
        rows.append(score_future(future(env, model, data.validation), data.validation, data.truth, model))
    order = np.argsort((*CHOICE_MODELS.values(), *config.doses))
    metrics = vars(jax.tree.map(lambda *each: np.array(each).reshape(-1, config.seeds), *rows))
    return {name: values[order] for name, values in metrics.items()}


def natural_shifts(config: EstimationConfig, params: LearnedParams, key: Array) -> np.ndarray:
    """Simulates new users under uniform slates by a model (Algorithm 1, T = 0).

    Args:
        config: how many users.
        params: of the model.
        key: a typed key.

    Returns:
        float[steps, 36], P(u_t).
    """
    env = LearnedUsers(slate_means=(0.0,), slate_deviations=float("inf"))
    anticipated = future_preferences(env, RandomSlate(env.slates), key, params, None, config.simulated_users)
    return np.asarray(anticipated.preferences[0])
