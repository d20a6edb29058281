"""Logs of actions, propensities, rewards and observations: recorded, written, read, refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_files import SCHEMA, STEPS, columns, put, write
from probes import Chain

import jaxrec
from jaxrec import observations
from jaxrec.agents import TabularPolicy
from jaxrec.envs.preference import PreferenceShift, RandomSlate
from jaxrec.estimation import read_logs, record, write_logs
from jaxrec.policy import Stateless

CHAIN = Chain()
EXPLORING = TabularPolicy(jnp.tile(jnp.array([0.0, 1.0]), (4, 1)), CHAIN, 0.4)
PARTS = ("slates", "choices", "actions", "propensities", "rewards", "observations", "valid")


class RightAlways(Stateless):
    """Does not say how likely its actions are."""

    def act(self, carry, obs, key):
        return jnp.ones((), jnp.int32), carry


def steps():
    """Legal columns of two users, to spoil."""
    return {
        "user": [10, 10, 11, 11, 11],
        "step": [0, 1, 0, 1, 2],
        "action": [0, 1, 2, 1, 0],
        "propensity": [0.5, 1.0, 0.25, None, 0.1],
        "reward": [0.0, 1.0, -1.0, 2.0, 0.5],
        "observation": [[0, 1], [1, 1], [0, 2], [1, 2], [2, 2]],
        "policy": ["a", "a", "b", "b", "b"],
    }


def test_episodes_of_unequal_lengths_are_logged_as_played(key, tmp_path):
    """Right with probability 0.8: each logged walk goes where its actions lead, pays what it must, and ends there."""
    logs, truth = record(CHAIN, EXPLORING, key, 300, max_steps=20, name="walker")
    assert truth is None
    valid, actions, seen = map(np.asarray, (logs.valid, logs.actions, logs.observations))
    assert len(set(valid.sum(axis=1))) > 3
    for user in range(300):
        place = 0
        for step in range(valid[user].sum()):
            assert seen[user, step, 0] == place
            place = min(max(place + 2 * actions[user, step] - 1, 0), 3)
            assert logs.rewards[user, step] == np.float32((place == 3) - 0.1)
        assert place == 3 or valid[user].all()
    np.testing.assert_allclose(logs.propensities[valid], np.where(actions[valid] == 1, 0.8, 0.2), rtol=1e-6)
    assert abs(actions[valid].mean() - 0.8) < 4 * 0.4 / np.sqrt(valid.sum())
    assert not actions[~valid].any()
    write_logs(tmp_path / "logs.parquet", logs)
    assert pq.read_schema(tmp_path / "logs.parquet").names == [
        "user", "step", "action", "propensity", "reward", "observation", "policy",
    ]  # fmt: skip
    read = read_logs(tmp_path / "logs.parquet")
    for name in PARTS[2:]:
        np.testing.assert_array_equal(getattr(read, name), getattr(logs, name)[:, : read.num_steps])
        assert getattr(read, name).dtype == getattr(logs, name).dtype


def test_slates_and_steps_share_a_file(key, tmp_path):
    env = PreferenceShift(horizon=3, observe_as="state")
    logs, truth = record(env, RandomSlate(env.slates), key, 20)
    np.testing.assert_array_equal(logs.slates, env.slates[logs.actions])
    np.testing.assert_allclose(logs.propensities, 1 / 6, rtol=1e-6)
    np.testing.assert_array_equal(logs.observations[..., 0], np.tile(np.arange(3), (20, 1)))
    np.testing.assert_array_equal(logs.observations[..., 2], truth.preferences[:, :-1])
    write_logs(tmp_path / "logs.parquet", logs)
    read = read_logs(tmp_path / "logs.parquet")
    for name in PARTS:
        np.testing.assert_array_equal(getattr(read, name), getattr(logs, name))


def test_what_is_not_known_or_not_wanted_is_left_out(key):
    logs, _ = record(CHAIN, RightAlways(), key, 5, max_steps=6, observations=False)
    assert logs.propensities is None
    assert logs.observations is None
    np.testing.assert_array_equal(logs.valid.sum(axis=1), 3)


def test_what_cannot_be_recorded_is_refused(key):
    with pytest.raises(jaxrec.InputError, match="max_steps must be given for Chain"):
        record(CHAIN, EXPLORING, key, 5)
    with pytest.raises(jaxrec.InputError, match="max_steps must be an integer of at least 1"):
        record(CHAIN, EXPLORING, key, 5, max_steps=0)


def test_files_of_version_1_are_read_and_have_no_steps(tmp_path):
    given = columns() | {"action": [0] * 5, "reward": [0.0] * 5}
    first = SCHEMA.with_metadata({"jaxrec.logs": "1"})
    old = read_logs(write(tmp_path / "old.parquet", {name: given[name] for name in SCHEMA.names}, first))
    wide = first.append(pa.field("action", pa.int32())).append(pa.field("reward", pa.float32()))
    ignored = read_logs(write(tmp_path / "wide.parquet", given, wide))
    new = read_logs(write(tmp_path / "new.parquet", {name: given[name] for name in SCHEMA.names}))
    for logs in (old, ignored):
        assert logs.parts.keys() == new.parts.keys() == {"slates", "choices", "valid"}
        jax.tree.map(np.testing.assert_array_equal, logs, new)


BAD = {
    "action": (put("action", 1, -1), r"'action' must be within \[0, 2147483647\], got -1 in row 1"),
    "no action": (put("action", 2, None), "'action' must have no nulls, got null in row 2"),
    "reward": (put("reward", 3, float("nan")), "'reward' must be finite, got nan in row 3"),
    "huge reward": (put("reward", 0, float("inf")), "'reward' must be finite, got inf in row 0"),
    "impossible": (put("propensity", 4, 0.0), r"'propensity' must be within \(0, 1\], or null, got 0.0 in row 4"),
    "null item": (put("observation", 2, [0, None]), "'observation' must have no nulls, got null in row 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_steps_are_refused(name, tmp_path):
    spoil, message = BAD[name]
    given = steps()
    spoil(given)
    with pytest.raises(jaxrec.InputError, match=message):
        read_logs(write(tmp_path / "logs.parquet", given, STEPS))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ({"reward"}, "must have 'action' and 'reward' together, got 'action'"),
        ({"reward", "action"}, "must have 'action' and 'reward', or 'slate' and 'choice', got neither"),
        ({"policy"}, "must have one column 'policy', got 0 among user, step, action"),
    ],
)
def test_columns_come_together(missing, message, tmp_path):
    schema = pa.schema([field for field in STEPS if field.name not in missing], metadata=STEPS.metadata)
    given = {name: column for name, column in steps().items() if name not in missing}
    with pytest.raises(jaxrec.InputError, match=message):
        read_logs(write(tmp_path / "logs.parquet", given, schema))


def test_a_propensity_of_all_nulls_is_none(tmp_path):
    given = steps() | {"propensity": [None] * 5}
    schema = STEPS.set(3, pa.field("propensity", pa.null()))
    assert read_logs(write(tmp_path / "logs.parquet", given, schema)).propensities is None


@pytest.mark.parametrize("name", ["PolarisingUsers-v0", "PreferenceShift-v0", "RewiringGame-v0"])
def test_observations_survive_packing(name, key):
    env, params = jaxrec.make(name)
    obs, _ = env.reset(key, params)
    again = observations.unpacked(observations.packed(obs), jax.eval_shape(env.reset_env, key, params)[0])
    jax.tree.map(np.testing.assert_array_equal, again, obs)
    with pytest.raises(jaxrec.InputError, match="observations must have"):
        observations.unpacked(jnp.zeros(2), obs)
