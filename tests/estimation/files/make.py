"""Writes the logs in this folder with pandas, polars and duckdb, as strangers would: `python make.py`."""

from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.parquet

FOLDER = Path(__file__).parent
ROWS = [  # user, step, action, propensity, reward, observation, policy
    (7, 0, 2, 0.5, 1.0, [0, 4], "first"),
    (7, 1, 0, 0.25, -0.5, [1, 5], "first"),
    (7, 2, 1, None, 0.0, [2, 6], "first"),
    (3, 0, 1, 1.0, 2.0, [0, 9], "second"),
    (12, 1, 2, 0.125, 0.25, [1, 1], "first"),
    (12, 0, 0, 0.75, 3.0, [0, 0], "first"),
]
NAMES = ["user", "step", "action", "propensity", "reward", "observation", "policy"]
COLUMNS = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))


def with_pandas(name, columns):
    """int64 everywhere, pandas' own metadata and index, NaN for what is not known."""
    frame = pandas.DataFrame(columns | {"country": ["x"] * len(ROWS)}, index=range(100, 100 + len(ROWS)))
    table = pyarrow.Table.from_pandas(frame)
    table = table.replace_schema_metadata(table.schema.metadata | {b"jaxrec.logs": b"2"})
    pyarrow.parquet.write_table(table, FOLDER / name)


def with_polars():
    """Small integers, categories, observations of floats, columns in reverse."""
    frame = polars.DataFrame(COLUMNS).select(
        polars.col("policy").cast(polars.Categorical),
        polars.col("observation").cast(polars.Array(polars.Float32, 2)),
        polars.col("reward").cast(polars.Float32),
        polars.col("propensity"),
        polars.col("action").cast(polars.UInt8),
        polars.col("step").cast(polars.Int16),
        polars.col("user").cast(polars.UInt32),
    )
    frame.write_parquet(FOLDER / "polars.parquet", metadata={"jaxrec.logs": "2"})


def with_duckdb():
    """From a table of SQL, without propensities; the observation is a single number."""
    values = ", ".join(str((*row[:3], row[4], row[5][1], row[6])) for row in ROWS)
    duckdb.sql(
        f"COPY (SELECT policy, a::UTINYINT AS action, r::DOUBLE AS reward, u::BIGINT AS user, s::UINTEGER AS step, "
        f"o::SMALLINT AS observation FROM (VALUES {values}) t(u, s, a, r, o, policy)) "
        f"TO '{FOLDER / 'duckdb.parquet'}' (FORMAT parquet, KV_METADATA {{\"jaxrec.logs\": '2'}})"
    )


if __name__ == "__main__":
    with_pandas("pandas.parquet", COLUMNS)
    with_pandas("pandas-propensity.parquet", COLUMNS | {"propensity": [0.5, 0.25, 1.5, 1.0, 0.1, 0.7]})
    with_pandas("pandas-ragged.parquet", COLUMNS | {"observation": [[0, 4], [1, 5], [2, 6], [9], [1, 1], [0, 0]]})
    with_polars()
    with_duckdb()
