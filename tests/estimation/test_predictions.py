"""Predictions of choices: what each is made from, and what its loss counts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from logged_users import KINDS, MODEL, NETWORK, SLATES, STEPS, TELLING, logs_of, scribbled_logs

from jaxrec.envs.learned import LearnedParams, LearnedUsers, Weights, inference
from jaxrec.envs.preference import dynamics
from jaxrec.estimation import LearnUsers


@pytest.fixture(scope="module")
def rough():
    """Parameters with weights large enough for everything to matter."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(MODEL.init_network, jax.random.key(0))
    draws = [jax.tree.map(lambda leaf: 0.5 * rng.normal(size=leaf.shape).astype(np.float32), shapes) for _ in KINDS]
    return LearnedParams(**TELLING, weights=Weights(*draws))


@partial(jax.jit, static_argnames="kind")
def losses(kind, params, logs, keys):
    """Of each user by itself."""
    learner = LearnUsers(MODEL, kind, logs, logs)
    weights = getattr(params.weights, kind)

    def alone(user, key):
        return learner.loss(weights, params, jax.tree.map(lambda leaf: leaf[None], user), key)

    return jax.vmap(alone)(logs, keys)


def of_every_choice(logs, step, counted):
    """One user 36 times, with each choice there can be at `step`; the loss is that of step `counted` alone."""
    choices = np.tile(np.asarray(logs.choices), (36, 1))
    choices[:, step] = np.arange(36)
    return logs_of(np.tile(logs.slates, (36, 1, 1)), choices, np.tile(np.arange(STEPS) == counted, (36, 1)))


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_a_choice_do_not_know_it(rough, kind):
    """They are probabilities that sum to 1 over all that might have been chosen: a prediction that had read the choice
    off its inputs would be too good for that."""
    logs, predicted = scribbled_logs(1), 0
    for counted in range(STEPS):
        every = of_every_choice(logs, 0 if kind == "initial" else counted, counted)
        for seed in range(6 if kind == "counterfactual" else 1):  # masks differ
            found = np.asarray(losses(kind, rough, every, jnp.stack([jax.random.key(seed)] * 36)), float)
            if not found.any():
                continue  # not predicted under this mask
            assert np.exp(-found).sum() == pytest.approx(1, abs=1e-4)
            assert np.exp(-found).std() > 1e-4
            predicted += 1
    assert predicted >= STEPS


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_after_the_last_step_changes_nothing(rough, kind):
    logs, other = scribbled_logs(36), scribbled_logs(36, seed=1)
    valid = np.arange(STEPS) < np.arange(36)[:, None] % (STEPS + 1)
    after = logs.replace(
        slates=jnp.where(valid[..., None], logs.slates, other.slates),
        choices=jnp.where(valid, logs.choices, other.choices),
    )
    keys = jax.random.split(jax.random.key(0), 36)
    before, later = (losses(kind, rough, each.replace(valid=jnp.asarray(valid)), keys) for each in (logs, after))
    np.testing.assert_array_equal(before, later)
    assert (before[valid.any(axis=1)] > 0).any()
    assert (before[~valid.any(axis=1)] == 0).all()


def test_a_loss_is_the_mean_over_all_predictions(rough):
    """By hand, of users who stay for unequal times."""
    lengths, logs = np.arange(36) % (STEPS + 1), scribbled_logs(36)
    logs = logs.replace(valid=jnp.asarray(np.arange(STEPS) < lengths[:, None]))
    users = dynamics.users_of(rough)
    table = np.asarray(jax.vmap(jax.vmap(dynamics.choices, (0, None)), (0, None))(logs.slates, users), float)
    memories = jax.vmap(inference.remembered, (0, 0, None))(logs.slates, logs.choices, users)
    future = jax.jit(jax.vmap(partial(inference.future, NETWORK, rough.weights.future)))(memories)
    first = jax.jit(jax.vmap(partial(inference.initial_from_later, NETWORK, rough.weights.initial)))(memories)
    believed = {"future": np.exp(np.asarray(future, float))[:, :-1], "initial": np.exp(np.asarray(first, float))[:, 1:]}
    keys = jax.random.split(jax.random.key(0), 36)
    for kind, beliefs in believed.items():
        found, total = losses(kind, rough, logs, keys), 0.0
        for user, length in enumerate(lengths):
            lost = 0.0
            for time in range(length):
                step = time if kind == "future" else 0
                lost -= np.log(beliefs[user, time] @ table[user, step, :, logs.choices[user, step]])
            assert found[user] == pytest.approx(lost / max(length, 1), rel=1e-4)
            total += lost
        expected = total / lengths.sum()
        if kind == "future":
            assert padded_loss(rough, logs) == pytest.approx(expected, rel=1e-4)


def padded_loss(rough, logs):
    """Of all users together, by the same network in a model of longer episodes."""
    longer = LearnedUsers(**SLATES | {"horizon": STEPS + 2}, network=NETWORK)
    weights = rough.weights.future["params"]
    places = weights["Embed_0"]["embedding"]
    more = {"embedding": np.concatenate([places, np.ones((2, places.shape[1]), np.float32)])}
    logs = logs.padded(STEPS + 2)
    learner = LearnUsers(longer, "future", logs, logs)
    return jax.jit(learner.loss)({"params": weights | {"Embed_0": more}}, rough, logs, jax.random.key(0))
