"""Simulated users: they see, choose and shift as those of the paper do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from log_files import assert_same

import jaxrec
from jaxrec.envs.preference import PreferenceShift, RandomSlate
from jaxrec.estimation import dataset, record
from jaxrec.estimation.log_files import read_logs, write_logs

USERS, STEPS = 2000, 10


@pytest.fixture(scope="module")
def generated():
    return jax.tree.map(np.asarray, dataset.generate(jax.random.key(0), num_users=USERS))


def plain_distance(a, b):
    d = np.abs(a - b) % 360
    return np.minimum(d, 360 - d)


DEGREES = 10 * np.arange(36)


def plain_slates():
    densities = [np.exp(-((plain_distance(DEGREES, mean) / s) ** 2) / 2) for s in (30, 60) for mean in DEGREES]
    return np.array([*(density / density.sum() for density in densities), np.full(36, 1 / 36)])


def shown(logs):
    """int[users, steps]: which of the 73 slates."""
    distance = np.abs(logs.slates[:, :, None, :] - plain_slates().astype(np.float32)).max(axis=-1)
    assert distance.min(axis=-1).max() < 1e-6
    return distance.argmin(axis=-1)


def test_slates_are_shown_as_often_as_the_paper_says(generated):
    logs, _ = generated
    assert logs.valid.all()
    assert logs.policies == ("varied", "mostly-uniform")
    np.testing.assert_array_equal(np.bincount(logs.policy), [USERS / 2, USERS / 2])
    np.testing.assert_array_equal(np.bincount(logs.split(USERS * 3 // 4)[1].policy), [USERS / 8, USERS / 8])
    number = shown(logs)
    for policy, uniform in ((0, 0.0), (1, 0.8)):
        counts = np.bincount(number[logs.policy == policy].ravel(), minlength=73)
        total = counts.sum()
        assert abs(counts[72] - uniform * total) <= 4 * np.sqrt(uniform * (1 - uniform) * total)
        each = counts[:72].sum() / 72
        chi_square = ((counts[:72] - each) ** 2 / each).sum()
        assert abs(chi_square - 71) < 4 * np.sqrt(2 * 71)
    repeated = (number[:, 1:] == number[:, :-1])[logs.policy == 0]
    assert abs(repeated.mean() - 1 / 72) < 4 * np.sqrt(1 / 72 / repeated.size)  # each step anew


def test_users_choose_as_the_paper_says(generated):
    """P(x | s, u) in proportion to s(x) exp(beta_c(u) cos(x - u)); against how often each item and offset is chosen."""
    logs, truth = generated
    first = 0.707 * np.exp(-((plain_distance(DEGREES, 80) / 104) ** 2) / 2)
    sharpness = 0.293 + first + 3.707 * np.exp(-((plain_distance(DEGREES, 270) / 35.6) ** 2) / 2)
    for policy in (0, 1):
        mine = logs.policy == policy
        user, slates = truth.preferences[mine, :-1].ravel(), logs.slates[mine].reshape(-1, 36)
        choices = logs.choices[mine].ravel()
        offset = (np.arange(36) - user[:, None]) % 36
        weights = slates * np.exp(sharpness[user][:, None] * np.cos(np.radians(10 * offset)))
        chances = weights / weights.sum(axis=1, keepdims=True)
        by_offset = np.take_along_axis(chances, (np.arange(36) + user[:, None]) % 36, axis=1)
        for chance, chosen in ((chances, choices), (by_offset, (choices - user) % 36)):
            error = np.bincount(chosen, minlength=36) - chance.sum(axis=0)
            assert (np.abs(error) < 4.5 * np.sqrt((chance * (1 - chance)).sum(axis=0))).all()


def test_users_shift_as_the_paper_says(generated):
    logs, truth = generated
    assert truth.preferences.shape == truth.natural.shape == (USERS, STEPS + 1)
    np.testing.assert_array_equal(truth.preferences[:, 0], truth.natural[:, 0])
    initial = 10.0 * truth.preferences[:, 0]
    assert initial.mean() == pytest.approx(130, abs=4 * 20 / np.sqrt(USERS))
    assert initial.std() == pytest.approx(20, abs=2)
    assert (plain_distance(10 * truth.natural[:, -1], 80) <= 40).mean() == pytest.approx(0.766, abs=0.03)
    number = shown(logs)
    for step in range(STEPS):  # twins stay together as long as both see uniform slates
        alone = (number[:, : step + 1] == 72).all(axis=1)
        np.testing.assert_array_equal(truth.preferences[alone, step + 1], truth.natural[alone, step + 1])
    assert (truth.preferences[:, 1:] != truth.natural[:, 1:]).mean() > 0.3


def test_nothing_is_compiled_twice(generated):
    params = PreferenceShift().default_params
    cached = dataset._generate.compiled._cache_size()
    logs, truth = dataset.generate(jax.random.key(1), params.replace(influence=0.0), USERS, PreferenceShift())
    assert dataset._generate.compiled._cache_size() == cached
    np.testing.assert_array_equal(truth.preferences, truth.natural)
    assert not np.array_equal(logs.choices, generated[0].choices)
    again, _ = dataset.generate(jax.random.key(0), num_users=USERS)
    np.testing.assert_array_equal(again.choices, generated[0].choices)


def test_an_odd_number_of_users_is_what_was_asked_for(key):
    logs, truth = jax.eval_shape(lambda key: dataset.generate(key, num_users=3), key)
    assert logs.slates.shape == (3, STEPS, 36)
    assert {leaf.shape[0] for leaf in jax.tree.leaves((logs, truth))} == {3}


def test_any_policy_can_be_logged(tmp_path, key):
    env = PreferenceShift(horizon=3, observe_as="state")
    logs, truth = record(env, RandomSlate(env.slates), key, 5, name="random")
    assert (logs.num_users, logs.num_steps, logs.policies) == (5, 3, ("random",))
    assert truth.preferences.shape == (5, 4)
    distance = jnp.abs(logs.slates[:, :, None] - env.slates).max(axis=-1)
    assert distance.min(axis=-1).max() < 1e-6
    assert len(np.unique(distance.argmin(axis=-1))) > 2
    write_logs(tmp_path / "logs.parquet", logs)
    assert_same(read_logs(tmp_path / "logs.parquet"), logs)


def test_bad_requests_are_refused(key, untyped):
    env = PreferenceShift(observe_as="state")
    with pytest.raises(jaxrec.InputError, match="num_users"):
        dataset.generate(key, num_users=0)
    with pytest.raises(jaxrec.InputError, match="influence"):
        dataset.generate(key, env.default_params.replace(influence=2.0))
    with pytest.raises(jaxrec.InputError, match="init"):
        record(env, "random", key, 5)
