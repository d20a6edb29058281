"""The small generator: its published numbers, and batteries of tests on streams, lanes, purposes and seeds."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jaxrec import random

PURPOSES = 3
SIZES = [(8, 2**15), pytest.param((64, 2**20), marks=pytest.mark.slow)]  # lanes, words of each lane


def words_of(lanes, count, seed=0):
    """uint32[count, lanes] after seeding, `PURPOSES` words at a time as a time-step draws them."""

    @jax.jit
    def run(key):
        def step(state, _):
            return random.draw(state, PURPOSES)

        return jax.lax.scan(step, random.seed(key, lanes), length=-(-count // PURPOSES))[1]

    return np.asarray(run(jax.random.key(seed))).reshape(-1, lanes)[:count]


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


def test_published_numbers():
    """The test vector of the crate rand_xoshiro, made with the authors' C program."""
    state = jnp.array([1, 2, 3, 4], jnp.uint32)
    state, first = random.draw(state, 6)
    _, then = random.draw(state, 4)
    expected = [
        641,
        1573767,
        3222811527,
        3517856514,
        836907274,
        4247214768,
        3867114732,
        1355841295,
        495546011,
        621204420,
    ]
    np.testing.assert_array_equal(np.concatenate([first, then]), np.array(expected, np.uint32))


def test_equals_a_plain_loop():
    state = np.asarray(random.seed(jax.random.key(3), 5))
    _, words = random.draw(jnp.asarray(state), 7)
    for lane in range(5):
        a, b, c, d = map(int, state[:, lane])
        for word in np.asarray(words[:, lane]).tolist():
            total = (a + d) % 2**32
            assert word == ((total * 2**7 % 2**32 | total >> 25) + a) % 2**32
            shifted = b * 2**9 % 2**32
            c ^= a
            d ^= b
            b ^= c
            a ^= d
            c ^= shifted
            d = d * 2**11 % 2**32 | d >> 21


def test_a_lane_does_not_depend_on_how_many_there_are():
    many = random.seed(jax.random.key(0), 40)
    np.testing.assert_array_equal(random.seed(jax.random.key(0), 7), many[:, :7])
    assert len(np.unique(np.asarray(many))) == many.size


@pytest.mark.parametrize("size", SIZES)
def test_every_lane_is_uniform_and_without_memory(size):
    words = words_of(*size)
    p_values = [*byte_p_values(words), *normal(bit_scores(words)), *pair_p_values(words), *run_p_values(words)]
    p_values += [
        gap_p_value(words),
        birthday_p_value(words),
        birthday_p_value(words << 16 | words >> 16),
        rank_p_value(words),
    ]
    for lag in (1, 2, 3, 4, 5, 6, 9, 31, 50):
        p_values += normal(product_scores(words[:-lag], words[lag:]))
    assert_plausible(p_values)


def test_the_battery_sees_that_a_weak_generator_is_weak():
    state, words = np.arange(1, 9, dtype=np.uint32) * np.uint32(2654435761), []
    for _ in range(2**13):  # xorshift32 (Marsaglia 2003)
        state = state ^ state << 13
        state = state ^ state >> 17
        state = state ^ state << 5
        words.append(state)
    assert rank_p_value(np.array(words)) < 1e-12


@pytest.mark.parametrize("size", SIZES)
def test_lanes_and_purposes_are_independent(size):
    words = words_of(*size, seed=1)
    p_values = []
    for shift in (1, 2, 5):
        p_values += normal(product_scores(words, np.roll(words, shift, axis=1))[:: shift + 1])
        together = words ^ np.roll(words, shift, axis=1)
        p_values += [*byte_p_values(together), *normal(bit_scores(together))]
    by_step = words[: len(words) // PURPOSES * PURPOSES].reshape(-1, PURPOSES, words.shape[1])
    for one, other in itertools.combinations(range(PURPOSES), 2):
        p_values += normal(product_scores(by_step[:, one], by_step[:, other]))
        p_values += normal(product_scores(by_step[:-1, one], by_step[1:, other]))
        p_values += byte_p_values(by_step[:, one] ^ by_step[:, other])
    # Across lanes at one step, the birthdays of a whole society of lanes.
    assert_plausible([*p_values, birthday_p_value(words.reshape(-1, 1)), rank_p_value(words.reshape(-1, 1))])


@pytest.mark.parametrize("size", SIZES)
def test_seeds_that_differ_by_one_bit_are_independent(size):
    lanes, count = size
    base, p_values = words_of(lanes, count // 4), []
    for bit in (0, 1, 7, 31):
        other = words_of(lanes, count // 4, seed=1 << bit)
        p_values += normal(product_scores(base, other))
        p_values += [*byte_p_values(base ^ other), *normal(bit_scores(base ^ other))]
    assert_plausible(p_values)


def test_every_bit_of_a_key_changes_half_of_the_bits_of_the_first_words():
    seeds = np.arange(64, dtype=np.uint32) * np.uint32(2654435761)
    first = jax.jit(jax.vmap(lambda key: random.draw(random.seed(key, 2), PURPOSES)[1]))

    def words(values):
        data = jnp.stack([jnp.zeros(len(values), jnp.uint32), jnp.asarray(values)], axis=1)
        return np.asarray(first(jax.random.wrap_key_data(data, impl="threefry2x32"))).reshape(len(values), -1)

    changed = np.array([np.bitwise_count(words(seeds) ^ words(seeds ^ np.uint32(1 << bit))) for bit in range(32)])
    per_bit = changed.sum(axis=(1, 2))
    bits = changed[0].size * 32
    assert_plausible(normal((per_bit - bits / 2) / np.sqrt(bits / 4)))
    assert special.ndtr(abs(changed.mean() - 16) / np.sqrt(8 / changed.size)) < 1 - 1e-5
