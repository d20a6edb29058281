"""What estimating preferences measures: losses and accuracies of beliefs, and natural shifts."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec.envs.learned import LearnedParams, LearnedUsers, inference
from jaxrec.envs.preference import PreferenceShift, dynamics
from jaxrec.envs.preference import inference as exact
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.envs.preference.policies import RandomSlate
from jaxrec.estimation import Logs, Trajectories, future_preferences
from jaxrec.experiments.preference.estimation.settings import EstimationConfig
from jaxrec.experiments.preference.models import choice_models, learn, log_users, run
from jaxrec.experiments.runs.metrics_log import Log
from jaxrec.runtime.progress import Meter

CHOICE_MODELS = ("correct", "mis-specified")
BATCH = 250  # users whose beliefs are computed at a time


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
        """float[seeds]."""
        return np.array([float(getattr(seed[task], metric)) for seed in self.scored[predictor]])

    def closed(self, task: str, metric: str, predictor: str = "correct") -> np.ndarray:
        """float[seeds]: the part of the gap between guess and oracle that is closed."""
        guess, best = (self.values(name, task, metric)[0] for name in ("random", "oracle"))
        return (guess - self.values(predictor, task, metric)) / (guess - best)

    @property
    def apart(self) -> np.ndarray:
        """float[seeds, steps]: the total variation between true and estimated natural preferences."""
        return 0.5 * np.abs(self.simulated - self.natural).sum(axis=2)


class Beliefs(NamedTuple):
    """What is believed about each user at each time-step: float[users, steps, 36] each.

    Attributes:
        future: P(u_t | steps before t).
        later: P(u_0 | steps 1 ... t).
        initial: P(u_0 | steps 0 ... t).
        counterfactual: P(u_t^rnd | the steps of the logs; steps before t under uniform slates).
    """

    future: Array
    later: Array
    initial: Array
    counterfactual: Array


def measure(config: EstimationConfig, log: Log, meter: Meter) -> Measured:
    """Logs users, learns models of them, and scores their beliefs by what the users preferred."""
    key_logs, key_learn, key_twins, key_natural = jax.random.split(jax.random.key(config.seed), 4)
    data = log_users(config, key_logs)
    env = LearnedUsers()
    params = choice_models(CHOICE_MODELS, config.seeds, env.default_params)
    params = learn(config, env, params, key_learn, data.training, data.validation, log, meter)
    world = PreferenceShift(observe_as="state")
    truth_params = world.default_params
    twins = natural_twins(key_twins, data.truth, truth_params)
    steps = data.validation.num_steps
    scored = {"random": [scores(everywhere(data.validation), data.validation, data.truth, twins, None)]}
    scored["oracle"] = [
        scores(oracle(data.validation, twins, truth_params), data.validation, data.truth, twins, truth_params)
    ]
    meter.start("holding beliefs against preferences", 2 * config.seeds)
    for number, name in enumerate(CHOICE_MODELS):
        scored[name] = []
        for seed in range(config.seeds):
            model = run(params, number * config.seeds + seed)
            beliefs = estimated(env, model, data.validation, twins)
            scored[name].append(scores(beliefs, data.validation, data.truth, twins, model))
            meter.advance(name)
    true = np.asarray(jax.nn.one_hot(data.truth.natural[:, :steps], BINS).mean(axis=0))
    natural = np.stack([natural_shifts(config, run(params, seed), jax.random.fold_in(key_natural, seed))
                        for seed in range(config.seeds)])  # fmt: skip
    return Measured(scored, true, natural)


def natural_twins(key: Array, truth: Trajectories, params: Any) -> Logs:
    """The same users under uniform slates: what they would have chosen there."""
    preferences = truth.natural[:, :-1]
    uniform = jnp.full(BINS, 1 / BINS)
    table = dynamics.choices(uniform, dynamics.users_of(params))
    choices = jax.random.categorical(key, jnp.log(table[preferences])).astype(jnp.int32)
    return Logs(
        slates=jnp.full((*choices.shape, BINS), 1 / BINS),
        choices=choices,
        valid=jnp.ones(choices.shape, bool),
        policy=jnp.zeros(len(choices), jnp.int32),
        policies=("uniform",),
    )


@partial(jax.jit, static_argnums=0)
def estimated(env: LearnedUsers, params: LearnedParams, logs: Logs, twins: Logs) -> Beliefs:
    """By a learned model."""
    network, weights, users = env.network, params.weights, dynamics.users_of(params)

    def of_user(each: tuple[Logs, Logs]) -> Beliefs:
        seen, twin = (inference.remembered(one.slates, one.choices, users) for one in each)
        initial = inference.initial(network, weights.initial, seen)[1:]
        return Beliefs(
            inference.future(network, weights.future, seen)[:-1],
            inference.initial_from_later(network, weights.initial, seen)[1:],
            initial,
            inference.counterfactual(network, weights.counterfactual, twin, jnp.exp(initial[-1]))[:-1],
        )

    return jax.tree.map(jnp.exp, jax.lax.map(of_user, (logs, twins), batch_size=BATCH))


@jax.jit
def oracle(logs: Logs, twins: Logs, params: Any) -> Beliefs:
    """By exact inference with the true dynamics: the best that can be believed."""
    users = dynamics.users_of(params)

    def seen(slate: Array) -> Array:
        """What shifts preferences: the slate as far as `influence` says."""
        return params.influence * slate + (1 - params.influence) / BINS

    def passed(joint: Array, step: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        """P(u_0, u_t) before and after the choice at t, then P(u_0, u_t+1)."""
        slate, choice = step
        after = joint * dynamics.choices(slate, users)[:, choice]
        after = after / after.sum()
        return after @ dynamics.shifts(seen(slate), users, params), (joint, after)

    def of_user(each: tuple[Logs, Logs]) -> Beliefs:
        (slates, choices), (under_uniform, chosen) = ((one.slates, one.choices) for one in each)
        _, (before, after) = jax.lax.scan(passed, exact.prior(params), (slates, choices))
        unseen = exact.prior(params) @ dynamics.shifts(seen(slates[0]), users, params)
        _, (_, later) = jax.lax.scan(passed, unseen, (slates[1:], choices[1:]))
        initial = after.sum(axis=2)
        twin = jnp.diag(initial[-1])
        _, (counterfactual, _) = jax.lax.scan(passed, twin, (under_uniform, chosen))
        first = exact.smoothed(exact.prior(params))
        return Beliefs(
            before.sum(axis=1),
            jnp.concatenate([first[None], later.sum(axis=2)]),
            initial,
            counterfactual.sum(axis=1),
        )

    return jax.lax.map(of_user, (logs, twins), batch_size=BATCH)


def everywhere(logs: Logs) -> Beliefs:
    """By somebody who guesses."""
    return Beliefs(*[jnp.full((*logs.choices.shape, BINS), 1 / BINS)] * 4)


def scores(beliefs: Beliefs, logs: Logs, truth: Trajectories, twins: Logs, params: Any) -> dict[str, Scores]:
    """Scores beliefs of each task, as NumPy arrays; see `score`."""
    return jax.tree.map(np.asarray, score(beliefs, logs, truth, twins, params))


@jax.jit
def score(beliefs: Beliefs, logs: Logs, truth: Trajectories, twins: Logs, params: Any) -> dict[str, Scores]:
    """By task; choices are predicted through the choice model of `params`, and guessed without one."""
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
    """float[steps, 36]: P(u_t) under uniform slates, over new users simulated by the model (Algorithm 1, T = 0)."""
    env = LearnedUsers(slate_means=(0.0,), slate_deviations=float("inf"))
    anticipated = future_preferences(env, RandomSlate(env.slates), key, params, None, config.simulated_users)
    return np.asarray(anticipated.preferences[0])
