"""Keys that draw by a hash: the arithmetic, its purposes, and batteries on draws, lanes, steps and chains of keys."""

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
    chi_square,
    gap_p_value,
    normal,
    pair_p_values,
    product_scores,
    rank_p_value,
    run_p_values,
)
from scipy import stats

import jaxrec
from jaxrec import InputError, random
from jaxrec.random import HASH, hashed
from jaxrec.training.encoding import with_key, without_keys
from jaxrec.training.fingerprint import identity

PURPOSES = 3
SIZES = [(8, 2**14), pytest.param((64, 2**18), marks=pytest.mark.slow)]  # lanes, steps


def key(number):
    return jax.random.key(number, impl=HASH)


def data(keys):
    return np.asarray(jax.random.key_data(keys))


def words_of(lanes, steps, seed=0, purposes=PURPOSES):
    """uint32[steps, purposes, lanes], drawn as a simulation does: a key a step, then a lane, then a purpose."""

    def one(step, lane):
        at = jax.random.fold_in(jax.random.split(jax.random.fold_in(key(seed), step), lanes)[lane], 7)
        return jax.vmap(jax.random.bits)(jax.random.split(at, purposes))

    every = jax.jit(jax.vmap(jax.vmap(one, (None, 0), 1), (0, None)))
    return np.asarray(every(jnp.arange(steps), jnp.arange(lanes)))


def mixed(x, y, z):
    """The hash in plain integers."""
    x, y, z = x + 0x9E3779B9, y + 0xBB67AE85, z + 0x3C6EF373
    for _ in range(3):
        x = (x + y * z) % 2**32
        y = (y + z * x) % 2**32
        z = (z + x * y) % 2**32
        x, y, z = x ^ x // 2**16, y ^ y // 2**16, z ^ z // 2**16
    return x, y, z


def test_equals_a_plain_loop():
    one = key(5)
    a, b = data(one).tolist()
    assert [a, b] == list(mixed(5, 0, 0)[1:])
    indices = range(6)
    assert data(jax.random.split(one, (2, 3))).reshape(-1, 2).tolist() == [
        list(mixed(a + 0xA54FF53A, b, index)[1:]) for index in indices
    ]
    assert data(jax.random.fold_in(one, 2**32 - 1)).tolist() == list(mixed(a + 0x510E527F, b, 2**32 - 1)[1:])
    drawn = [mixed(a + 0x1F83D9AB, b, index) for index in indices]
    assert jax.random.bits(one, (3, 2)).ravel().tolist() == [z for _, _, z in drawn]
    assert jax.random.bits(one, (6,), jnp.uint8).tolist() == [z >> 24 for _, _, z in drawn]
    assert jax.random.bits(one, (6,), jnp.uint16).tolist() == [z >> 16 for _, _, z in drawn]
    with jax.enable_x64(True):
        assert jax.random.bits(one, (6,), jnp.uint64).tolist() == [z * 2**32 + y for _, y, z in drawn]
        assert jax.random.bits(one, (6,), jnp.uint32).tolist() == [z for _, _, z in drawn]
        assert data(key(2**40 + 5)).tolist() == list(mixed(5, 2**8, 0)[1:])
        assert data(key(5)).tolist() == [a, b]


def test_the_hash_is_one_to_one():
    """Its inverse, round by round, gives the words back."""
    words = np.random.default_rng(0).integers(0, 2**32, (3, 1000), dtype=np.uint32)
    x, y, z = map(np.asarray, hashed.mix(*map(jnp.asarray, words)))
    for _ in range(3):
        x, y, z = x ^ (x >> 16), y ^ (y >> 16), z ^ (z >> 16)
        z = z - x * y
        y = y - z * x
        x = x - y * z
    offsets = np.array([0x9E3779B9, 0xBB67AE85, 0x3C6EF373], np.uint32)
    np.testing.assert_array_equal(np.stack([x, y, z]) - offsets[:, None], words)


def test_draws_depend_on_their_index_alone():
    one = key(1)
    np.testing.assert_array_equal(data(jax.random.split(one, 9))[:4], data(jax.random.split(one, 4)))
    np.testing.assert_array_equal(jax.random.bits(one, (9,))[:4], jax.random.bits(one, (4,)))
    keys = jax.random.split(one, 5)
    together = jax.jit(jax.vmap(lambda each: jax.random.uniform(jax.random.fold_in(each, 3), (2,))))(keys)
    for each, drawn in zip(keys, together, strict=True):
        np.testing.assert_array_equal(jax.random.uniform(jax.random.fold_in(each, 3), (2,)), drawn)


def test_purposes_and_seeds_never_meet():
    one, count = key(0), 2000
    found = [data(jax.random.split(one, count)), data(jax.vmap(jax.random.fold_in, (None, 0))(one, jnp.arange(count)))]
    found += [data(jax.vmap(key)(jnp.arange(count)))]
    words = np.concatenate(found).astype(np.uint64)
    assert len(np.unique(words[:, 0] << np.uint64(32) | words[:, 1])) == 3 * count


def test_more_draws_than_a_key_has_are_refused():
    with pytest.raises(InputError, match=r"at most 2\^32 numbers, got shape \[65536, 65537\]"):
        jax.jit(lambda: jax.random.bits(key(0), (2**16, 2**16 + 1))).lower()


def test_keys_by_the_name_of_their_generator():
    assert random.key(3) == jax.random.key(3)
    assert random.key(3, "hash") == key(3)
    with pytest.raises(InputError, match=r"unknown generator 'hsah'\. Did you mean 'hash'"):
        random.key(3, "hsah")


