"""Policies on disk, to be used without the code that trained them.

One file, `policy.npz`, holds those of one training: arrays as NumPy writes them, and `about.json` that says what they
are the arrays of (`unzip -p policy.npz about.json` shows it). Classes are named by where they are imported from, with
their fields; nothing is pickled.
"""

import dataclasses
import importlib
import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrec import checks
from jaxrec.files import replacing

FILE = "policy.npz"
FORMAT = 1  # what this version writes, and the newest that it reads
PUBLIC = ("flax.linen", "jax.nn", "jax.numpy")  # where a function is looked for first, instead of where it is defined


@dataclass(frozen=True)
class Saved:
    """The policies of one training; each has a leading axis of runs on every leaf.

    Attributes:
        last: after all that was learned so far.
        batches: learned from so far.
        best: those with the highest score so far.
        score: float[runs], what the best earned; -inf where none was scored yet.
        best_batches: int[runs], what the best had learned from.
        about: what the file says of itself.
    """

    last: Any
    batches: int
    best: Any
    score: np.ndarray
    best_batches: np.ndarray
    about: dict[str, Any]


def load_policy(folder: str | Path, run: int | None = 0, best: bool = False) -> Any:
    """A trained policy, such as `jaxrec.rollout` takes.

    Args:
        folder: of a run of a study with one training; or of one training, `checkpoints/NUMBER-TASK` in it, or what
            `fit` was given.
        run: which of those that were trained at once, counted from 0; None for all, with a leading axis of runs on
            every leaf, for `vmap`.
        best: of all that were scored on the way the one with the highest score, instead of the last; see `fit`.

    Raises:
        InputError: if there is no such folder, no policy in it, several trainings, a file that cannot be read or of a
            newer version, a class that cannot be imported, no such run, or no score.
    """
    there = read(folder)
    policy, runs = there.best if best else there.last, len(there.score)
    if run is not None and (isinstance(run, bool) or not isinstance(run, int | np.integer) or not 0 <= run < runs):
        raise checks.InputError(f"run must be an integer in 0 ... {runs - 1}, or None for all, got {run!r}")
    if best and np.isneginf(there.score if run is None else there.score[run]).any():
        raise checks.InputError(f"{str(folder)!r} has no score of every run asked for: load the last with best=False")
    return policy if run is None else jax.tree.map(lambda leaf: leaf[run], policy)


def read(folder: str | Path) -> Saved:
    """The policies of a training, with scores.

    Raises:
        InputError: as `load_policy`.
    """
    path = _find(Path(folder))
    try:
        with zipfile.ZipFile(path) as archive, np.load(path) as arrays:
            about = json.loads(archive.read("about.json"))
            if about["format"] > FORMAT:
                raise checks.InputError(
                    f"{str(path)!r} is of version {about['format']}, written by jaxrec {about['jaxrec']}; this one "
                    f"reads up to {FORMAT}: update jaxrec"
                )
            last, best = (_read(about["policy"], arrays, f"{name}/") for name in ("last", "best"))
            score, best_batches = (np.array(_read(about[name], arrays, "")) for name in ("score", "best_batches"))
            return Saved(last, about["batches"], best, score, best_batches, about)
    except checks.InputError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise checks.InputError(f"{str(path)!r} cannot be read: {type(error).__name__}: {error}") from None


def write(
    folder: Path, last: Any, batches: int, best: Any, score: np.ndarray, best_batches: np.ndarray, **about: Any
) -> None:
    """Writes `policy.npz`, atomically: see `Saved`; `about` is what else it says. What no file can hold it names."""
    from jaxrec import __version__

    told, ours, theirs = {}, {}, {}  # arrays by name
    text = {
        "format": FORMAT,
        "jaxrec": __version__,
        **{name: _written(value, told, name) for name, value in about.items()},
    }
    text |= {"runs": len(score), "batches": batches}
    text |= {name: _written(value.tolist(), told) for name, value in (("score", score), ("best_batches", best_batches))}
    text["policy"] = _written(last, ours)
    _written(best, theirs)  # the same, but for its arrays
    arrays = told | {f"last/{name}": array for name, array in ours.items()}
    arrays |= {f"best/{name}": array for name, array in theirs.items()}
    with (
        replacing(folder / FILE) as temporary,
        # The lowest level: most of what there is to gain, in cells that no training has visited, for half of the time.
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        archive.writestr(zipfile.ZipInfo("about.json"), json.dumps(text, indent=1, allow_nan=False))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def _find(folder: Path) -> Path:
    if not folder.is_dir():
        raise checks.InputError(f"there is no folder {str(folder)!r}")
    found = [path for where in ("", "*/", "checkpoints/*/") for path in sorted(folder.glob(f"{where}{FILE}"))]
    if not found:
        raise checks.InputError(f"there is no policy in {str(folder)!r}: no {FILE}, checkpoints/*/{FILE}")
    if len(found) > 1 and found[0].parent != folder:
        names = "; ".join(str(path.parent) for path in found)
        raise checks.InputError(f"{str(folder)!r} has several trainings, name one: {names}")
    return found[0]


def _written(value: Any, arrays: dict[str, np.ndarray], *path: str) -> Any:
    """`value` as JSON; its arrays go to `arrays`, by where they are in it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, list | tuple):
        return [_written(item, arrays, *path, str(number)) for number, item in enumerate(value)]
    if isinstance(value, dict):
        return {"items": {str(key): _written(item, arrays, *path, str(key)) for key, item in value.items()}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field: _written(getattr(value, field), arrays, *path, field) for field in _fields(value)}
        return {"class": _home(value.__class__), "fields": fields}
    if isinstance(value, np.ndarray | np.generic | jax.Array) and not jnp.issubdtype(value.dtype, jax.dtypes.extended):
        arrays["/".join(path)] = np.asarray(value)
        return {"array": "/".join(path), "type": str(value.dtype)}  # NumPy's own file has not all types of JAX
    if callable(value) and hasattr(value, "__name__"):
        public = (each for each in PUBLIC if getattr(importlib.import_module(each), value.__name__, None) is value)
        return {"function": next((f"{each}:{value.__name__}" for each in public), _home(value))}
    return {"unknown": repr(value)}


def _read(written: Any, arrays: Any, prefix: str) -> Any:
    """The value again; lists as tuples, which settings of networks must be."""
    if isinstance(written, list):
        return tuple(_read(item, arrays, prefix) for item in written)
    if not isinstance(written, dict):
        return written
    if "float" in written:
        return float(written["float"])
    if "items" in written:
        return {key: _read(item, arrays, prefix) for key, item in written["items"].items()}
    if "array" in written:
        return jnp.asarray(arrays[prefix + written["array"]].view(jnp.dtype(written["type"])))
    if "class" in written:
        kind = _imported(written["class"])
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            raise checks.InputError(f"{written['class']} is no dataclass: a policy cannot be made of it")
        return kind(**{field: _read(value, arrays, prefix) for field, value in written["fields"].items()})
    if "function" in written:
        return _imported(written["function"])
    raise checks.InputError(f"the policy holds what no file can: {written['unknown']}")


def _fields(value: Any) -> list[str]:
    """What a dataclass is made of again; flax adds to a network where it is within another."""
    ours = (field.name for field in dataclasses.fields(value) if field.init)
    return [name for name in ours if not (name in ("parent", "name") and hasattr(value, "scope"))]


def _home(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def _imported(home: str) -> Any:
    module, _, name = home.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise checks.InputError(f"the policy is made of {home}, which cannot be imported: {error}") from None
