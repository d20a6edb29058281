"""States of a training on disk, so that it goes on where it was cut off, bit for bit."""

import contextlib
import json
import shutil
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrec import checks
from jaxrec.runtime import processes
from jaxrec.training.fingerprint import differing

KEPT = 2  # should the last be unreadable

History = list[tuple[int, dict[str, np.ndarray]]]
"""Batches done, and the metrics of the chunk that they end: what a training told on its way."""


@dataclass
class _Spent:
    """Of this process."""

    seconds: float = 0.0


_spent = _Spent()


def seconds() -> float:
    """How long the trainings of this process have waited so far for what they keep."""
    return _spent.seconds


@contextlib.contextmanager
def keeping() -> Iterator[None]:
    """Within, time counts as `seconds`."""
    started = time.perf_counter()
    try:
        yield
    finally:
        _spent.seconds += time.perf_counter() - started


class Checkpoints:
    """The checkpoints of one training in a folder; written whole or not at all, while the training goes on.

    Of several processes that train together, the first alone writes and reads; every one calls every method.

    Args:
        path: the folder; made if it does not exist.
        about: what the training is. Checkpoints of another are refused.

    Raises:
        InputError: if `path` is no folder, or cannot be written.
    """

    @keeping()
    def __init__(self, path: str | Path, about: str):
        self.path, self._about = Path(path).absolute(), about
        processes.run_on_main(self._open)

    def _open(self) -> None:
        import orbax.checkpoint as ocp

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob(f"*{ocp.utils.TMP_DIR_SUFFIX}*"):
                _remove(left)
        except OSError as error:
            raise checks.InputError(f"checkpoints={str(self.path)!r} cannot be made or written: {error}") from None
        alone = ocp.options.MultiprocessingOptions(active_processes={0}) if processes.is_distributed() else None
        options = ocp.CheckpointManagerOptions(
            max_to_keep=KEPT,
            **({"multiprocessing_options": alone, "create": False} if alone else {}),
        )
        self._args, self._manager = ocp.args, ocp.CheckpointManager(self.path, options=options)

    @keeping()
    def save(self, updates: int, state: Any, history: History) -> None:
        """Keeps the state after so many updates, and how it came there; returns before it is written.

        Raises:
            OSError: if the one before could not be written, for instance on a full disk; as `latest` and `close`.
        """
        leaves = {name: _copy(leaf) for name, leaf in processes.all_gather(_named(_raw(state))).items()}
        if not processes.is_main():
            return
        told = [_told(*chunk) for chunk in history]
        written = self._args.Composite(
            state=self._args.StandardSave(leaves),
            about=self._args.JsonSave({"training": self._about, "checksums": self._checksums(leaves, told)}),
            history=self._args.JsonSave({"chunks": told}),
        )
        with self._writing():
            self._manager.save(updates, args=written)

    def latest(self) -> str | None:
        """The path of the last checkpoint, once it is written whole."""
        return processes.run_on_main(self._latest)

    def _latest(self) -> str | None:
        with self._writing():
            self._manager.wait_until_finished()
        step = self._manager.latest_step()
        return None if step is None else str(self.path / str(step))

    def restore(self, template: Any) -> tuple[int, Any, History] | None:
        """(updates, state, history) of the last checkpoint that can be read, the state shaped as `template`, or None.

        Raises:
            InputError: if it is of another training, or none of those that are there can be read.

        Warns:
            UserWarning: if the last cannot be read; it is put aside, as `unreadable-BATCHES`.
        """
        raw = _raw(template)
        shapes = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in _named(raw).items()}
        found = processes.run_on_main(lambda: self._last_readable(shapes))
        if found is None:
            return None
        step, leaves, told = found
        # As new arrays, which no device is bound to: a training that goes on compiles what it would have compiled.
        fresh = {name: jnp.array(leaf) for name, leaf in leaves.items()}
        state = [fresh.get(str(i), leaf) for i, leaf in enumerate(jax.tree.leaves(raw))]
        state = jax.tree.unflatten(jax.tree.structure(raw), state)
        return step, jax.tree.map(_typed, template, state), [_heard(chunk) for chunk in told]

    def _last_readable(self, shapes: dict[str, Any]) -> tuple[int, dict[str, np.ndarray], list[Any]] | None:
        failed: dict[int, Exception] = {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                leaves, told = self._load(step, shapes)
            except checks.InputError:
                raise
            except Exception as error:  # whatever orbax, or what it stands on, makes of a broken file
                failed[step] = error
                continue
            for broken in failed:  # out of the way of the one that will be written anew
                (self.path / str(broken)).rename(self._aside(broken))
            self._manager.reload()
            for broken, error in failed.items():
                warnings.warn(
                    f"checkpoint {broken} in {str(self.path)!r} cannot be read: {_brief(error)}; it is put aside, and "
                    f"the training goes on from {step}",
                    stacklevel=5,
                )
            return step, leaves, told
        if failed:
            each = "; ".join(f"{step}: {_brief(error)}" for step, error in failed.items())
            raise checks.InputError(
                f"no checkpoint in {str(self.path)!r} can be read: remove them to begin this training again: {each}"
            )
        return None

    def _load(self, step: int, shapes: dict[str, Any]) -> tuple[dict[str, np.ndarray], list[Any]]:
        about = self._read(step, "about", self._args.JsonRestore())
        if about["checksums"][0] != zlib.crc32(about["training"].encode()):
            raise ValueError("what was written is not what is there")
        if about["training"] != self._about:
            theirs, ours = differing(about["training"], self._about)
            raise checks.InputError(
                f"checkpoints={str(self.path)!r} are of another training; name another folder, or train what it holds: "
                f"theirs has {theirs}; this one {ours}"
            )
        leaves = self._read(step, "state", self._args.StandardRestore(shapes))
        leaves = {name: np.asarray(leaf) for name, leaf in leaves.items()}
        told = self._read(step, "history", self._args.JsonRestore())["chunks"]
        if self._checksums(leaves, told) != about["checksums"]:
            raise ValueError("what was written is not what is there")
        return leaves, told

    def _checksums(self, leaves: dict[str, np.ndarray], told: list[dict[str, Any]]) -> list[int]:
        """CRC-32 of what the training is, and of all that is kept: orbax misses bits that change on a disk."""
        kept = zlib.crc32(json.dumps(told).encode())
        for name in sorted(leaves):
            kept = zlib.crc32(np.ascontiguousarray(leaves[name]).reshape(-1).view(np.uint8).data, kept)
        return [zlib.crc32(self._about.encode()), kept]

    def _aside(self, step: int) -> Path:
        """A free name: the same checkpoint may break again."""
        names = (f"unreadable-{step}{f'-{number}' if number else ''}" for number in range(1000))
        return next(path for path in map(self.path.joinpath, names) if not path.exists())

    def _read(self, step: int, part: str, how: Any) -> Any:
        return self._manager.restore(step, args=self._args.Composite(**{part: how}))[part]

    @keeping()
    def close(self) -> None:
        """Waits until all is written."""
        if not processes.is_main():
            return
        with self._writing(), contextlib.closing(self._manager):
            self._manager.wait_until_finished()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """What goes wrong in the background, whatever it is called there, is told by what is called next."""
        try:
            yield
        except Exception as error:
            raise OSError(f"no checkpoint can be written in {str(self.path)!r}: {_brief(_first(error))}") from error


class _Unchanging(np.ndarray):
    """A copy already: of other arrays orbax makes one before it writes them, which for large tables takes long."""

    def __deepcopy__(self, memo: dict[int, Any] | None) -> "_Unchanging":
        return self


def _remove(folder: Path, patience: float = 10.0) -> None:
    """Removes what a process left that was killed, or that found the disk full.

    If that was this process, a write may still be under way into the folder, which orbax's own removal fails on.
    """
    until = time.monotonic() + patience
    if folder.is_file():
        folder.unlink()
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < until)
        time.sleep(0.01)


