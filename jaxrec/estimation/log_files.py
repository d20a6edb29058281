"""The file that holds the logs of users: schema, reading, writing.

The file is the contract: whatever writes it can take the place of simulated users. It is one Parquet file with one row
for each step, in any order, and these columns:

- `user`, int64: who.
- `step`, int32: 0, 1, ... without gaps for each user, who may leave earlier than others.
- `policy`, string: which recommender acted; one for each user.
- `identity`, int64, optional: one for each user, the same for those that are sessions of one person.

What a recommender did and was paid, for off-policy evaluation and offline learning:

- `action`, int32 from 0: what it did.
- `reward`, float32, finite: what it was paid for this step.
- `propensity`, float32 in (0, 1], optional: the probability that it gave to this action before it acted. Null or NaN
  where that is unknown.
- `observation`, fixed_size_list<float32 or int32>[n], optional: what it observed before it acted, of the same length n
  in every row (`jaxrec.observations.packed`); a single number stands for a list of one.

What users saw and chose, for models of users:

- `slate`, fixed_size_list<float32>[36]: the probabilities of the items shown; bin i lies at 10 i degrees.
  Non-negative, with a sum of 1 within 1e-4.
- `choice`, int32: the bin of the item chosen, 0 ... 35, to which the slate gives a probability above 0.

`action` and `reward` come together, and so do `slate` and `choice`; a file has one pair or both. Nothing but a
propensity may be null. The file's metadata have the key `jaxrec.logs` with the version of this schema, "2": the
key-value metadata of its footer, those of the Arrow schema that it may hold, or both. Version "1" is read too: it has
`user`, `step`, `policy`, `slate` and `choice` alone. Other widths of integers and floats, whole numbers stored as
floats, lists of variable length that have as many items, rewards and propensities that are integers, and large strings,
views and dictionaries of strings are read as well; other columns are ignored, and so is the order of columns.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxrec import checks
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.estimation.log_rows import parse
from jaxrec.estimation.logs import Logs
from jaxrec.runtime.atomic_files import replacing

if TYPE_CHECKING:
    from pyarrow import DataType, Schema, Table
else:  # pyarrow is imported where a file is read or written: it takes a while
    DataType = Schema = Table = Any

VERSION_KEY, VERSION = b"jaxrec.logs", b"2"
ALWAYS, USERS, DECISIONS, OPTIONAL = (
    ("user", "step", "policy"),
    ("slate", "choice"),
    ("action", "reward"),
    ("propensity", "observation"),
)
COLUMNS = {b"1": (*ALWAYS, *USERS), b"2": (*ALWAYS, "identity", *USERS, *DECISIONS, *OPTIONAL)}
"""Version of the schema -> the columns that are read."""


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
    parse(table, "logs")
    with replacing(path) as temporary:
        pyarrow.parquet.write_table(table, temporary, compression="zstd")


def read_logs(path: str | Path) -> Logs:
    """Reads a file and checks all of it.

    Returns:
        Users sorted by their `user`, padded to the longest trajectory; policies in the order of their first users;
        identities numbered from 0 in their order.

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
            version = _version((file.schema_arrow.metadata, file.metadata.metadata), path)
            table = file.read(columns=_known_columns(file.schema_arrow, version, path))
    except (pyarrow.ArrowException, OSError) as error:
        raise checks.InputError(f"path={str(path)!r} cannot be read as Parquet: {error}") from error
    return parse(table, str(path))


def _table(logs: Logs) -> Table:
    """Makes a table with one row for each valid step."""
    import pyarrow as pa

    steps = np.shape(logs.valid)
    for name, part in logs.parts.items():
        more = {"slates": (BINS,), "observations": (None,)}.get(name, ())
        checks.shaped(name, part, (*steps, *more))
    whose = {} if logs.identity is None else {"identity": logs.identity}
    for name, part in ({"policy": logs.policy} | whose).items():
        checks.shaped(name, part, steps[:1])
    checks.within("policy", logs.policy, 0, len(logs.policies) - 1)
    valid = np.asarray(logs.valid)
    silent = ~valid.any(axis=1)
    if silent.any():
        raise checks.InputError(f"logs must have a step of each user, got none of user {silent.argmax()}")
    user, step = np.nonzero(valid)
    columns = {"user": pa.array(user, pa.int64()), "step": pa.array(step.astype(np.int32))}
    for name, part in logs.parts.items():
        if name != "valid":
            columns[_IN_FILE[name]] = _column(name, np.asarray(part)[user, step])
    columns["policy"] = pa.array(logs.policies, pa.string()).take(pa.array(np.asarray(logs.policy)[user]))
    columns |= {name: pa.array(np.asarray(part)[user], pa.int64()) for name, part in whose.items()}
    _check_pairs(list(columns), "logs")
    return pa.table(columns).replace_schema_metadata({VERSION_KEY: VERSION})


