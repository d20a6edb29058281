"""The parts of the study of estimated preferences, held against sums over all paths and plain counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.envs.preference import PreferenceParams, PreferenceShift, dynamics
from jaxrec.estimation import HiddenMarkov, Logs, generate
from jaxrec.estimation.dataset import logging_env
from jaxrec.experiments.preference.estimation import claims, hidden_markov, measure
from jaxrec.experiments.preference.estimation.settings import EstimationConfig

BINS = dynamics.BINS
USERS = dynamics.users_of(PreferenceParams())
SLATES = np.asarray(logging_env(PreferenceShift()).slates)


def logs_of(shown, choices):
    """Logs of one user who saw the numbered slates of the dataset."""
    slates, choices = jnp.asarray(SLATES[np.asarray(shown)])[None], jnp.asarray([choices], jnp.int32)
    return Logs(jnp.ones(choices.shape, bool), jnp.zeros(1, jnp.int32), ("a",), slates=slates, choices=choices)


def likelihood(slate, item):
    """float[36]: P(item | slate, u), by the logit of the paper in plain NumPy."""
    degrees = np.radians(10.0 * np.arange(BINS))
    sharpness = np.asarray(dynamics.choice_sharpness(PreferenceParams()), float)
    weights = slate * np.exp(sharpness[:, None] * np.cos(degrees - degrees[:, None]))
    return weights[:, item] / weights.sum(axis=1)


def test_the_sector_of_a_slate_is_that_of_its_mean():
    found = np.asarray(jax.vmap(hidden_markov.sector)(jnp.asarray(SLATES)))
    degrees = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110] + [10 * number for number in range(12, 36)]
    expected = [0 if angle in (350, 0, 10) else (angle + 10) // 30 for angle in degrees]
    np.testing.assert_array_equal(found, [*expected, *expected, 12])


def test_beliefs_are_those_of_all_paths():
    """Three steps, one kernel for each sector: 36 ** 3 paths, summed in NumPy."""
    rng = np.random.default_rng(0)
    prior = rng.dirichlet(np.ones(BINS))
    kernels = rng.dirichlet(np.ones(BINS), (13, BINS))
    shown, items, later_items = [3, 40, 72], [4, 9, 30], [2, 7, 33]
    logs, twins = logs_of(shown, items), logs_of([72] * 3, later_items)
    model = HiddenMarkov(jnp.asarray(prior, jnp.float32), jnp.asarray(kernels, jnp.float32))
    found = hidden_markov.believed(model, USERS, logs, twins)
    seen = [likelihood(SLATES[slate], item) for slate, item in zip(shown, items, strict=True)]
    first, second = kernels[1], kernels[1]  # slates around 30 and 40 degrees
    paths = prior[:, None, None] * first[:, :, None] * second[None]
    known = [np.ones((BINS,) * 3)]
    for step in range(3):
        shape = [BINS if axis == step else 1 for axis in range(3)]
        known.append(known[-1] * seen[step].reshape(shape))

    def margin(weights, axis):
        weights = weights.sum(axis=tuple(other for other in range(3) if other != axis))
        return weights / weights.sum()

    for step in range(3):
        without_first = known[step + 1] / seen[0][:, None, None]
        np.testing.assert_allclose(found.future[0, step], margin(paths * known[step], step), rtol=2e-4, atol=1e-7)
        np.testing.assert_allclose(found.initial[0, step], margin(paths * known[step + 1], 0), rtol=2e-4, atol=1e-7)
        np.testing.assert_allclose(found.later[0, step], margin(paths * without_first, 0), rtol=2e-4, atol=1e-7)
    start = margin(paths * known[3], 0)
    twin = start[:, None, None] * kernels[12][:, :, None] * kernels[12][None]
    uniform = [likelihood(SLATES[72], item) for item in later_items]
    np.testing.assert_allclose(found.counterfactual[0, 0], start, rtol=2e-4, atol=1e-7)
    twin = twin * uniform[0][:, None, None]
    np.testing.assert_allclose(found.counterfactual[0, 1], margin(twin, 1), rtol=2e-4, atol=1e-7)
    twin = twin * uniform[1][None, :, None]
    np.testing.assert_allclose(found.counterfactual[0, 2], margin(twin, 2), rtol=2e-4, atol=1e-7)


@pytest.mark.slow
def test_kernels_are_counted_where_choices_tell_preferences():
    """Users so strict that the item chosen from the uniform slate is what they prefer: kernels are counts."""
    params = PreferenceParams().replace(choice_base=2000.0, choice_heights=np.full(2, 2000.0, np.float32))
    logs, _ = generate(jax.random.key(0), params, 2000)
    uniform = np.full((2000, 10, BINS), 1 / BINS, np.float32)
    choices = np.asarray(logs.choices)
    logs = logs.replace(slates=jnp.asarray(uniform))
    pooled, kernels = hidden_markov.fit_kernels(logs, dynamics.users_of(params))
    counts = np.zeros((BINS, BINS))
    np.add.at(counts, (choices[:, :-1].ravel(), choices[:, 1:].ravel()), 1)
    rows = counts.sum(axis=1) > 0
    expected = counts[rows] / counts[rows].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pooled.prior, np.bincount(choices[:, 0], minlength=BINS) / 2000, atol=1e-3)
    np.testing.assert_allclose(pooled.shift[0][rows], expected, atol=1e-3)
    np.testing.assert_allclose(kernels.shift[12][rows], expected, atol=1e-3)


def test_claims_about_choice_models_compare_the_losses_by_hand():
    """Two seeds, doses -1, 0, 1 and 2; in the second seed a wrong model fits held-out choices better."""
    choices = np.array([[3.02, 3.03], [3.00, 3.01], [3.05, 3.00], [3.09, 3.08]])
    preferences = np.array([[2.4, 2.5], [2.1, 2.2], [2.6, 2.5], [2.9, 3.0]])
    found = measure.Measured(
        {}, np.zeros((10, BINS)), np.zeros((2, 10, BINS)), np.array([-1.0, 0.0, 1.0, 2.0]), np.zeros((4, BINS)),
        {"choice_loss": choices, "preference_loss": preferences}, {},
    )  # fmt: skip
    listed = {one.name: one for one in claims.claims(EstimationConfig()) if one.name.startswith("choice models")}
    expected = {"best wrong": [0.02, -0.01], "dose with": [0, 1], "preferences: dose 2": [0.3, 0.5],
                "choices: dose 2": [0.04, 0.08]}  # fmt: skip
    assert len(listed) == len(expected)
    for text, values in expected.items():
        (claim,) = (one for name, one in listed.items() if text in name)
        np.testing.assert_allclose(claim.statistic(found), values, atol=1e-9)
