"""Slates, choices and gaps as pandas, polars and duckdb write them: read without loss, or refused with row and column.

pandas writes its own files here where it is installed; of all three pyarrow writes the physical types, as they come out
of `files/make.py`.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_files import put

import jaxrec
from jaxrec.estimation import read_logs

EVEN, THREE = [1 / 36] * 36, [0.5 if item in (3, 4) else 0.0 for item in range(36)]
ROWS = [  # user, step, slate, choice, policy
    (7, 1, THREE, 4, "first"),
    (7, 0, EVEN, 35, "first"),
    (3, 0, THREE, 3, "second"),
    (12, 0, EVEN, 0, "first"),
    (12, 1, EVEN, 17, "first"),
]
NAMES = ["user", "step", "slate", "choice", "policy"]
VALID = [[True, False], [True, True], [True, True]]  # users 3, 7 and 12
CHOICES = [[3, 0], [35, 4], [0, 17]]
SLATES = np.array([[THREE, EVEN], [EVEN, THREE], [EVEN, EVEN]], np.float32)
KINDS = {
    "pandas": {"user": pa.int64(), "step": pa.int64(), "slate": pa.list_(pa.float64()), "choice": pa.int64(),
               "policy": pa.large_string()},
    "pandas with gaps": {"user": pa.float64(), "step": pa.float64(), "slate": pa.list_(pa.float64()),
                         "choice": pa.float64(), "policy": pa.string()},
    "polars": {"user": pa.uint32(), "step": pa.int16(), "slate": pa.large_list(pa.float32()), "choice": pa.uint8(),
               "policy": pa.dictionary(pa.uint32(), pa.large_string())},
    "polars arrays": {"user": pa.uint64(), "step": pa.int8(), "slate": pa.list_(pa.float64(), 36), "choice": pa.int8(),
                      "policy": pa.string_view()},
    "duckdb": {"user": pa.int64(), "step": pa.uint32(), "slate": pa.list_(pa.float32()), "choice": pa.uint8(),
               "policy": pa.string()},
    "halves": {"user": pa.int32(), "step": pa.float16(), "slate": pa.list_(pa.float32()), "choice": pa.float32(),
               "policy": pa.dictionary(pa.int8(), pa.string())},
}  # fmt: skip


def columns():
    """Legal columns, to spoil."""
    return dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))


def steps():
    """Legal columns of decisions, to spoil."""
    given = {name: column for name, column in columns().items() if name not in ("slate", "choice")}
    return given | {"action": [2, 0, 1, 1, 0], "reward": [1.0, 0.0, 0.5, 2.0, -1.0], "propensity": [1, 1, 1, 1, 1]}


def write(path, table, chunk=None, only_footer=False):
    """With the version in the schema, or as duckdb does in the footer alone, without the types of Arrow."""
    if not only_footer:
        table = table.replace_schema_metadata((table.schema.metadata or {}) | {b"jaxrec.logs": b"2"})
    with pq.ParquetWriter(path, table.schema, store_schema=not only_footer) as writer:
        writer.write_table(table, row_group_size=chunk)
        if only_footer:
            writer.add_key_value_metadata({"jaxrec.logs": "2"})
    return path


def assert_read(logs):
    np.testing.assert_array_equal(logs.valid, VALID)
    np.testing.assert_array_equal(logs.choices, CHOICES)
    np.testing.assert_array_equal(logs.slates, SLATES)
    assert (logs.choices.dtype, logs.slates.dtype) == (np.int32, np.float32)
    assert [logs.policies[number] for number in np.asarray(logs.policy)] == ["second", "first", "first"]
    assert logs.actions is logs.rewards is logs.identity is None


@pytest.mark.parametrize("chunk", [None, 2])
@pytest.mark.parametrize("name", KINDS)
def test_slates_and_choices_are_read(name, chunk, tmp_path):
    arrays = {column: pa.array(values, KINDS[name][column]) for column, values in columns().items()}
    extra = {"country": pa.array(["x"] * len(ROWS))}
    path = write(tmp_path / "logs.parquet", pa.table(extra | arrays), chunk, only_footer=name == "duckdb")
    assert_read(read_logs(path))


def test_slates_of_a_data_frame_are_read(tmp_path):
    """Lists, arrays and nullable integers, with an index of its own."""
    pandas = pytest.importorskip("pandas")
    given = columns()
    given["slate"] = [np.array(slate) for slate in given["slate"]]
    frame = pandas.DataFrame(given, index=range(50, 50 + len(ROWS)))
    frame["choice"] = frame["choice"].astype("Int64")
    frame["policy"] = frame["policy"].astype("category")
    assert_read(read_logs(write(tmp_path / "logs.parquet", pa.Table.from_pandas(frame))))


def test_a_gap_in_a_data_frame_is_refused_with_its_row(tmp_path):
    """pandas makes floats of integers with a gap, and a null of the gap."""
    pandas = pytest.importorskip("pandas")
    for name in ("choice", "user", "step"):
        given = columns()
        put(name, 3, None)(given)
        frame = pandas.DataFrame(given)
        assert frame[name].dtype == float
        path = write(tmp_path / f"{name}.parquet", pa.Table.from_pandas(frame))
        with pytest.raises(jaxrec.InputError, match=f"column '{name}' must have no nulls, got null in row 3"):
            read_logs(path)


BAD = {
    "nan": ("action", pa.float64(), 2, float("nan"), "'action' must be a whole number of at most 53 bits, got nan"),
    "infinite": (
        "action",
        pa.float32(),
        1,
        float("inf"),
        "'action' must be a whole number of at most 24 bits, got inf",
    ),
    "half": ("action", pa.float64(), 4, 0.5, "'action' must be a whole number of at most 53 bits, got 0.5"),
    "negative": ("action", pa.float64(), 3, -1.0, r"'action' must be within \[0, 2147483647\], got -1"),
    "no action": ("action", pa.float64(), 0, None, "'action' must have no nulls, got null"),
    "lost bits": ("user", pa.float32(), 1, 2.0**24, "'user' must be a whole number of at most 24 bits, got 16777216.0"),
    "step": ("step", pa.float64(), 0, 1.5, "'step' must be a whole number of at most 53 bits, got 1.5"),
    "impossible": ("propensity", pa.int64(), 2, 0, r"'propensity' must be within \(0, 1\], or null, got 0.0"),
    "too many": ("propensity", pa.uint8(), 3, 2, r"'propensity' must be within \(0, 1\], or null, got 2.0"),
    "enormous": ("propensity", pa.int64(), 1, 2**60 + 1, r"'propensity' must be within \(0, 1\], or null, got 1.15"),
}


@pytest.mark.parametrize("name", BAD)
def test_numbers_that_are_no_such_are_refused_with_row_and_column(name, tmp_path):
    column, kind, row, value, message = BAD[name]
    given = steps()
    put(column, row, value)(given)
    arrays = {one: pa.array(values, kind if one == column else None) for one, values in given.items()}
    with pytest.raises(
        jaxrec.InputError, match=f"column {message} in row {row}|column {message}.* in row {row}"
    ) as error:
        read_logs(write(tmp_path / "logs.parquet", pa.table(arrays)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint8(), pa.float64()])
def test_actions_and_propensities_of_either_kind_are_the_same(kind, tmp_path):
    given = steps()
    arrays = {name: pa.array(values, kind if name in ("action", "propensity") else None)
              for name, values in given.items()}  # fmt: skip
    logs = read_logs(write(tmp_path / "logs.parquet", pa.table(arrays)))
    np.testing.assert_array_equal(logs.actions, [[1, 0], [0, 2], [1, 0]])
    np.testing.assert_array_equal(logs.propensities, np.ones((3, 2)))
    assert (logs.actions.dtype, logs.propensities.dtype) == (np.int32, np.float32)
    put("propensity", 4, None)(given)
    arrays["propensity"] = pa.array(given["propensity"], kind)
    logs = read_logs(write(tmp_path / "unknown.parquet", pa.table(arrays)))
    np.testing.assert_array_equal(logs.propensities, [[1, 1], [1, 1], [1, np.nan]])


def test_large_numbers_of_users_are_told_apart(tmp_path):
    """As integers all of int64; as doubles those of 53 bits."""
    for kind, far in ((pa.int64(), 2**62), (pa.float64(), 2**53 - 20)):
        given = steps()
        given["user"] = [far + user for user in given["user"]]
        arrays = {name: pa.array(values, kind if name == "user" else None) for name, values in given.items()}
        logs = read_logs(write(tmp_path / f"{kind}.parquet", pa.table(arrays)))
        np.testing.assert_array_equal(logs.actions, [[1, 0], [0, 2], [1, 0]])


def test_who_a_session_is_of_is_read(tmp_path):
    """Numbered in their order; a row for each user, one person having two."""
    arrays = {name: pa.array(values) for name, values in steps().items()}
    whose = {"identity": pa.array([2**40, 2**40, -5, -5, -5])}
    logs = read_logs(write(tmp_path / "logs.parquet", pa.table(arrays | whose)))
    np.testing.assert_array_equal(logs.identity, [0, 1, 0])
    assert logs.identity.dtype == np.int32
    whose = {"identity": pa.array([5, 6, 1, 1, 1])}
    with pytest.raises(
        jaxrec.InputError, match="column 'identity' must be one for each user, got 5 after 6 for user 7 in row 0"
    ):
        read_logs(write(tmp_path / "two.parquet", pa.table(arrays | whose)))
    with pytest.raises(jaxrec.InputError, match="column 'identity' must be int64, got string"):
        read_logs(write(tmp_path / "text.parquet", pa.table(arrays | {"identity": pa.array(["a"] * 5)})))
