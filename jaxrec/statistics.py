"""Means with intervals over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jax.typing import ArrayLike

from jaxrec import checks

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval: of `estimate` Student's t over seeds, and none (None) from fewer than two."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(samples: ArrayLike | Sequence[float]) -> Estimate:
    """Estimates the mean of independent samples (float[n], one a seed) with its interval.

    Raises:
        InputError: for no samples, or one that is not finite.
    """
    samples = np.asarray(samples, float)
    if samples.size == 0 or not np.isfinite(samples).all():
        raise checks.InputError(f"an estimate needs finite samples, got {samples}")
    mean = float(samples.mean())
    if samples.size < 2:
        return Estimate(mean, None, None)
    from scipy import stats  # heavy, and `import jaxrec` is light

    half = float(stats.sem(samples) * stats.t.ppf(0.5 + CONFIDENCE / 2, samples.size - 1))
    return Estimate(mean, mean - half, mean + half)


def nanmean(samples: np.ndarray) -> np.ndarray:
    """Averages the finite entries of `samples`, float[rows, n], over the last axis: float[rows], NaN for none."""
    known = np.isfinite(samples)
    counts = known.sum(axis=-1)
    return np.where(counts > 0, np.where(known, samples, 0.0).sum(axis=-1) / np.maximum(counts, 1), np.nan)


def jackknife(pairs: np.ndarray) -> np.ndarray:
    """Gives samples whose mean and interval are those of a mean over ordered pairs of different seeds.

    Pairs that share a seed are not independent. The pseudo-values of Tukey's jackknife, one a seed, nearly are.

    Args:
        pairs: float[seeds, seeds, ...]; the diagonal is not read.

    Returns:
        float[seeds, ...]; from fewer than three seeds, which give no interval, the mean alone, float[1, ...].
    """
    seeds = len(pairs)
    others = ~np.eye(seeds, dtype=bool)
    pairs = np.where(others.reshape(seeds, seeds, *[1] * (pairs.ndim - 2)), pairs, 0.0)
    total = pairs.sum(axis=(0, 1))
    mean = total / (seeds * (seeds - 1))
    if seeds < 3:
        return mean[None]
    without = (total - pairs.sum(axis=0) - pairs.sum(axis=1)) / ((seeds - 1) * (seeds - 2))
    return seeds * mean - (seeds - 1) * without


def noise(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Gives the mean distance between different seeds of the noisier of two groups; float[seeds, seeds, ...] each."""
    return np.maximum(*(jackknife(within).mean(axis=0) for within in (first, second)))


def beyond_noise(across: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Gives samples of how far two groups of seeds differ, beyond the difference of seeds in the noisier group.

    The noisier group, because where one group's policies go the other's may have learned little: they then differ
    from everything, each other included.

    Args:
        across: float[seeds, seeds, ...], the distance between seed i of the first group and seed j of the second.
        first: float[seeds, seeds, ...], between seeds of the first group.
        second: float[seeds, seeds, ...], between seeds of the second group.

    Returns:
        float[seeds, ...], `jackknife` of the excess over pairs of different seeds; from a single seed `across` itself.
    """
    if len(across) == 1:
        return across[0]
    noisier = np.where(jackknife(first).mean(axis=0) > jackknife(second).mean(axis=0), first, second)
    return jackknife(across - noisier)
