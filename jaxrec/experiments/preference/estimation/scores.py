"""Scores of beliefs by what users preferred and what they chose."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec.envs.preference import dynamics
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.estimation import Logs, Trajectories
from jaxrec.experiments.preference.estimation.beliefs import BATCH, Beliefs


class Scores(struct.PyTreeNode):
    """Over validation users and time-steps: mean negative log-likelihood, and how often the likeliest is right."""

    preference_loss: Any
    preference_accuracy: Any
    choice_loss: Any
    choice_accuracy: Any


def scores(beliefs: Beliefs, logs: Logs, truth: Trajectories, twins: Logs, params: Any) -> dict[str, Scores]:
    """Scores beliefs in each task, in NumPy arrays.

    Args:
        beliefs: about the users of the logs.
        logs: of the users.
        truth: what they prefer.
        twins: of the same users under uniform slates.
        params: with the choice model that predicts choices; None to guess them.

    Returns:
        Task -> scores.
    """
    return jax.tree.map(np.asarray, _scores(beliefs, logs, truth, twins, params))


@jax.jit
def _scores(beliefs: Beliefs, logs: Logs, truth: Trajectories, twins: Logs, params: Any) -> dict[str, Scores]:
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


@jax.jit
def score_future(belief: Array, logs: Logs, truth: Trajectories, params: Any) -> Scores:
    """Scores beliefs in future preferences alone: `scores` of the task "future".

    Args:
        belief: float[users, steps, 36], `Beliefs.future`.
        logs: of the users.
        truth: what they prefer.
        params: with the choice model that predicts choices.

    Returns:
        The scores.
    """
    preferences = truth.preferences[:, : logs.num_steps]
    return _score(dynamics.users_of(params), logs.valid, belief, preferences, belief, logs.slates, logs.choices)


@jax.jit
def score_first(later: Array, every: Array, logs: Logs, truth: Trajectories, params: Any) -> Scores:
    """Scores beliefs in initial preferences after all steps: `scores` of the task "initial" at the last step.

    Args:
        later: float[users, 36], P(u_0 | steps 1 ... T), which predicts the first choice.
        every: float[users, 36], P(u_0 | steps 0 ... T).
        logs: of the users.
        truth: what they prefer.
        params: with the choice model that predicts choices.

    Returns:
        The scores.
    """
    users, of_first = dynamics.users_of(params), slice(1)
    slates, choices = logs.slates[:, of_first], logs.choices[:, of_first]
    return _score(
        users, logs.valid[:, of_first], every[:, None], truth.preferences[:, of_first], later[:, None], slates, choices
    )


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