def test_rollouts_and_checkpoints_take_them():
    env = jaxrec.make("PolarisingUsers-v0", horizon=3)[0]
    few, many = (jaxrec.rollout(env, env.policy("random"), key(0), number, 6) for number in (2, 4))
    np.testing.assert_array_equal(few.per_env["user"], many.per_env["user"][:2])
    like = jax.random.split(key(1), 2)
    restored = with_key(like, without_keys(jax.random.split(key(2), 2)))
    assert restored.dtype == like.dtype
    np.testing.assert_array_equal(
        jax.vmap(jax.random.bits)(restored), jax.vmap(jax.random.bits)(jax.random.split(key(2), 2))
    )


def test_fingerprints_tell_generators_apart():
    words = jnp.array([1, 2], jnp.uint32)
    ours, jaxs = (jax.random.wrap_key_data(words, impl=impl) for impl in (HASH, "threefry2x32"))
    assert identity(key=ours) != identity(key=jaxs)


@pytest.mark.parametrize("size", SIZES)
def test_every_lane_is_uniform_and_without_memory(size):
    """Steps by `fold_in` of consecutive integers, lanes by `split`, purposes by a split of that."""
    words = words_of(*size).reshape(-1, size[0])
    p_values = [*byte_p_values(words), *normal(bit_scores(words)), *pair_p_values(words), *run_p_values(words)]
    p_values += [gap_p_value(words), birthday_p_value(words), birthday_p_value(words << 16 | words >> 16)]
    p_values += [rank_p_value(words), rank_p_value(words.reshape(-1, 1))]
    for lag in (1, 2, 3, 4, 5, 6, 9, 31, 50):
        p_values += normal(product_scores(words[:-lag], words[lag:]))
    assert_plausible(p_values)


@pytest.mark.parametrize("size", SIZES)
def test_draws_of_one_key_are_uniform_and_without_memory(size):
    lanes, steps = size
    words = np.asarray(jax.random.bits(key(3), (lanes, steps * PURPOSES))).T
    p_values = [*byte_p_values(words), *normal(bit_scores(words)), *pair_p_values(words), *run_p_values(words)]
    p_values += [gap_p_value(words), birthday_p_value(words), rank_p_value(words)]
    for lag in (1, 2, 3, 31, 32, 256):
        p_values += normal(product_scores(words[:-lag], words[lag:]))
    assert_plausible(p_values)


@pytest.mark.parametrize("size", SIZES)
def test_lanes_steps_purposes_and_seeds_are_independent(size):
    words, other = words_of(*size, seed=1), words_of(*size, seed=2)
    pairs = [(words, np.roll(words, shift, axis=2)) for shift in (1, 2, 5)]
    pairs += [(words[:, one], words[:, two]) for one, two in itertools.combinations(range(PURPOSES), 2)]
    pairs += [(words[:-1, one], words[1:, two]) for one, two in itertools.permutations(range(PURPOSES), 2)]
    pairs += [(words, other), (words[:-1], other[1:])]
    p_values = []
    for one, two in pairs:
        one, two = one.reshape(-1, size[0]), two.reshape(-1, size[0])
        p_values += [*normal(product_scores(one, two)[::2]), *byte_p_values(one ^ two), *normal(bit_scores(one ^ two))]
    assert_plausible(p_values)


def test_every_bit_of_a_key_and_of_a_number_changes_half_of_the_bits():
    """For keys at random, for small words, and for words that end in sixteen zeros after their offset."""
    rng, count = np.random.default_rng(0), 2**14
    anywhere = rng.integers(0, 2**32, (3, count), dtype=np.uint32)
    small = rng.integers(0, 2**10, (3, count), dtype=np.uint32)
    offsets = np.array([[0x9E3779B9], [0xBB67AE85], [0x3C6EF373]], np.uint32)
    weak = np.concatenate([(anywhere << np.uint32(16)) - offsets])
    both = jax.jit(lambda words, flips: jnp.stack(hashed.mix(*words)) ^ jnp.stack(hashed.mix(*(words ^ flips))))
    for words in (anywhere, small, weak):
        scores = []
        for word, bit in itertools.product(range(3), range(32)):
            flips = np.zeros((3, 1), np.uint32)
            flips[word] = 1 << bit
            changed = np.asarray(both(words, flips))
            ones = np.array([((changed >> at) & 1).sum(axis=1) for at in range(32)])
            scores.append((ones - count / 2) / np.sqrt(count / 4))
        assert np.abs(scores).max() < stats.norm.isf(1e-6 / np.size(scores))


@pytest.mark.parametrize(
    ("chains", "steps", "bits"), [(2**17, 50, 32), pytest.param(2**22, 200, 42, marks=pytest.mark.slow)]
)
def test_keys_of_long_chains_meet_as_often_as_those_of_random_functions(chains, steps, bits):
    """Birthdays of as many keys as there are chains, among the 2^bits values of both words together."""

    @jax.jit
    def run(keys):
        return jax.lax.fori_loop(0, steps, lambda step, keys: jax.vmap(jax.random.fold_in, (0, None))(keys, step), keys)

    words = data(run(jax.random.split(key(4), chains))).astype(np.uint64)
    whole = words[:, 0] << np.uint64(32) | words[:, 1]
    assert len(np.unique(whole)) == chains
    low, high = np.uint64(bits // 2), np.uint64(2 ** (bits // 2) - 1)
    for part in (whole >> np.uint64(64 - bits), (words[:, 0] & high) << low | (words[:, 1] & high)):
        met, mean = chains - len(np.unique(part)), chains**2 / 2 ** (bits + 1)
        assert min(stats.poisson.cdf(met, mean), stats.poisson.sf(met - 1, mean)) > 1e-5, (met, mean)
    p_values = [
        chi_square(np.bincount((words[:, at] >> shift & 0xFF).astype(int))) for at in (0, 1) for shift in (0, 24)
    ]
    assert_plausible(p_values)
