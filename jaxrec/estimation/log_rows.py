"""The rows of a file of logs: each is checked, and refused with its number and the column that is wrong."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import jax.numpy as jnp
import numpy as np

from jaxrec import checks
from jaxrec.envs.preference.dynamics import BINS
from jaxrec.estimation.logs import PADDING, Logs

if TYPE_CHECKING:
    from pyarrow import Array as Column
    from pyarrow import Table
else:  # pyarrow is imported where a file is read or written: it takes a while
    Column = Table = Any

SUM_TOLERANCE = 1e-4
MAX_INT32 = 2**31 - 1


class Rows:
    """Refuses a file, with the row that is wrong."""

    def __init__(self, where: str):
        self.where = where

    def refuse(self, column: str, must: str, found: object, row: object) -> NoReturn:
        """Raises InputError.

        Args:
            column: the column that is wrong.
            must: what it must do.
            found: what stands in it.
            row: its number, from 0.

        Raises:
            InputError: always.
        """
        raise checks.InputError(f"{self.where}: column {column!r} must {must}, got {found} in row {row}")

    def check(self, column: str, must: str, bad: np.ndarray, found: Callable[[Any], object]) -> None:
        """Refuses the first row that is bad, if any is.

        Args:
            column: the column.
            must: what each of its values must do.
            bad: bool[rows].
            found: row -> a description of its value.

        Raises:
            InputError: if a row is bad.
        """
        if bad.any():
            row = bad.argmax()
            self.refuse(column, must, found(row), row)


def parse(table: Table, where: str) -> Logs:
    """Checks a table with the right schema row by row, and makes padded logs of it."""
    import pyarrow as pa

    rows = Rows(where)
    if table.num_rows == 0:
        raise checks.InputError(f"{where} must have at least one row, got none")
    columns = {name: pa.concat_arrays(table.column(name).chunks) for name in table.column_names}
    for name, column in columns.items():
        if column.null_count and name != "propensity":
            rows.check(name, "have no nulls", column.is_null().to_numpy(zero_copy_only=False), lambda _: "null")
    parts = (_of_users(columns, rows) if "slate" in columns else {}) | (
        _of_decisions(columns, rows) if "action" in columns else {}
    )
    ids, user = np.unique(_whole(columns, "user", rows), return_inverse=True)
    step = _whole(columns, "step", rows)
    first = _first_rows(ids, user, step, rows)
    names, policy = _policies(columns["policy"], ids, user, first, rows)
    used, at, numbered = np.unique(policy[first], return_index=True, return_inverse=True)
    whose = {"identity": _identities(columns, ids, user, first, rows)} if "identity" in columns else {}
    shape = len(ids), int(step.max()) + 1

    def laid_out(name: str, values: np.ndarray) -> Any:
        whole = np.full((*shape, *values.shape[1:]), PADDING[name], values.dtype)
        whole[user, step] = values
        return jnp.asarray(whole)

    return Logs(
        valid=laid_out("valid", np.ones(len(user), bool)),
        policy=jnp.asarray(np.argsort(np.argsort(at))[numbered], jnp.int32),
        policies=tuple(names[used[number]] for number in np.argsort(at)),
        **whose,
        **{name: laid_out(name, values) for name, values in parts.items()},
    )


def _policies(
    column: Column, ids: np.ndarray, user: np.ndarray, first: np.ndarray, rows: Rows
) -> tuple[list[str], np.ndarray]:
    """Gives the names of the policies, and the index of that of every row; refuses a user with two."""
    import pyarrow as pa

    shown_by = column.cast(pa.string()).dictionary_encode()
    names, policy = shown_by.dictionary.to_pylist(), shown_by.indices.to_numpy()
    rows.check(
        "policy",
        "be one for each user",
        policy != policy[first][user],
        lambda row: f"{names[policy[row]]!r} after {names[policy[first[user[row]]]]!r} for user {ids[user[row]]}",
    )
    return names, policy


def _identities(columns: dict[str, Column], ids: np.ndarray, user: np.ndarray, first: np.ndarray, rows: Rows) -> Any:
    """Numbers the identities of users from 0 in their order, int32[users]; refuses a user with two."""
    who = _whole(columns, "identity", rows)
    rows.check(
        "identity",
        "be one for each user",
        who != who[first][user],
        lambda row: f"{who[row]} after {who[first[user[row]]]} for user {ids[user[row]]}",
    )
    return jnp.asarray(np.unique(who[first], return_inverse=True)[1], jnp.int32)


def _whole(columns: dict[str, Column], name: str, rows: Rows) -> np.ndarray:
    """Reads integers, which may be stored as floats: pandas makes floats of integers with gaps."""
    values = columns[name].to_numpy()
    if values.dtype.kind != "f":
        return values
    bits = np.finfo(values.dtype).nmant + 1
    whole = (values == np.floor(values)) & (np.abs(values) < 2.0**bits)
    rows.check(name, f"be a whole number of at most {bits} bits", ~whole, lambda row: values[row])
    return values.astype(np.int64)


def _of_users(columns: dict[str, Column], rows: Rows) -> dict[str, np.ndarray]:
    """Reads slates, float32[rows, 36], and choices, int32[rows]."""
    slate, choice = _slates(columns["slate"], rows), _whole(columns, "choice", rows)
    rows.check("choice", f"be within [0, {BINS - 1}]", (choice < 0) | (choice >= BINS), lambda row: choice[row])
    unseen = slate[np.arange(len(choice)), choice.astype(int)] < np.finfo(np.float32).tiny
    rows.check("choice", "have a probability above 0 in its slate", unseen, lambda row: f"choice {choice[row]} with 0")
    return {"slates": slate, "choices": choice.astype(np.int32)}


def _of_decisions(columns: dict[str, Column], rows: Rows) -> dict[str, np.ndarray]:
    """Reads actions, int32[rows], rewards, float32[rows], and what there is of propensities and observations."""
    import pyarrow as pa

    action = _whole(columns, "action", rows)
    rows.check("action", f"be within [0, {MAX_INT32}]", (action < 0) | (action > MAX_INT32), lambda row: action[row])
    with np.errstate(over="ignore"):
        reward = columns["reward"].to_numpy().astype(np.float32)
    rows.check("reward", "be finite", ~np.isfinite(reward), lambda row: columns["reward"][int(row)])
    parts = {"actions": action.astype(np.int32), "rewards": reward}
    if "propensity" in columns:
        chance = columns["propensity"].cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float32)
        rows.check("propensity", "be within (0, 1], or null", (chance <= 0) | (chance > 1), lambda row: chance[row])
        if not np.isnan(chance).all():
            parts["propensities"] = chance
    if "observation" in columns:
        parts["observations"] = _observations(columns["observation"], rows)
    return parts


def _items(column: Column, name: str, length: int, rows: Rows) -> Column:
    """Gives the items of lists of one length, in a row; refuses other lengths and nulls among the items."""
    import pyarrow.compute as pc

    lengths = pc.call_function("list_value_length", [column]).to_numpy()
    rows.check(name, f"have {length} items", lengths != length, lambda row: lengths[row])
    items = column.flatten()
    if items.null_count:
        missing = items.is_null().to_numpy(zero_copy_only=False).reshape(-1, length).any(axis=1)
        rows.check(name, "have no nulls", missing, lambda _: "null")
    return items


def _observations(column: Column, rows: Rows) -> np.ndarray:
    """Reads lists of one length, or numbers, as float32[rows, n], or int32[rows, n] where they are integers."""
    import pyarrow as pa

    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        items, length = column, 1
    else:
        length = len(column[0])
        if not length:
            rows.refuse("observation", "have at least one item", 0, 0)
        items = _items(column, "observation", length, rows)
    values = items.to_numpy().reshape(-1, length)
    if values.dtype.kind in "iu":
        outside = ((values < -MAX_INT32 - 1) | (values > MAX_INT32)).any(axis=1)
        rows.check("observation", "be of int32", outside, lambda row: values[row].tolist())
        return values.astype(np.int32)
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    rows.check("observation", "be finite", ~np.isfinite(numbers).all(axis=1), lambda row: values[row].tolist())
    return numbers


def _slates(column: Column, rows: Rows) -> np.ndarray:
    """Reads the lists in a column as float32[rows, 36]."""
    import pyarrow as pa

    slate = _items(column, "slate", BINS, rows).cast(pa.float32()).to_numpy().reshape(-1, BINS)
    low = slate.min(axis=1)
    rows.check("slate", "be non-negative", ~(low >= 0), lambda row: low[row])
    total = slate.sum(axis=1, dtype=float)
    off = ~(np.abs(total - 1) <= SUM_TOLERANCE)
    rows.check("slate", f"sum to 1 within {SUM_TOLERANCE}", off, lambda row: total[row])
    return slate


def _first_rows(ids: np.ndarray, user: np.ndarray, step: np.ndarray, rows: Rows) -> np.ndarray:
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
