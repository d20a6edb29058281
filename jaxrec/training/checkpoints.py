"""States of a training on disk, so that it goes on where it was cut off, bit for bit."""

import contextlib
import json
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.runtime import processes
from jaxrec.training import encoding
from jaxrec.training.fingerprint import differing

KEPT = 2  # should the last be unreadable

SHARE = 0.05  # of its time that a training spends on checkpoints, at most, but for the last

History = list[tuple[int, dict[str, np.ndarray]]]
"""Updates done, and the metrics of the chunk that they end."""


class Training(NamedTuple):
    """Where a training stands.

    Attributes:
        updates: done so far.
        state: of all runs.
        best: the best policies so far; None where none are scored.
        history: the metrics of all chunks so far.
    """

    updates: int
    state: PyTree
    best: PyTree
    history: History


class NoCheckpoints:
    """Keeps nothing: in the place of `Checkpoints`."""

    def restore(self, start: Training) -> Training:
        """The start."""
        return start

    def save_if_due(self, training: Training, num_updates: int) -> None:
        """Does nothing."""

    def latest(self) -> str | None:
        """There is none."""
        return None

    def close(self) -> None:
        """Does nothing."""


class Checkpoints:
    """The checkpoints of one training in a folder; written whole or not at all, while the training goes on.

    Of several processes that train together, the first alone writes and reads; every one calls every method.
    """

    def __init__(self, path: str | Path, about: str, seconds: float = 60.0):
        """Opens the folder.

        Args:
            path: the folder; made if it does not exist.
            about: what the training is. Checkpoints of another are refused.
            seconds: the state is kept at the end of a chunk so long after the last time, later where keeping it took
                more than a twentieth of that; 0: at the end of every chunk.

        Raises:
            InputError: if `path` is no folder, or cannot be written.
        """
        self.path, self._about, self._seconds = Path(path).absolute(), about, seconds
        self._saved, self._spent = time.monotonic(), 0.0
        processes.run_on_main(self._open)

    def _open(self) -> None:
        import orbax.checkpoint as ocp

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob(f"*{ocp.utils.TMP_DIR_SUFFIX}*"):
                encoding.remove(left)
        except OSError as error:
            raise checks.InputError(f"checkpoints={str(self.path)!r} cannot be made or written: {error}") from None
        alone = ocp.options.MultiprocessingOptions(active_processes={0}) if processes.is_distributed() else None
        options = ocp.CheckpointManagerOptions(
            max_to_keep=KEPT,
            **({"multiprocessing_options": alone, "create": False} if alone else {}),
        )
        self._args, self._manager = ocp.args, ocp.CheckpointManager(self.path, options=options)

    def save_if_due(self, training: Training, num_updates: int) -> None:
        """Keeps the training where it is not the last chunk and enough time has gone by."""
        interval = max(self._seconds, self._spent / SHARE) if self._seconds else 0.0
        due = processes.run_on_main(lambda: time.monotonic() - self._saved >= interval)
        if due and training.updates < num_updates:
            before = time.monotonic()
            self.save(training)
            self._saved = time.monotonic()
            self._spent = self._saved - before

    def save(self, training: Training) -> None:
        """Keeps the training; returns before it is written.

        Raises:
            OSError: if the one before could not be written, for instance on a full disk; as `latest` and `close`.
        """
        raw = encoding.numbered(encoding.without_keys((training.state, training.best)))
        leaves = {name: encoding.host_copy(leaf) for name, leaf in processes.all_gather(raw).items()}
        if not processes.is_main():
            return
        told = [encoding.to_json(*chunk) for chunk in training.history]
        written = self._args.Composite(
            state=self._args.StandardSave(leaves),
            about=self._args.JsonSave({"training": self._about, "checksums": self._checksums(leaves, told)}),
            history=self._args.JsonSave({"chunks": told}),
        )
        with self._writing():
            self._manager.save(training.updates, args=written)

    def latest(self) -> str | None:
        """The path of the last checkpoint, once it is written whole."""
        return processes.run_on_main(self._latest)

    def _latest(self) -> str | None:
        with self._writing():
            self._manager.wait_until_finished()
        step = self._manager.latest_step()
        return None if step is None else str(self.path / str(step))

    def restore(self, start: Training) -> Training:
        """The last checkpoint that can be read; `start`, whose state has its shapes, where there is none.

        Raises:
            InputError: if it is of another training, or none of those that are there can be read.

        Warns:
            UserWarning: if the last cannot be read; it is put aside, as `unreadable-BATCHES`.
        """
        template = start.state, start.best
        raw = encoding.without_keys(template)
        shapes = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in encoding.numbered(raw).items()}
        found = processes.run_on_main(lambda: self._last_readable(shapes))
        self._saved = time.monotonic()
        if found is None:
            return start
        step, leaves, told = found
        # As new arrays, which no device is bound to: a training that goes on compiles what it would have compiled.
        fresh = {name: jnp.array(leaf) for name, leaf in leaves.items()}
        state = [fresh.get(str(i), leaf) for i, leaf in enumerate(jax.tree.leaves(raw))]
        state = jax.tree.unflatten(jax.tree.structure(raw), state)
        state, best = jax.tree.map(encoding.with_key, template, state)
        return Training(step, state, best, [encoding.from_json(chunk) for chunk in told])

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
                    f"checkpoint {broken} in {str(self.path)!r} cannot be read: {encoding.brief(error)}; it is "
                    f"put aside, and the training goes on from {step}",
                    stacklevel=7,  # where `fit` is called
                )
            return step, leaves, told
        if failed:
            each = "; ".join(f"{step}: {encoding.brief(error)}" for step, error in failed.items())
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
            raise OSError(
                f"no checkpoint can be written in {str(self.path)!r}: {encoding.brief(encoding.first_error(error))}"
            ) from error
