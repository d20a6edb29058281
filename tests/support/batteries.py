"""Batteries of statistical tests on words of 32 bits, [count, lanes]: each gives p-values."""

import numpy as np
from scipy import stats


def chi_square(counts, expected=None):
    return stats.chisquare(counts, expected).pvalue


def normal(z):
    """The p-values of numbers that are standard normal, taken together and by the largest."""
    z = np.asarray(z).ravel()
    largest = 1 - (1 - 2 * stats.norm.sf(np.abs(z).max())) ** len(z)
    return [stats.chi2.cdf((z**2).sum(), len(z)), stats.chi2.sf((z**2).sum(), len(z)), largest]


def as_uniform(words):
    return (words.astype(np.float64) + 0.5) * 2.0**-32 - 0.5


def product_scores(one, other):
    """Standard scores of the correlation of two arrays of words, along the first axis."""
    return 12 * (as_uniform(one) * as_uniform(other)).sum(axis=0) / np.sqrt(len(one))


def bit_scores(words):
    """How often each bit is set."""
    ones = np.array([((words >> bit) & 1).sum() for bit in range(32)])
    return (ones - words.size / 2) / np.sqrt(words.size / 4)


def byte_p_values(words):
    return [chi_square(np.bincount((words >> shift & 0xFF).ravel(), minlength=256)) for shift in (0, 8, 16, 24)]


def pair_p_values(words):
    """Successive words of a lane by their four highest, and their four lowest bits."""
    return [
        chi_square(np.bincount((part[:-1:2] * 16 + part[1::2]).ravel(), minlength=256))
        for part in (words[: len(words) // 2 * 2] >> 28, words[: len(words) // 2 * 2] & 15)
    ]


def run_p_values(words):
    """Runs of equal bits, of the highest and of the lowest (Wald and Wolfowitz)."""
    found = []
    for bits in (words >> 31, words & 1):
        ones, number = bits.sum(axis=0).astype(float), len(bits)
        expected = 2 * ones * (number - ones) / number + 1
        spread = np.sqrt((expected - 1) * (expected - 2) / (number - 1))
        found += normal(((np.diff(bits.astype(np.int8), axis=0) != 0).sum(axis=0) + 1 - expected) / spread)
    return found


def gap_p_value(words, chance_bits=3, longest=60):
    """Gaps between words below 2^-chance_bits are geometric."""
    p = 2.0**-chance_bits
    gaps = np.concatenate([np.diff(np.flatnonzero(lane >> (32 - chance_bits) == 0)) - 1 for lane in words.T])
    counts = np.bincount(np.minimum(gaps, longest), minlength=longest + 1)
    expected = len(gaps) * np.append(p * (1 - p) ** np.arange(longest), (1 - p) ** longest)
    return chi_square(counts, expected)


def birthday_p_value(words, days_bits=32, births=4096):
    """Equal spacings between sorted birthdays are Poisson with mean births^3 / (4 days) (Marsaglia)."""
    samples = (words.T.reshape(-1)[: words.size // births * births] >> (32 - days_bits)).reshape(-1, births)
    spacings = np.sort(np.diff(np.sort(samples.astype(np.int64), axis=1), axis=1), axis=1)
    equal = (np.diff(spacings, axis=1) == 0).sum()
    mean = len(samples) * births**3 / (4 * 2.0**days_bits)
    return min(1.0, 2 * min(stats.poisson.cdf(equal, mean), stats.poisson.sf(equal - 1, mean)))


def rank_p_value(words):
    """Ranks of 32 x 32 matrices over the field of two elements."""
    matrices = words.T.reshape(-1)[: words.size // 32 * 32].reshape(-1, 32)[:40_000].copy()
    ranks = np.zeros(len(matrices), int)
    for bit in np.uint32(1) << np.arange(32, dtype=np.uint32):
        has = (matrices & bit) != 0
        pivot = has.argmax(axis=1)
        found = has.any(axis=1)
        row = np.where(found, matrices[np.arange(len(matrices)), pivot], 0)
        matrices ^= np.where(has, row[:, None], 0).astype(np.uint32)
        ranks += found
    log2 = [
        r * (64 - r) - 1024 + sum(np.log2((1 - 2.0 ** (i - 32)) ** 2 / (1 - 2.0 ** (i - r))) for i in range(r))
        for r in (32, 31, 30)
    ]
    full, less, two = 2.0 ** np.array(log2)
    expected = np.array([full, less, two, 1 - full - less - two]) * len(matrices)
    return chi_square(np.bincount(np.minimum(32 - ranks, 3), minlength=4), expected)


def assert_plausible(p_values):
    p_values = np.array(p_values, float)
    assert (p_values * len(p_values)).min() > 1e-4, p_values
    assert ((1 - p_values) * len(p_values)).min() > 1e-7 or (p_values == 1).any(), p_values
