"""Policies on disk, to be used without the code that trained them.

One file, `policy.npz`, holds those of one training: arrays as NumPy writes them, and `about.json` that says what they
are the arrays of, and what each run was given (`unzip -p policy.npz about.json` shows it). Classes are named by where
they are imported from, with their fields; nothing is pickled.
"""

import dataclasses
import importlib
import json
import math
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from numpy.lib.npyio import NpzFile

from jaxrec import checks
from jaxrec.runtime.atomic_files import DAMAGED, replacing
from jaxrec.version import __version__

FILE = "policy.npz"
FORMAT = 2  # what this version writes and reads; 1 had other names for fields
SHOWN = 1000  # numbers of an array that the text lists
PUBLIC = ("flax.linen", "jax.nn", "jax.numpy")  # where a function is looked for first, instead of where it is defined


@dataclass(frozen=True)
class SavedPolicies:
    """The policies of one training; each has a leading axis of runs on every leaf.

    Attributes:
        last: after all that was learned so far.
        updates: learned from so far.
        best: those with the highest score so far.
        score: float[runs], what the best earned; -inf where none was scored yet.
        best_updates: int[runs], what the best had learned from.
        about: what the file says of itself.
    """

    last: PyTree
    updates: int
    best: PyTree
    score: np.ndarray
    best_updates: np.ndarray
    about: dict[str, Any]


@checks.known_keywords
def load_policy(folder: str | Path, run: int | None = 0, best: bool = False) -> PyTree:
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


def read(folder: str | Path) -> SavedPolicies:
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
            if about["format"] < FORMAT:
                raise checks.InputError(
                    f"{str(path)!r} is of version {about['format']}, written before the first release, when fields had "
                    "other names: train again"
                )
            last, best = (_read(about["policy"], arrays, f"{name}/") for name in ("last", "best"))
            score, best_updates = (np.array(_read(about[name], arrays, "")) for name in ("score", "best_updates"))
            return SavedPolicies(last, about["updates"], best, score, best_updates, about)
    except checks.InputError:
        raise
    except DAMAGED as error:
        raise checks.InputError(f"{str(path)!r} cannot be read: {type(error).__name__}: {error}") from None


def write(
    folder: Path,
    last: PyTree,
    updates: int,
    best: PyTree,
    score: np.ndarray,
    best_updates: np.ndarray,
    given: Mapping[str, Any] | None = None,
    **about: object,
) -> str:
    """Writes `policy.npz`, atomically: see `SavedPolicies`. What no file can hold it names.

    Args:
        folder: where to.
        last: as in `SavedPolicies`, like the next four.
        updates: of the last.
        best: those with the highest score.
        score: of the best.
        best_updates: of the best.
        given: what tells the runs apart, with a leading axis of runs on every leaf: in the text alone, so that of a
            large array there is but the shape.
        **about: what else the file says of itself.

    Returns:
        Why no other program could load it, and what to do, in a line; empty if one could.
    """
    told, ours, theirs = {}, {}, {}  # arrays by name
    text: dict[str, Any] = {
        "format": FORMAT,
        "jaxrec": __version__,
        **{name: _written(value, told, name) for name, value in about.items()},
        **{name: _written(value, None) for name, value in (given or {}).items()},
    }
    text |= {"runs": len(score), "updates": updates}
    text |= {name: _written(value.tolist(), told) for name, value in (("score", score), ("best_updates", best_updates))}
    text["policy"] = _written(last, ours)
    _written(best, theirs)  # the same, but for its arrays
    arrays = told | {f"last/{name}": array for name, array in ours.items()}
    arrays |= {f"best/{name}": array for name, array in theirs.items()}
    _pack(folder / FILE, text, arrays)
    lost = ", ".join(sorted(set(_lost(text["policy"]))))
    return lost and (
        f"{str(folder / FILE)!r} can be loaded by no other program, as none can import {lost}: define that at the top "
        "level of a module, import it from there, and call `fit` again"
    )


def _pack(path: Path, text: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes text and arrays into one archive, whole or not at all."""
    with (
        replacing(path) as temporary,
        # The lowest level: most of what there is to gain, in cells that no training has visited, for half of the time.
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        archive.writestr(zipfile.ZipInfo("about.json"), _laid_out(text))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def _laid_out(text: dict[str, Any]) -> str:
    """JSON with each list of numbers on one line."""
    told = json.dumps(text, indent=1, allow_nan=False)
    return re.sub(r"\[\n([^][{}\"]+)\]", lambda found: f"[{' '.join(found[1].split())}]", told)


def _lost(written: object) -> Iterator[str]:
    """What a policy is made of that another program cannot import: of a script, of a notebook, or within a function."""
    if isinstance(written, list):
        for part in written:
            yield from _lost(part)
    if isinstance(written, dict):
        home = written.get("class") or written.get("function")
        module, _, name = (home or "").partition(":")
        if home and (module == "__main__" or not hasattr(sys.modules.get(module), name)):
            yield home
        if "unknown" in written:
            yield written["unknown"].partition("\n")[0][:100]
        for parts in (written.get("items", {}), written.get("fields", {})):
            yield from _lost(list(parts.values()))


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


def _written(value: object, arrays: dict[str, np.ndarray] | None, *path: str) -> Any:
    """`value` as JSON; its arrays go to `arrays`, by where they are in it; if that is None, they are listed."""
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
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        if arrays is None:
            return _listed(value)
        if not jnp.issubdtype(value.dtype, jax.dtypes.extended):
            arrays["/".join(path)] = np.asarray(value)
            return {"array": "/".join(path), "type": str(value.dtype)}  # NumPy's own file has not all types of JAX
    if callable(value) and hasattr(value, "__name__"):
        public = (each for each in PUBLIC if getattr(importlib.import_module(each), value.__name__, None) is value)
        return {"function": next((f"{each}:{value.__name__}" for each in public), _home(value))}
    return {"unknown": repr(value)}


def _listed(array: np.ndarray | np.generic | jax.Array) -> Any:
    """Its numbers, or how many there are; of keys, what they are made of."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return {"impl": str(jax.random.key_impl(array)), "data": _listed(jax.random.key_data(array))}  # type: ignore
    return _written(np.asarray(array).tolist(), None) if array.size <= SHOWN else f"{array.dtype}{list(array.shape)}"


def _read(written: object, arrays: NpzFile, prefix: str) -> Any:
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
    """Where a class or function is imported from: the outermost package that makes it public, so that files last.

    A class of jaxrec may move to another module of its package; what the package exports stays.
    """
    parts = thing.__module__.split(".")
    packages = (".".join(parts[:depth]) for depth in range(1, len(parts)))
    public = (each for each in packages if getattr(sys.modules.get(each), thing.__qualname__, None) is thing)
    return f"{next(public, thing.__module__)}:{thing.__qualname__}"


def _imported(home: str) -> Any:
    module, _, name = home.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise checks.InputError(f"the policy is made of {home}, which cannot be imported: {error}") from None