def _copy(leaf: Any) -> np.ndarray:
    """On the host: the training gives its arrays away before they are written."""
    array = np.asarray(leaf)  # a copy, unless all of it is in the memory of the host
    return (array if array.flags.owndata else array.copy()).view(_Unchanging)


def _told(updates: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
    """A chunk as JSON, which gives every bit back: floats are written with as many digits as they need."""
    return {
        "updates": updates,
        "metrics": {name: {"type": str(value.dtype), "values": value.tolist()} for name, value in metrics.items()},
    }


def _heard(chunk: dict[str, Any]) -> tuple[int, dict[str, np.ndarray]]:
    metrics = {name: np.array(each["values"], each["type"]) for name, each in chunk["metrics"].items()}
    return chunk["updates"], metrics


def _first(error: BaseException) -> BaseException:
    """What went wrong on the disk before what then went wrong, such as the removal of what was begun."""
    while error.__context__:
        error = error.__context__
    return error


def _brief(error: BaseException) -> str:
    """One line of what may be many; of a long one the ends: what failed, and why."""
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    return line if len(line) <= 200 else f"{line[:97]} ... {line[-98:]}"


def _named(raw: Any) -> dict[str, Any]:
    """The leaves by their number; without empty ones, which orbax refuses to write."""
    return {str(i): leaf for i, leaf in enumerate(jax.tree.leaves(raw)) if leaf.size}


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _raw(state: Any) -> Any:
    """With the words of typed keys in their place."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, state)


def _typed(like: Any, leaf: Any) -> Any:
    return jax.random.wrap_key_data(leaf, impl=jax.random.key_impl(like)) if _is_key(like) else leaf
