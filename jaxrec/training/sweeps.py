"""Sweeps over hyper-parameters and seeds: all in one training, over all devices, and one table at the end."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from jax import Array
from jaxtyping import PyTree
from pyarrow import csv, parquet

from jaxrec import checks
from jaxrec.parameters import batched, canonical
from jaxrec.runtime import processes
from jaxrec.runtime.atomic_files import replacing
from jaxrec.statistics import Estimate, estimate
from jaxrec.training import fit
from jaxrec.training.agent import Agent

WRITERS = {".csv": csv.write_csv, ".parquet": parquet.write_table}


@dataclass(frozen=True)
class Sweep:
    """What came of a sweep.

    Attributes:
        states: the final states, with a leading axis of runs: those of a configuration one after the other.
        rows: one a run, in that order: hyper-parameters, `seed`, and each metric over the last chunk.
        swept: the names of the hyper-parameters.
    """

    states: PyTree
    rows: list[dict[str, Any]]
    swept: tuple[str, ...]

    def summary(self) -> list[dict[str, Any]]:
        """One row a configuration: hyper-parameters, `seeds`, and of each metric its mean over seeds, `_low`, `_high`.

        The last two are the 95 % Student-t interval; None from a single seed. A metric that some run lacks, such as the
        return where no episode ended, is averaged over the runs that have it (NaN if none has), and `_missing` says how
        many lack it.
        """
        table = []
        for _, group in itertools.groupby(self.rows, lambda row: [row[name] for name in self.swept]):
            runs = list(group)
            row = {name: runs[0][name] for name in self.swept} | {"seeds": len(runs)}
            for name in runs[0]:
                if name in (*self.swept, "seed"):
                    continue
                known = [run[name] for run in runs if not math.isnan(run[name])]
                mean = estimate(known) if known else Estimate(math.nan, None, None)
                row |= {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
                if any(math.isnan(each[name]) for each in self.rows):
                    row[f"{name}_missing"] = len(runs) - len(known)
            table.append(row)
        return table

    def write(self, path: str | Path) -> None:
        """Writes `rows` as CSV or Parquet, by how the name ends; of several processes, the first alone.

        Raises:
            InputError: if the file exists, its folder does not, or it ends otherwise.
        """
        path = Path(path)
        writer = checks.lookup(WRITERS, path.suffix, "kind of table")
        processes.run_on_main(lambda: checks.new_file("path", path))
        if processes.is_main():
            with replacing(path) as temporary:
                writer(pa.Table.from_pylist(self.rows), temporary)


def sweep(
    agent: Agent, values: Mapping[str, Sequence[Any]], seeds: int, key: Array, params: PyTree = None, **options: Any
) -> Sweep:
    """Trains every combination of hyper-parameters with every seed, as the runs of one `fit`.

        agent = PPO(env, MLP(), total_timesteps=100_000)
        found = sweep(agent, {"learning_rate": [1e-3, 1e-2], "clip_eps": [0.1, 0.2]}, seeds=4, key=jax.random.key(0))
        found.summary()  # four configurations: mean and interval of each metric
        found.write("sweep.csv")  # sixteen rows

    Args:
        agent: the algorithm; what is not swept is as it says.
        values: hyper-parameter -> the values it takes: numbers, or what else the agent takes, of one kind.
        seeds: of each combination; equal seeds draw equal random numbers in all.
        key: a typed key.
        params: run-time values of the environment, of all; its defaults if None.
        **options: of `fit`.

    Raises:
        InputError: as `fit`; or for no values, values of several kinds, or the same twice.
    """
    checks.positive("seeds", seeds)
    for name in set(values) & set(getattr(agent, "log_metrics", ())):
        raise checks.InputError(
            f"values[{name!r}] would be overwritten by the metric {name!r}, which log_metrics reports"
        )
    columns = {name: _column(name, several) for name, several in values.items()}
    combinations = list(itertools.product(*values.values()))
    places = itertools.product(*(range(len(several)) for several in values.values()))
    chosen = {
        name: np.repeat(np.array(each), seeds) for name, each in zip(values, zip(*places, strict=True), strict=True)
    }
    swept = {name: jax.tree.map(lambda leaf, at=chosen[name]: leaf[at], column) for name, column in columns.items()}
    keys = jnp.tile(jax.random.split(key, seeds), len(combinations))
    last: dict[str, np.ndarray] = {}
    tell = options.pop("on_metrics", None) or (lambda *_: None)

    def on_metrics(updates: int, metrics: dict[str, np.ndarray]) -> None:
        last.update(metrics)
        tell(updates, metrics)

    params = batched(agent.env.default_params if params is None else params, len(keys))
    states = fit(agent, keys, params, on_metrics=on_metrics, swept=swept, **options)
    named = [dict(zip(values, map(_cell, combination), strict=True)) for combination in combinations]
    rows = [row | {"seed": seed} for row in named for seed in range(seeds)]
    for run, row in enumerate(rows):
        row |= {name: metric[run].item() for name, metric in last.items()}
    return Sweep(states, rows, tuple(values))


def _column(name: str, several: Sequence[Any]) -> Any:
    """The values of one hyper-parameter as one PyTree, with a leading axis."""
    if isinstance(several, str) or not hasattr(several, "__len__") or getattr(several, "ndim", 1) == 0:
        raise checks.InputError(f"values[{name!r}] must be a sequence of values, got {several!r}")
    if not len(several):
        raise checks.InputError(f"values[{name!r}] must have at least one, got none")
    try:
        column = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(canonical, several))
    except (TypeError, ValueError):
        raise checks.InputError(f"values[{name!r}] must be numbers, or all of one kind, got {several!r}") from None
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(column)]
    if len({b"".join(leaf[i].tobytes() for leaf in leaves) for i in range(len(several))}) < len(several):
        raise checks.InputError(f"values[{name!r}] must have each value once, got {several!r}")
    return column


def _cell(value: PyTree) -> Any:
    """A number as it is, anything else as it is written."""
    if isinstance(value, int | float):
        return value
    return value.item() if hasattr(value, "item") and value.size == 1 else str(value)
