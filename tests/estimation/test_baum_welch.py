"""Baum-Welch, held against sums over all paths of preferences."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.estimation import HiddenMarkov, Logs, baum_welch, smoothed

SLATES, BINS, ITEMS, STEPS = 2, 3, 4, 4
RNG = np.random.default_rng(0)
TABLE = RNG.dirichlet(np.ones(ITEMS), (SLATES, BINS)).astype(np.float32)
CHOICE = jnp.asarray(TABLE)
START = HiddenMarkov(
    RNG.dirichlet(np.ones(BINS)).astype(np.float32), RNG.dirichlet(np.ones(BINS), (SLATES, BINS)).astype(np.float32)
)


def logs_of(actions, choices, lengths):
    actions, choices = (np.asarray(each, np.int32) for each in (actions, choices))
    valid = np.arange(actions.shape[1]) < np.asarray(lengths)[:, None]
    return Logs(valid, np.zeros(len(actions), np.int32), ("a",), choices=choices, actions=actions)


def few(seed=1, users=5):
    rng = np.random.default_rng(seed)
    lengths = [STEPS, STEPS, 2, 1, 3][:users]
    return logs_of(rng.integers(SLATES, size=(users, STEPS)), rng.integers(ITEMS, size=(users, STEPS)), lengths)


def by_paths(logs, model):
    """(log-likelihoods, posteriors of every step, expected first preferences, expected transitions), by enumeration."""
    likelihoods, posteriors, first, moves = [], [], np.zeros(BINS), np.zeros((SLATES, BINS, BINS))
    for user in range(logs.num_users):
        steps = int(logs.valid[user].sum())
        actions, choices = logs.actions[user], logs.choices[user]
        weights, paths = [], list(itertools.product(range(BINS), repeat=steps))
        for path in paths:
            weight = float(model.prior[path[0]])
            for t, u in enumerate(path):
                weight *= TABLE[actions[t], u, choices[t]]
                if t + 1 < steps:
                    weight *= model.shift[actions[t], u, path[t + 1]]
            weights.append(weight)
        total = sum(weights)
        likelihoods.append(np.log(total))
        posterior = np.zeros((steps, BINS))
        for path, weight in zip(paths, weights, strict=True):
            first[path[0]] += weight / total
            for t, u in enumerate(path):
                posterior[t, u] += weight / total
                if t + 1 < steps:
                    moves[actions[t], u, path[t + 1]] += weight / total
        posteriors.append(posterior)
    return np.array(likelihoods), posteriors, first / logs.num_users, moves


def test_beliefs_and_one_iteration_are_those_of_all_paths():
    logs = few()
    likelihoods, posteriors, first, moves = by_paths(logs, START)
    found = np.asarray(smoothed(START, logs, CHOICE))
    for user, posterior in enumerate(posteriors):
        np.testing.assert_allclose(found[user, : len(posterior)], posterior, rtol=1e-4, atol=1e-6)
    model, trace = baum_welch(logs, CHOICE, 1, START)
    np.testing.assert_allclose(trace, [likelihoods.mean()], rtol=1e-5)
    np.testing.assert_allclose(model.prior, first, rtol=1e-4, atol=1e-6)
    rows = moves.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(model.shift, moves / rows, rtol=1e-4, atol=1e-6)


def test_the_likelihood_never_falls_and_unseen_slates_keep_their_kernel():
    logs = few()
    logs = logs.replace(actions=np.zeros_like(logs.actions))
    model, trace = baum_welch(logs, CHOICE, 30)
    assert (np.diff(trace) > -1e-5).all()
    assert trace[-1] > trace[0] + 0.1
    np.testing.assert_allclose(model.shift[1], 0.9 * np.eye(BINS) + 0.1 / BINS, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(model.shift).sum(axis=-1), 1, rtol=1e-5)


def test_a_strong_prior_keeps_the_kernels_that_were_given():
    model, _ = baum_welch(few(), CHOICE, 30, START, strength=1e6)
    np.testing.assert_allclose(model.shift, START.shift, atol=1e-4)


@pytest.mark.slow
def test_known_kernels_are_recovered_from_many_users():
    """Of choices that tell much; a uniform start is a saddle, so the search begins where preferences mostly stay."""
    rng, users = np.random.default_rng(3), 40_000
    choice = np.full((SLATES, BINS, BINS), 0.05) + 0.85 * np.eye(BINS)
    truth = rng.dirichlet(np.ones(BINS), (SLATES, BINS))
    actions = rng.integers(SLATES, size=(users, 6))
    now, choices = rng.choice(BINS, users, p=[0.5, 0.3, 0.2]), []

    def drawn(rows):
        return (rows.cumsum(axis=1) < rng.random((users, 1))).sum(axis=1).clip(max=BINS - 1)

    for t in range(6):
        choices.append(drawn(choice[actions[:, t], now]))
        now = drawn(truth[actions[:, t], now])
    logs = logs_of(actions, np.stack(choices, axis=1), [6] * users)
    model, trace = baum_welch(logs, jnp.asarray(choice, jnp.float32), 200)
    np.testing.assert_allclose(model.prior, [0.5, 0.3, 0.2], atol=0.02)
    np.testing.assert_allclose(model.shift, truth, atol=0.03)
    assert (np.diff(trace) > -1e-4).all()


def test_bad_input_is_refused(untyped):
    logs = few()
    for call, message in (
        (lambda: baum_welch(logs.replace(actions=None), CHOICE), "actions"),
        (lambda: baum_welch(logs, CHOICE, 0), "iterations must be an integer of at least 1"),
        (lambda: baum_welch(logs, CHOICE, strength=-1.0), "strength must be within"),
        (lambda: baum_welch(logs, CHOICE[:1]), r"actions of the logs must be within 0 \.\.\. 0"),
        (lambda: baum_welch(logs, CHOICE[..., :2]), r"choices of the logs must be within 0 \.\.\. 1"),
        (lambda: baum_welch(logs, CHOICE, 1, START.replace(prior=jnp.ones(2))), "start.prior must"),
        (lambda: baum_welch(logs, CHOICE.at[:, :, int(logs.choices[0, 1])].set(0)), "of user 0 at step"),
        (lambda: smoothed(START, logs.replace(choices=None), CHOICE), "choices"),
    ):
        with pytest.raises(jaxrec.InputError, match=message):
            call()


def test_who_is_impossible_by_the_start_is_told_by_the_likelihood_and_spoils_nothing():
    """Everybody begins in bin 0, where item 0 is never chosen."""
    table = np.array(TABLE)
    table[:, 0, 0] = 0
    logs = logs_of([[0, 0], [0, 0]], [[0, 1], [1, 1]], [2, 2])
    start = START.replace(prior=jnp.array([1.0, 0.0, 0.0]))
    model, trace = baum_welch(logs, jnp.asarray(table), 2, start)
    assert trace[0] == -np.inf
    np.testing.assert_allclose(model.prior, [1, 0, 0])
    assert np.isfinite(np.asarray(model.shift)).all()
