"""Logs that pandas, polars and duckdb wrote (`files/make.py`): they are read, or refused with row and column."""

from pathlib import Path

import numpy as np
import pytest

import jaxrec
from jaxrec.estimation import read_logs

FILES = Path(__file__).parent / "files"
VALID = [[True, False, False], [True, True, True], [True, True, False]]  # users 3, 7 and 12
ACTIONS = [[1, 0, 0], [2, 0, 1], [0, 2, 0]]
REWARDS = [[2.0, 0, 0], [1.0, -0.5, 0.0], [3.0, 0.25, 0]]
PROPENSITIES = [[1.0, 1, 1], [0.5, 0.25, np.nan], [0.75, 0.125, 1]]
OBSERVATIONS = np.array([[[0, 9], [0, 0], [0, 0]], [[0, 4], [1, 5], [2, 6]], [[0, 0], [1, 1], [0, 0]]])


@pytest.mark.parametrize("name", ["pandas", "polars", "duckdb"])
def test_steps_are_read(name):
    logs = read_logs(FILES / f"{name}.parquet")
    np.testing.assert_array_equal(logs.valid, VALID)
    np.testing.assert_array_equal(logs.actions, ACTIONS)
    np.testing.assert_array_equal(logs.rewards, REWARDS)
    assert [logs.policies[number] for number in np.asarray(logs.policy)] == ["second", "first", "first"]
    assert (logs.actions.dtype, logs.rewards.dtype) == (np.int32, np.float32)
    assert logs.slates is logs.choices is None
    if name == "duckdb":
        assert logs.propensities is None
        np.testing.assert_array_equal(logs.observations, OBSERVATIONS[..., 1:])
    else:
        np.testing.assert_array_equal(logs.propensities, np.array(PROPENSITIES, np.float32))
        np.testing.assert_array_equal(logs.observations, OBSERVATIONS)
    assert logs.observations.dtype == (np.float32 if name == "polars" else np.int32)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pandas-propensity", r"column 'propensity' must be within \(0, 1\], or null, got 1.5 in row 2"),
        ("pandas-ragged", "column 'observation' must have 2 items, got 1 in row 3"),
    ],
)
def test_what_cannot_be_used_is_refused_with_row_and_column(name, message):
    with pytest.raises(jaxrec.InputError, match=message) as error:
        read_logs(FILES / f"{name}.parquet")
    assert "\n" not in str(error.value)


def test_what_is_missing_is_named():
    logs = read_logs(FILES / "duckdb.parquet")
    with pytest.raises(jaxrec.InputError, match="must have propensities for importance sampling, got actions, rewards"):
        logs.require("propensities", reader="importance sampling")
    with pytest.raises(jaxrec.InputError, match="must have slates for a model of users"):
        logs.require("slates", reader="a model of users")
    with pytest.raises(jaxrec.InputError, match="propensities for importance sampling, got none of user 1 in step 2"):
        read_logs(FILES / "pandas.parquet").require("propensities", reader="importance sampling")
