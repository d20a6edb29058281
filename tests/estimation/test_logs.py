"""Logs: what is written is read back, whoever wrote it."""

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import SCHEMA, assert_same, columns, logs_of, put, write

import jaxrec
from jaxrec.estimation import dataset
from jaxrec.estimation.log_files import read_logs, write_logs

USERS, STEPS = 2000, 10


@pytest.fixture(scope="module")
def generated():
    return jax.tree.map(np.asarray, dataset.generate(jax.random.key(0), num_users=USERS))


def test_what_is_written_is_read_back(tmp_path, generated):
    logs, _ = generated
    write_logs(tmp_path / "logs.parquet", logs)
    read = read_logs(tmp_path / "logs.parquet")
    assert_same(read, logs)
    assert (read.num_users, read.num_steps) == (USERS, STEPS)
    assert (tmp_path / "logs.parquet").stat().st_size < 0.05 * logs.slates.nbytes
    assert [path.name for path in tmp_path.iterdir()] == ["logs.parquet"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_legal_logs_survive_a_file(tmp_path_factory, lengths, seed):
    path, logs = tmp_path_factory.mktemp("logs") / "logs.parquet", logs_of(lengths, seed, ("a", "b", "c"))
    write_logs(path, logs)
    assert_same(read_logs(path), logs)


def test_a_file_says_nothing_of_preferences(tmp_path, generated):
    write_logs(tmp_path / "logs.parquet", generated[0])
    schema = pq.read_schema(tmp_path / "logs.parquet")
    assert schema.equals(SCHEMA)
    assert schema.metadata == SCHEMA.metadata


def test_rows_may_be_in_any_order_and_types_wider(tmp_path):
    given = columns((3, 1, 4))
    expected = read_logs(write(tmp_path / "sorted.parquet", given))
    shuffled = np.random.default_rng(0).permutation(8)
    mixed = {name: [column[row] for row in shuffled] for name, column in given.items()}
    schema = pa.schema(
        {
            "user": pa.int32(),
            "step": pa.uint64(),
            "slate": pa.large_list(pa.float64()),
            "choice": pa.int8(),
            "policy": pa.dictionary(pa.int32(), pa.string()),
            "clicked": pa.bool_(),
        },
        metadata=SCHEMA.metadata,
    )
    read = read_logs(write(tmp_path / "mixed.parquet", mixed | {"clicked": [True] * 8}, schema))
    assert_same(read, expected)
    assert read.policies == ("policy 0", "policy 1", "policy 2")
    assert [row.sum() for row in np.asarray(read.valid)] == [3, 1, 4]


WIDTHS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS, LISTS = (pa.float32(), pa.float64()), (lambda kind: pa.list_(kind, 36), pa.list_, pa.large_list)
STRINGS = (
    pa.string(), pa.large_string(), pa.string_view(),
    *(pa.dictionary(getattr(pa, width)(), pa.string()) for width in WIDTHS),
    pa.dictionary(pa.uint32(), pa.large_string()),
)  # fmt: skip


def write_elsewhere(path, given, schema, version="2", **options):
    """As polars, duckdb and Rust do: the version is in the footer, and the Arrow schema, if any is kept, has none."""
    rows = options.pop("row_group_size", None)
    with pq.ParquetWriter(path, schema.remove_metadata(), **options) as writer:
        writer.write_table(pa.table(given, schema=schema).replace_schema_metadata(None), rows)
        writer.add_key_value_metadata({"jaxrec.logs": version})
    return path


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_files_of_other_tools_are_read_as_our_own(tmp_path_factory, data):
    """Whatever widths, lists, strings, order of columns and row groups they choose, with an Arrow schema or without."""
    folder, given = tmp_path_factory.mktemp("logs"), columns((3, 1, 4))
    expected = read_logs(write(folder / "ours.parquet", given))

    def draw(*choices):
        return data.draw(st.sampled_from(choices))

    kinds = {name: getattr(pa, draw(*WIDTHS))() for name in ("user", "step", "choice")}
    kinds |= {"slate": draw(*LISTS)(draw(*FLOATS)), "policy": draw(*STRINGS), "__index_level_0__": pa.int64()}
    order = data.draw(st.permutations(list(kinds)))
    schema = pa.schema([(name, kinds[name]) for name in order])
    options = {
        "store_schema": draw(True, False),
        "row_group_size": draw(1, 3, 100),
        "data_page_version": draw("1.0", "2.0"),
        "use_dictionary": draw(True, False),
        "compression": draw("snappy", "zstd", "none"),
    }
    theirs = {name: (given | {"__index_level_0__": list(range(8))})[name] for name in order}
    assert_same(read_logs(write_elsewhere(folder / "theirs.parquet", theirs, schema, **options)), expected)


def test_rows_are_counted_through_all_row_groups(tmp_path):
    given = columns()
    put("choice", 4, 36)(given)
    path = write_elsewhere(tmp_path / "logs.parquet", given, SCHEMA, row_group_size=2)
    with pytest.raises(jaxrec.InputError, match=r"'choice' must be within \[0, 35\], got 36 in row 4"):
        read_logs(path)


@pytest.mark.parametrize("store_schema", [True, False])
def test_another_version_in_the_footer_is_refused(store_schema, tmp_path):
    path = write_elsewhere(tmp_path / "logs.parquet", columns(), SCHEMA, "3", store_schema=store_schema)
    with pytest.raises(jaxrec.InputError, match=r"'jaxrec.logs' must be '1' or '2', got '3'"):
        read_logs(path)


def test_a_file_that_names_two_versions_is_refused(tmp_path):
    with pq.ParquetWriter(tmp_path / "logs.parquet", SCHEMA) as writer:
        writer.write_table(pa.table(columns(), schema=SCHEMA))
        writer.add_key_value_metadata({"jaxrec.logs": "3"})
    with pytest.raises(jaxrec.InputError, match=r"'jaxrec.logs' must be '1' or '2', got '2' and '3'"):
        read_logs(tmp_path / "logs.parquet")


def test_users_who_left_are_padded(tmp_path):
    read = read_logs(write(tmp_path / "logs.parquet", columns((1, 3))))
    np.testing.assert_array_equal(read.valid, [[True, False, False], [True, True, True]])
    np.testing.assert_array_equal(read.slates[0, 1:], np.float32(1 / 36))
    np.testing.assert_array_equal(read.choices[0, 1:], 0)


def test_logs_are_split_by_users():
    logs = logs_of((2, 3, 1, 2))
    first, others = logs.split(3)
    assert (first.num_users, others.num_users) == (3, 1)
    np.testing.assert_array_equal(np.concatenate([first.slates, others.slates]), logs.slates)
    np.testing.assert_array_equal(others.policy, logs.policy[3:])
    for first in (0, 4):
        with pytest.raises(jaxrec.InputError, match="first must be within"):
            logs.split(first)


def test_files_are_never_overwritten(tmp_path):
    write_logs(str(tmp_path / "logs.parquet"), logs_of((1,)))
    with pytest.raises(jaxrec.InputError, match="exists, and is not overwritten"):
        write_logs(tmp_path / "logs.parquet", logs_of((2,)))
    with pytest.raises(jaxrec.InputError, match="there is no folder"):
        write_logs(tmp_path / "no" / "logs.parquet", logs_of((2,)))
    assert read_logs(tmp_path / "logs.parquet").num_steps == 1