_IN_FILE = {
    "slates": "slate",
    "choices": "choice",
    "actions": "action",
    "propensities": "propensity",
    "rewards": "reward",
    "observations": "observation",
}
"""Part of `Logs` -> its column."""


def _column(name: str, values: np.ndarray) -> Any:
    """Makes a column of the values of a part in every row."""
    import pyarrow as pa

    whole = name in ("choices", "actions") or (name == "observations" and values.dtype.kind in "biu")
    values = values.astype(np.int32 if whole else np.float32)
    if name in ("slates", "observations"):
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return pa.array(values, mask=np.isnan(values) if name == "propensities" else None)


def _is_number(kind: DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_known_or_null(kind: DataType) -> bool:
    import pyarrow as pa

    return _is_number(kind) or pa.types.is_null(kind)


def _is_string(kind: DataType) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_slate(kind: DataType) -> bool:
    import pyarrow as pa

    return _is_list(kind) and pa.types.is_floating(kind.value_type)


def _is_observation(kind: DataType) -> bool:
    return _is_number(kind.value_type if _is_list(kind) else kind)


def _is_list(kind: DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)


_KINDS: dict[str, tuple[str, Callable[[DataType], bool]]] = {
    "user": ("int64", _is_number),
    "step": ("int32", _is_number),
    "slate": (f"fixed_size_list<float32>[{BINS}]", _is_slate),
    "choice": ("int32", _is_number),
    "policy": ("string", _is_string),
    "identity": ("int64", _is_number),
    "action": ("int32", _is_number),
    "reward": ("float32", _is_number),
    "propensity": ("float32", _is_known_or_null),
    "observation": ("fixed_size_list<float32 or int32>[n]", _is_observation),
}


def _version(metadata: tuple[dict[bytes, bytes] | None, ...], path: Path) -> bytes:
    """Reads the metadata of the Arrow schema and of the file itself, of which some writers keep only the latter."""
    found = sorted({each[VERSION_KEY] for each in metadata if each and VERSION_KEY in each})
    if len(found) != 1 or found[0] not in COLUMNS:
        shown = " and ".join(repr(version.decode(errors="replace")) for version in found) or "none"
        known = " or ".join(repr(version.decode()) for version in COLUMNS)
        raise checks.InputError(
            f"path={str(path)!r}: the metadata {VERSION_KEY.decode()!r} must be {known}, got {shown}"
        )
    return found[0]


def _known_columns(schema: Schema, version: bytes, path: Path) -> list[str]:
    """Names the columns to read. Raises InputError for those that are missing, double or of another type."""
    where, needed = f"path={str(path)!r}", (*ALWAYS, *(USERS if version == b"1" else ()))
    names = [name for name in COLUMNS[version] if name in schema.names or name in needed]
    for name in names:
        if (found := schema.names.count(name)) != 1:
            raise checks.InputError(
                f"{where} must have one column {name!r}, got {found} among {', '.join(schema.names)}"
            )
        (wanted, fits), kind = _KINDS[name], schema.field(name).type
        if not fits(kind):
            raise checks.InputError(f"{where}: column {name!r} must be {wanted}, got {kind}")
    _check_pairs(names, where)
    return names


def _check_pairs(names: list[str], where: str) -> None:
    """Raises InputError unless columns that belong together are all present, and one pair is."""
    for pair in (USERS, DECISIONS):
        present = [name for name in pair if name in names]
        if len(present) == 1:
            raise checks.InputError(f"{where} must have {' and '.join(map(repr, pair))} together, got {present[0]!r}")
    if not {*DECISIONS, *USERS} & set(names):
        raise checks.InputError(f"{where} must have 'action' and 'reward', or 'slate' and 'choice', got neither")
    alone = [name for name in OPTIONAL if name in names and "action" not in names]
    if alone:
        raise checks.InputError(f"{where} must have 'action' next to {alone[0]!r}, got no 'action'")
