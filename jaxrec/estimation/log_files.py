"""The file that holds the logs of users: reading, checking, writing.

The file is the contract: whatever writes it can take the place of simulated users. It is one Parquet file with one row
for each slate shown, in any order, and these columns:

- `user`, int64: who.
- `step`, int32: 0, 1, ... without gaps for each user, who may leave earlier than others.
- `slate`, fixed_size_list<float32>[36]: the probabilities of the items shown; bin i lies at 10 i degrees.
  Non-negative, with a sum of 1 within 1e-4.
- `choice`, int32: the bin of the item chosen, 0 ... 35, to which the slate gives a probability above 0.
- `policy`, string: which recommender showed it; one for each user.

Nothing may be null. The file's metadata have the key `jaxrec.logs` with the version of this schema, "1": the key-value
metadata of its footer, those of the Arrow schema that it may hold, or both. Other widths of integers and floats, lists
of variable length that have 36 items, and large strings, views and dictionaries of strings are read as well; other
columns are ignored, and so is the order of columns.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import jax.numpy as jnp
import numpy as np

from jaxrec import checks
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.estimation.logs import Logs
from jaxrec.runtime.atomic_files import replacing

if TYPE_CHECKING:
    from pyarrow import Array as Column
    from pyarrow import DataType, Schema, Table
else:  # pyarrow is imported where a file is read or written: it takes a while
    Column = DataType = Schema = Table = Any

VERSION_KEY, VERSION = b"jaxrec.logs", b"1"
SUM_TOLERANCE = 1e-4


def write_logs(path: str | Path, logs: Logs) -> None:
    """Writes a new file, atomically: users numbered in their order, valid steps alone.

    Raises:
        InputError: if the file exists or its folder does not.
        InputError: for logs that `read_logs` would refuse, or with a user without any step.
    """
    import pyarrow.parquet

    path = Path(path)
    checks.new_file("path", path)
    table = _table(logs)
    _parse(table, "logs")
    with replacing(path) as temporary:
        pyarrow.parquet.write_table(table, temporary, compression="zstd")


def read_logs(path: str | Path) -> Logs:
    """Reads a file and checks all of it.

    Returns:
        Users sorted by their `user`, padded to the longest trajectory; policies in the order of their first users.

    Raises:
        InputError: for a file that is missing, no Parquet, of another version or of another form than this module
            documents; the message names column and row, counted from 0.
    """
    import pyarrow
    import pyarrow.parquet

    path = Path(path)
    if not path.is_file():
        raise checks.InputError(f"path={str(path)!r}: there is no such file")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_version((file.schema_arrow.metadata, file.metadata.metadata), path)
            _check_schema(file.schema_arrow, path)
            table = file.read(columns=list(_KINDS))
    except (pyarrow.ArrowException, OSError) as error:
        raise checks.InputError(f"path={str(path)!r} cannot be read as Parquet: {error}") from error
    return _parse(table, str(path))


def _table(logs: Logs) -> Table:
    """Makes a table with one row for each valid step."""
    import pyarrow as pa

    checks.shaped("slates", logs.slates, (*np.shape(logs.valid), BINS))
    checks.shaped("choices", logs.choices, np.shape(logs.valid))
    checks.shaped("policy", logs.policy, np.shape(logs.valid)[:1])
    checks.within("policy", logs.policy, 0, len(logs.policies) - 1)
    valid = np.asarray(logs.valid)
    silent = ~valid.any(axis=1)
    if silent.any():
        raise checks.InputError(f"logs must have a step of each user, got none of user {silent.argmax()}")
    user, step = np.nonzero(valid)
    slates = pa.array(np.asarray(logs.slates, np.float32)[user, step].ravel())
    columns = {
        "user": pa.array(user, pa.int64()),
        "step": pa.array(step.astype(np.int32)),
        "slate": pa.FixedSizeListArray.from_arrays(slates, BINS),
        "choice": pa.array(np.asarray(logs.choices, np.int32)[user, step]),
        "policy": pa.array(logs.policies, pa.string()).take(pa.array(np.asarray(logs.policy)[user])),
    }
    return pa.table(columns).replace_schema_metadata({VERSION_KEY: VERSION})


def _is_integer(kind: DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(kind)


def _is_string(kind: DataType) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_slate(kind: DataType) -> bool:
    import pyarrow as pa

    lists = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return lists and pa.types.is_floating(kind.value_type)


_KINDS: dict[str, tuple[str, Callable[[DataType], bool]]] = {
    "user": ("int64", _is_integer),
    "step": ("int32", _is_integer),
    "slate": (f"fixed_size_list<float32>[{BINS}]", _is_slate),
    "choice": ("int32", _is_integer),
    "policy": ("string", _is_string),
}


def _check_version(metadata: tuple[dict[bytes, bytes] | None, ...], path: Path) -> None:
    """Checks the metadata of the Arrow schema and of the file itself, of which some writers keep only the latter."""
    found = sorted({each[VERSION_KEY] for each in metadata if each and VERSION_KEY in each})
    if found != [VERSION]:
        shown = " and ".join(repr(version.decode(errors="replace")) for version in found) or "none"
        raise checks.InputError(
            f"path={str(path)!r}: the metadata {VERSION_KEY.decode()!r} must be {VERSION.decode()!r}, got {shown}"
        )


def _check_schema(schema: Schema, path: Path) -> None:
    for name, (wanted, fits) in _KINDS.items():
        if (found := schema.names.count(name)) != 1:
            raise checks.InputError(
                f"path={str(path)!r} must have one column {name!r}, got {found} among {', '.join(schema.names)}"
            )
        kind = schema.field(name).type
        if not fits(kind):
            raise checks.InputError(f"path={str(path)!r}: column {name!r} must be {wanted}, got {kind}")


class _Rows:
    """Refuses a file, with the row that is wrong."""

    def __init__(self, where: str):
        self.where = where

    def refuse(self, column: str, must: str, found: object, row: object) -> NoReturn:
        raise checks.InputError(f"{self.where}: column {column!r} must {must}, got {found} in row {row}")

    def check(self, column: str, must: str, bad: np.ndarray, found: Callable[[Any], object]) -> None:
        """Raises InputError for the first row where `bad`; `found` describes its value."""
        if bad.any():
            row = bad.argmax()
            self.refuse(column, must, found(row), row)


def _parse(table: Table, where: str) -> Logs:
    """Checks a table with the right schema row by row, and makes padded logs of it."""
    import pyarrow as pa

    rows = _Rows(where)
    if table.num_rows == 0:
        raise checks.InputError(f"{where} must have at least one row, got none")
    columns = {name: pa.concat_arrays(table.column(name).chunks) for name in _KINDS}
    for name, column in columns.items():
        if column.null_count:
            rows.check(name, "have no nulls", column.is_null().to_numpy(zero_copy_only=False), lambda _: "null")
    slate, choice = _slates(columns["slate"], rows), columns["choice"].to_numpy()
    rows.check("choice", f"be within [0, {BINS - 1}]", (choice < 0) | (choice >= BINS), lambda row: choice[row])
    unseen = slate[np.arange(len(choice)), choice.astype(int)] < np.finfo(np.float32).tiny
    rows.check("choice", "have a probability above 0 in its slate", unseen, lambda row: f"choice {choice[row]} with 0")
    ids, user = np.unique(columns["user"].to_numpy(), return_inverse=True)
    step = columns["step"].to_numpy()
    first = _first_rows(ids, user, step, rows)
    shown_by = columns["policy"].cast(pa.string()).dictionary_encode()
    names, policy = shown_by.dictionary.to_pylist(), shown_by.indices.to_numpy()
    rows.check(
        "policy",
        "be one for each user",
        policy != policy[first][user],
        lambda row: f"{names[policy[row]]!r} after {names[policy[first[user[row]]]]!r} for user {ids[user[row]]}",
    )
    used, at, numbered = np.unique(policy[first], return_index=True, return_inverse=True)
    shape = len(ids), int(step.max()) + 1
    slates = np.full((*shape, BINS), 1 / BINS, np.float32)
    choices, valid = np.zeros(shape, np.int32), np.zeros(shape, bool)
    slates[user, step], choices[user, step], valid[user, step] = slate, choice, True
    return Logs(
        slates=jnp.asarray(slates),
        choices=jnp.asarray(choices),
        valid=jnp.asarray(valid),
        policy=jnp.asarray(np.argsort(np.argsort(at))[numbered], jnp.int32),
        policies=tuple(names[used[number]] for number in np.argsort(at)),
    )


def _slates(column: Column, rows: _Rows) -> np.ndarray:
    """Reads the lists in a column as float32[rows, 36]."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.call_function("list_value_length", [column]).to_numpy()
    rows.check("slate", f"have {BINS} items", lengths != BINS, lambda row: lengths[row])
    items = column.flatten()
    if items.null_count:
        missing = items.is_null().to_numpy(zero_copy_only=False).reshape(-1, BINS).any(axis=1)
        rows.check("slate", "have no nulls", missing, lambda _: "null")
    slate = items.cast(pa.float32()).to_numpy().reshape(-1, BINS)
    low = slate.min(axis=1)
    rows.check("slate", "be non-negative", ~(low >= 0), lambda row: low[row])
    total = slate.sum(axis=1, dtype=float)
    off = ~(np.abs(total - 1) <= SUM_TOLERANCE)
    rows.check("slate", f"sum to 1 within {SUM_TOLERANCE}", off, lambda row: total[row])
    return slate


def _first_rows(ids: np.ndarray, user: np.ndarray, step: np.ndarray, rows: _Rows) -> np.ndarray:
    """Finds the row of step 0 of each user, int[users], and refuses steps with gaps; `user` numbers `ids`."""
    order = np.lexsort((step, user))
    starts = np.searchsorted(user[order], np.arange(len(ids)))
    expected = np.arange(len(user)) - starts[user[order]]
    wrong = step[order] != expected
    if wrong.any():
        at = wrong.argmax()
        row = order[at]
        again = expected[at] > 0 and step[row] == expected[at] - 1
        found = f"step {step[row]} {'again' if again else f'instead of {expected[at]}'} for user {ids[user[row]]}"
        rows.refuse("step", "be 0, 1, ... without gaps for each user", found, row)
    return order[starts]
