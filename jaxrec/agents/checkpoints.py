"""States of a training on disk, so that it goes on where it was cut off, bit for bit."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrec import checks, hosts

KEPT = 2  # should the last be unreadable

History = list[tuple[int, dict[str, np.ndarray]]]
"""Batches done, and the metrics of the chunk that they end: what a training told on its way."""


class Checkpoints:
    """The checkpoints of one training in a folder; written whole or not at all, while the training goes on.

    Of several processes that train together, the first alone writes and reads; every one calls every method.

    Args:
        path: the folder; made if it does not exist.
        about: what the training is. Checkpoints of another are refused.

    Raises:
        InputError: if `path` is no folder, or cannot be written.
    """

    def __init__(self, path: str | Path, about: str):
        self.path, self._about = Path(path).absolute(), about
        hosts.told(self._open)

    def _open(self) -> None:
        import orbax.checkpoint as ocp

        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise checks.InputError(f"checkpoints={str(self.path)!r} cannot be a folder: {error}") from None
        alone = ocp.options.MultiprocessingOptions(active_processes={0}) if hosts.several() else None
        options = ocp.CheckpointManagerOptions(
            max_to_keep=KEPT, **({"multiprocessing_options": alone, "create": False} if alone else {})
        )
        self._args, self._manager = ocp.args, ocp.CheckpointManager(self.path, options=options)

    def save(self, batches: int, state: Any, history: History) -> None:
        """Keeps the state after so many batches, and how it came there; returns before it is written."""
        # Copies: the training gives its arrays away before they are written.
        leaves = {name: np.array(leaf) for name, leaf in hosts.whole(_named(_raw(state))).items()}
        if not hosts.is_first():
            return
        written = self._args.Composite(
            state=self._args.StandardSave(leaves),
            about=self._args.JsonSave({"training": self._about}),
            history=self._args.JsonSave({"chunks": [_told(*chunk) for chunk in history]}),
        )
        self._manager.save(batches, args=written)

    def latest(self) -> str | None:
        """The path of the last checkpoint, once it is written whole."""
        return hosts.told(self._latest)

    def _latest(self) -> str | None:
        self._manager.wait_until_finished()
        step = self._manager.latest_step()
        return None if step is None else str(self.path / str(step))

    def restore(self, template: Any) -> tuple[int, Any, History] | None:
        """(batches, state, history) of the last checkpoint, the state shaped as `template`; None if there is none.

        Raises:
            InputError: if it is of another training.
        """
        raw = _raw(template)
        shapes = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in _named(raw).items()}
        found = hosts.told(lambda: self._load(shapes))
        if found is None:
            return None
        step, leaves, chunks = found
        # As new arrays, which no device is bound to: a training that goes on compiles what it would have compiled.
        fresh = {name: jnp.array(leaf) for name, leaf in leaves.items()}
        state = [fresh.get(str(i), leaf) for i, leaf in enumerate(jax.tree.leaves(raw))]
        state = jax.tree.unflatten(jax.tree.structure(raw), state)
        return step, jax.tree.map(_typed, template, state), [_heard(chunk) for chunk in chunks]

    def _load(self, shapes: dict[str, Any]) -> tuple[int, dict[str, np.ndarray], list[Any]] | None:
        step = self._manager.latest_step()
        if step is None:
            return None
        about = self._read(step, "about", self._args.JsonRestore())["training"]
        if about != self._about:
            raise checks.InputError(
                f"checkpoints={str(self.path)!r} are of another training; name another folder, or train what it holds: "
                f"{about}"
            )
        leaves = self._read(step, "state", self._args.StandardRestore(shapes))
        chunks = self._read(step, "history", self._args.JsonRestore())["chunks"]
        return step, {name: np.asarray(leaf) for name, leaf in leaves.items()}, chunks

    def _read(self, step: int, part: str, how: Any) -> Any:
        return self._manager.restore(step, args=self._args.Composite(**{part: how}))[part]

    def close(self) -> None:
        """Waits until all is written."""
        if not hosts.is_first():
            return
        self._manager.wait_until_finished()
        self._manager.close()


def _told(batches: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
    """A chunk as JSON, which gives every bit back: floats are written with as many digits as they need."""
    return {
        "batches": batches,
        "metrics": {name: {"type": str(value.dtype), "values": value.tolist()} for name, value in metrics.items()},
    }


def _heard(chunk: dict[str, Any]) -> tuple[int, dict[str, np.ndarray]]:
    metrics = {name: np.array(each["values"], each["type"]) for name, each in chunk["metrics"].items()}
    return chunk["batches"], metrics


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
