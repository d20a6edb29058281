"""Intervals, and the jackknife over pairs."""

import numpy as np
import pytest
from scipy import stats

import jaxrec
from jaxrec import statistics


def test_estimate_is_the_student_interval():
    samples = [1.0, 2.0, 4.0, 4.5, 3.0]
    low, high = stats.t.interval(0.95, 4, loc=np.mean(samples), scale=stats.sem(samples))
    mean = statistics.estimate(samples)
    assert (mean.value, mean.low, mean.high) == pytest.approx((2.9, low, high))
    assert statistics.estimate([3.0]) == statistics.Estimate(3.0, None, None)
    for bad in ([], [1.0, np.nan]):
        with pytest.raises(jaxrec.InputError):
            statistics.estimate(bad)


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_jackknife_is_that_of_the_mean_over_pairs(seeds):
    pairs = np.random.default_rng(0).normal(size=(seeds, seeds, 4))

    def mean(kept):
        return np.mean([pairs[i, j] for i in kept for j in kept if i != j], axis=0)

    samples = statistics.jackknife(pairs)
    np.testing.assert_allclose(samples.mean(axis=0), mean(range(seeds)))
    if seeds == 2:
        assert samples.shape == (1, 4)
        return
    for k in range(seeds):
        without = mean([i for i in range(seeds) if i != k])
        np.testing.assert_allclose(samples[k], seeds * mean(range(seeds)) - (seeds - 1) * without)


def test_beyond_noise_by_hand():
    """Groups differ by 1; seeds of the first by .25, of the second by .5 in one place and not at all in another."""
    across = np.ones((3, 3, 2))
    first = np.full((3, 3, 2), 0.25)
    second = np.broadcast_to(np.array([0.5, 0.0]), (3, 3, 2))
    np.testing.assert_allclose(statistics.beyond_noise(across, first, second), [[0.5, 0.75]] * 3)
    np.testing.assert_array_equal(statistics.beyond_noise(across[:1, :1], first, second), [[1.0, 1.0]])
