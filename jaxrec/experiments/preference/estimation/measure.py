"""What estimating preferences measures: losses and accuracies of beliefs, and natural shifts."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec import random
from jaxrec.envs.learned import LearnedParams, LearnedUsers
from jaxrec.envs.preference import PreferenceShift, dynamics
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.envs.preference.policies import RandomSlate
from jaxrec.estimation import Logs, Trajectories, future_preferences
from jaxrec.experiments.preference.estimation.beliefs import (
    BATCH,
    Beliefs,
    estimated,
    everywhere,
    natural_twins,
    oracle,
)
from jaxrec.experiments.preference.estimation.settings import EstimationConfig
from jaxrec.experiments.preference.models import choice_models, learn, log_users, run
from jaxrec.experiments.runs.tools import Tools

CHOICE_MODELS = ("correct", "mis-specified")


class Scores(struct.PyTreeNode):
    """Over validation users and time-steps: mean negative log-likelihood, and how often the likeliest is right."""

    preference_loss: Any
    preference_accuracy: Any
    choice_loss: Any
    choice_accuracy: Any


@dataclass(frozen=True)
class Measured:
    """Everything measured.

    Attributes:
        scored: predictor -> one for each seed, task -> `Scores`.
        natural: float[steps, 36], P(u_t^rnd) over the validation users.
        simulated: float[seeds, steps, 36], the same by users simulated by the models.
    """

    scored: dict[str, list[dict[str, Scores]]]
    natural: np.ndarray
    simulated: np.ndarray

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
    params = choice_models(CHOICE_MODELS, config.seeds, env.default_params)
    params = learn(config, env, params, key_learn, data.training, data.validation, tools)
    world = PreferenceShift(observe_as="state")
    truth_params = world.default_params
    twins = natural_twins(key_twins, data.truth, truth_params)
    steps = data.validation.num_steps
    scored = {"random": [scores(everywhere(data.validation), data.validation, data.truth, twins, None)]}
    scored["oracle"] = [
        scores(oracle(data.validation, twins, truth_params), data.validation, data.truth, twins, truth_params)
    ]
    tools.meter.start("holding beliefs against preferences", 2 * config.seeds)
    for number, name in enumerate(CHOICE_MODELS):
        scored[name] = []
        for seed in range(config.seeds):
            model = run(params, number * config.seeds + seed)
            beliefs = estimated(env, model, data.validation, twins)
            scored[name].append(scores(beliefs, data.validation, data.truth, twins, model))
            tools.meter.advance(name)
    true = np.asarray(jax.nn.one_hot(data.truth.natural[:, :steps], BINS).mean(axis=0))
    natural = np.stack([natural_shifts(config, run(params, seed), jax.random.fold_in(key_natural, seed))
                        for seed in range(config.seeds)])  # fmt: skip
    return Measured(scored, true, natural)


def scores(beliefs: Beliefs, logs: Logs, truth: Trajectories, twins: Logs, params: Any) -> dict[str, Scores]:
    """Scores beliefs in each task, in NumPy arrays.

    Args:
        beliefs: about the users of the logs.
        logs: of the users.
        truth: what they prefer.
        twins: of the same users under uniform slates.
        params: of the model.

    Returns:
        task -> scores.
    """
    return jax.tree.map(np.asarray, score(beliefs, logs, truth, twins, params))


@jax.jit
def score(beliefs: Beliefs, logs: Logs, truth: Trajectories, twins: Logs, params: Any) -> dict[str, Scores]:
    """Scores beliefs in each task.

    Args:
        beliefs: about the users of the logs.
        logs: of the users.
        truth: what they prefer.
        twins: of the same users under uniform slates.
        params: with the choice model that predicts choices; None to guess them.

    Returns:
        Task -> scores.
    """
    users = None if params is None else dynamics.users_of(params)
    steps = logs.num_steps
    first = jnp.broadcast_to(truth.preferences[:, :1], logs.choices.shape)
    slates = jnp.broadcast_to(logs.slates[:, :1], logs.slates.shape)
    choices = jnp.broadcast_to(logs.choices[:, :1], logs.choices.shape)
    tasks = {
        "future": (beliefs.future, truth.preferences[:, :steps], beliefs.future, logs.slates, logs.choices),
        "initial": (beliefs.initial, first, beliefs.later, slates, choices),
        "counterfactual": (
            beliefs.counterfactual, truth.natural[:, :steps], beliefs.counterfactual, twins.slates, twins.choices,
        ),
    }  # fmt: skip
    return {name: _score(users, logs.valid, *task) for name, task in tasks.items()}


def _score(
    users: Any, valid: Array, belief: Array, preference: Array, predicting: Array, slates: Array, choices: Array
) -> Scores:
    """Means over users and their valid time-steps.

    Of several likeliest bins each counts as predicted as often as the others: a uniform belief is right 1 / 36 of the
    time, whichever bin comes first.
    """

    def mean(values: Array) -> Array:
        return jnp.where(valid, values, 0).sum() / valid.sum()

    def of_user(each: tuple[Array, Array]) -> Array:
        if users is None:
            return jnp.full(each[0].shape, 1 / BINS)
        return jax.vmap(lambda belief, slate: belief @ dynamics.choices(slate, users))(*each)

    chosen = jax.lax.map(of_user, (predicting, slates), batch_size=BATCH)
    losses = []
    for predicted, happened in ((belief, preference), (chosen, choices)):
        likelihood = jnp.take_along_axis(predicted, happened[..., None], axis=-1)[..., 0]
        losses.append(mean(-jnp.log(jnp.maximum(likelihood, 1e-12))))
        likeliest = predicted == predicted.max(axis=-1, keepdims=True)
        hit = jnp.take_along_axis(likeliest, happened[..., None], axis=-1)[..., 0]
        losses.append(mean(hit / likeliest.sum(axis=-1)))
    return Scores(*losses)


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
