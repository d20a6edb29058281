"""Sweeps over recommenders, parameters and seeds, in one call of `simulate`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax import Array

from jaxrec.environment import batched
from jaxrec.envs.rewiring import RewiringGame, Simulation, per_run, simulate
from jaxrec.progress import Meter

METRICS = (
    "steps",
    "fixated",
    "cooperation",
    "opportunities",
    "requests",
    "rewires",
    "degree_variance",
    "max_degree",
    "assortativity",
    "shares",
)


class Sweep:
    """The end of every run of a grid: attributes of `Simulation`, as arrays [*axes, runs, ...].

    The axes are the recommenders first, then each swept parameter in the order given.
    """

    def __init__(self, ends: Simulation, shape: tuple[int, ...]):
        for name in METRICS:
            values = getattr(ends, name)
            setattr(self, name, values.reshape(*shape, *values.shape[1:]))

    def __getattr__(self, name: str) -> np.ndarray:
        raise AttributeError(name)

    @property
    def requests_per_opportunity(self) -> np.ndarray:
        """0 where nobody could rewire."""
        return self.requests / np.maximum(self.opportunities, 1)


def sweep(
    env: RewiringGame,
    key: Array,
    recommenders: Sequence[Any],
    values: Mapping[str, Sequence[float]],
    runs: int,
    num_steps: int,
    meter: Meter,
    **options: Any,
) -> Sweep:
    """Runs every combination `runs` times.

    Args:
        env: the society.
        key: a typed key.
        recommenders: names, or sequences of kinds for competition.
        values: parameter -> the values it takes.
        runs: of each combination.
        num_steps: the limit.
        meter: told of the progress.
        **options: of `simulate`.
    """
    shape = (len(recommenders), *map(len, values.values()), runs)
    place = np.indices(shape).reshape(len(shape), -1)
    columns = {
        name: np.asarray(values[name], np.float32)[index] for name, index in zip(values, place[1:-1], strict=True)
    }
    kinds = per_run(recommenders)
    every = type(kinds)(*(np.asarray(leaf)[place[0]] for leaf in vars(kinds).values()))
    params = batched(env.default_params, place.shape[1]).replace(**columns)
    return Sweep(simulate(env, every, key, params, num_steps, meter=meter, **options), shape)
