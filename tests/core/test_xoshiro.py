"""The small generator: its published numbers, and batteries of tests on streams, lanes, purposes and seeds."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batteries import (
    assert_plausible,
    birthday_p_value,
    bit_scores,
    byte_p_values,
    gap_p_value,
    normal,
    pair_p_values,
    product_scores,
    rank_p_value,
    run_p_values,
)
from scipy import special

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
