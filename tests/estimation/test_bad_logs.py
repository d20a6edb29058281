"""Logs that cannot be right are refused, when they are read and when they are written."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_files import SCHEMA, columns, logs_of, put, write

import jaxrec
from jaxrec.estimation.log_files import read_logs, write_logs


def even(bins):
    """The slate of some items alone."""
    return [1 / len(bins) if item in bins else 0.0 for item in range(36)]


def slate(*spoiled):
    return [*spoiled, *even(range(36))[len(spoiled) :]]


BAD_ROWS = {
    "no rows": (lambda given: [column.clear() for column in given.values()], "at least one row, got none"),
    "null": (put("choice", 3, None), "'choice' must have no nulls, got null in row 3"),
    "null slate": (put("slate", 1, None), "'slate' must have no nulls, got null in row 1"),
    "null item": (put("slate", 2, slate(None)), "'slate' must have no nulls, got null in row 2"),
    "choice too high": (put("choice", 4, 36), r"'choice' must be within \[0, 35\], got 36 in row 4"),
    "choice too low": (put("choice", 0, -1), r"'choice' must be within \[0, 35\], got -1 in row 0"),
    "negative": (put("slate", 2, slate(-0.5, 0.5)), "'slate' must be non-negative, got -0.5 in row 2"),
    "NaN": (put("slate", 1, slate(float("nan"))), "'slate' must be non-negative, got nan in row 1"),
    "infinite": (put("slate", 1, slate(float("inf"))), "'slate' must sum to 1 within 0.0001, got inf in row 1"),
    "sum": (put("slate", 3, slate(0.5 + 1 / 36)), "'slate' must sum to 1 within 0.0001, got 1.5.* in row 3"),
    "never shown": (
        lambda given: (put("slate", 3, even([4, 5]))(given), put("choice", 3, 6)(given)),
        "'choice' must have a probability above 0 in its slate, got choice 6 with 0 in row 3",
    ),
    "repeated step": (put("step", 3, 0), "'step' must be 0, 1.* got step 0 again for user 11 in row 3"),
    "missing step": (put("step", 4, 3), "'step' must be 0, 1.* got step 3 instead of 2 for user 11 in row 4"),
    "late start": (put("user", 4, 12), "'step' must be 0, 1.* got step 2 instead of 0 for user 12 in row 4"),
    "negative step": (put("step", 0, -1), "'step' must be 0, 1.* got step -1 instead of 0 for user 10 in row 0"),
    "two policies": (
        put("policy", 1, "other"),
        "'policy' must be one for each user, got 'other' after 'policy 0' for user 10 in row 1",
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows_are_refused(name, tmp_path):
    spoil, message = BAD_ROWS[name]
    given = columns()
    spoil(given)
    with pytest.raises(jaxrec.InputError, match=message) as error:
        read_logs(write(tmp_path / "logs.parquet", given))
    assert str(error.value).startswith(str(tmp_path / "logs.parquet"))


def test_slates_of_another_length_are_refused(tmp_path):
    given = columns()
    given["slate"][2] = given["slate"][2][:-1]
    schema = SCHEMA.set(2, pa.field("slate", pa.list_(pa.float32())))
    with pytest.raises(jaxrec.InputError, match="'slate' must have 36 items, got 35 in row 2"):
        read_logs(write(tmp_path / "logs.parquet", given, schema))


BAD_SCHEMAS = {
    "no version": (SCHEMA.remove_metadata(), "'jaxrec.logs' must be '1' or '2', got none"),
    "other version": (SCHEMA.with_metadata({"jaxrec.logs": "3"}), "'jaxrec.logs' must be '1' or '2', got '3'"),
    "no column": (SCHEMA.remove(3), "must have 'slate' and 'choice' together, got 'slate'"),
    "type": (SCHEMA.set(3, pa.field("choice", pa.string())), "column 'choice' must be int32, got string"),
    "type of policy": (SCHEMA.set(4, pa.field("policy", pa.binary())), "column 'policy' must be string, got binary"),
    "type of slate": (SCHEMA.set(2, pa.field("slate", pa.list_(pa.int32()))), "column 'slate' must be fixed_size_list"),
}


@pytest.mark.parametrize("name", BAD_SCHEMAS)
def test_bad_schemas_are_refused(name, tmp_path):
    schema, message = BAD_SCHEMAS[name]
    pq.write_table(pa.table([pa.nulls(1, field.type) for field in schema], schema=schema), tmp_path / "logs.parquet")
    with pytest.raises(jaxrec.InputError, match=message):
        read_logs(tmp_path / "logs.parquet")


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(jaxrec.InputError, match=r"nothing.parquet'.* no such file"):
        read_logs(tmp_path / "nothing.parquet")
    (tmp_path / "text.parquet").write_text("user,step\n")
    with pytest.raises(jaxrec.InputError, match="cannot be read as Parquet"):
        read_logs(str(tmp_path / "text.parquet"))
    whole = write(tmp_path / "whole.parquet", columns()).read_bytes()
    (tmp_path / "torn.parquet").write_bytes(whole[:20] + bytes(200) + whole[220:])
    with pytest.raises(jaxrec.InputError, match="cannot be read as Parquet"):
        read_logs(tmp_path / "torn.parquet")


BAD_LOGS = {
    "gap": ({"valid": np.array([[True, False, True]] * 2)}, "step 2 instead of 1 for user 0"),
    "no step": ({"valid": np.array([[True] * 3, [False] * 3])}, "got none of user 1"),
    "choice": ({"choices": np.full((2, 3), 40)}, "logs: column 'choice' must be within"),
    "slates": ({"slates": np.full((2, 3, 35), 1 / 35)}, r"slates must have shape \[2, 3, 36\]"),
    "policy": ({"policy": np.array([0, 2])}, r"policy must be within \[0, 1\]"),
}


@pytest.mark.parametrize("name", BAD_LOGS)
def test_what_could_not_be_read_is_not_written(name, tmp_path):
    changes, message = BAD_LOGS[name]
    with pytest.raises(jaxrec.InputError, match=message):
        write_logs(tmp_path / "logs.parquet", logs_of((3, 3)).replace(**changes))
    assert not list(tmp_path.iterdir())
