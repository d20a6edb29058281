"""Logs, and Parquet files of them, right and wrong."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jaxrec.estimation.logs import Logs

SCHEMA = pa.schema(
    {
        "user": pa.int64(),
        "step": pa.int32(),
        "slate": pa.list_(pa.float32(), 36),
        "choice": pa.int32(),
        "policy": pa.string(),
    },
    metadata={"jaxrec.logs": "2"},
)
STEPS = pa.schema(
    {
        "user": pa.int64(),
        "step": pa.int32(),
        "action": pa.int32(),
        "propensity": pa.float32(),
        "reward": pa.float32(),
        "observation": pa.list_(pa.int32(), 2),
        "policy": pa.string(),
    },
    metadata={"jaxrec.logs": "2"},
)


def logs_of(lengths, seed=0, policies=("first", "second")):
    """Legal logs of users who stay for `lengths` steps."""
    rng = np.random.default_rng(seed)
    valid = np.arange(max(lengths)) < np.asarray(lengths)[:, None]
    slates = rng.dirichlet(np.full(36, 0.3), valid.shape).astype(np.float32)
    choices = slates.argmax(axis=-1).astype(np.int32)
    policy = rng.integers(len(policies), size=len(lengths)).astype(np.int32)
    return Logs(
        slates=np.where(valid[..., None], slates, np.float32(1 / 36)),
        choices=np.where(valid, choices, 0),
        valid=valid,
        policy=policy,
        policies=policies,
    )


def assert_same(read, written):
    for name in ("slates", "choices", "valid"):
        ours, theirs = np.asarray(getattr(read, name)), np.asarray(getattr(written, name))
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert np.asarray(read.policy).dtype == np.int32
    names = [[logs.policies[number] for number in np.asarray(logs.policy)] for logs in (read, written)]
    assert names[0] == names[1]
    assert list(read.policies) == list(dict.fromkeys(names[1]))


def columns(lengths=(2, 3)):
    """Legal columns of a file, to spoil."""
    logs = logs_of(lengths)
    user, step = np.nonzero(logs.valid)
    return {
        "user": list(10 + user),
        "step": list(step),
        "slate": logs.slates[user, step].tolist(),
        "choice": list(logs.choices[user, step]),
        "policy": [f"policy {number}" for number in user],
    }


def write(path, given, schema=SCHEMA):
    pq.write_table(pa.table(given, schema=schema), path)
    return path


def put(name, row, value):
    """A change of one value in a file."""
    return lambda given: given[name].__setitem__(row, value)
