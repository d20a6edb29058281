"""Sweeps over recommenders, parameters and seeds, in one call of `simulate`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.envs.rewiring import RewiringGame, Simulation, per_run, simulate
from jaxrec.envs.rewiring.rules import resolve
from jaxrec.envs.rewiring.simulation.advance import check_method
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter


@dataclass(frozen=True)
class Ends(Simulation):
    """The measured ends of the runs of a sweep: the arrays of `Simulation` with axes [recommenders, *values, runs]."""

    def reshaped(self, *shape: int) -> "Ends":
        """Gives arrays [combinations * runs, ...] the axes `shape`, then one of runs."""
        runs = self.steps.size // math.prod(shape)
        return self._each(lambda values: values.reshape(*shape, runs, *values.shape[1:]))

    def without_axis(self, axis: int) -> "Ends":
        """Drops an axis of length 1: that of a parameter which has a single value."""
        return self._each(lambda values: values.squeeze(axis))

    def _each(self, change: Callable[[np.ndarray], np.ndarray]) -> "Ends":
        arrays = {name: values for name, values in vars(self).items() if isinstance(values, np.ndarray)}
        return replace(self, **{name: change(values) for name, values in arrays.items()})


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """Settings of a study whose societies run by `simulate`."""

    generator: str = "xoshiro"
    """Random numbers of the time-steps: xoshiro, small and fast, or threefry, JAX's own."""
    engine: str = "auto"
    """Computes the time-steps: xla; compiled, a kernel for CPUs with a C++ compiler; or auto, the kernel if it can."""

    def check_method(self) -> None:
        """Raises InputError for an unknown generator or engine, and for a pair that does not fit."""
        check_method(self.generator, self.engine)

    @property
    def method(self) -> dict[str, str]:
        """The arguments of `simulate`."""
        return {"generator": self.generator, "engine": self.engine}


def check_society(settings: str, build: Callable[..., RewiringGame], *arguments: Any) -> None:
    """Checks that a society can be built.

    Args:
        settings: where it comes from, for the message.
        build: builds it.
        *arguments: of `build`.

    Raises:
        InputError: if it cannot.
    """
    with checks.prefixed(settings):
        build(*arguments)


def check_timescales(name: str, values: Sequence[float], rules: str) -> None:
    """Checks the values that W or W2 takes in a scan.

    Args:
        name: the setting.
        values: its value.
        rules: the name of the rules, which must read it.

    Raises:
        InputError: for values that are negative or stand twice, or rules that do not read them.
    """
    checks.distinct(name, values)
    checks.within(name, values, 0.0, np.inf)
    if resolve(rules).single_clock:
        raise checks.InputError(f"rules must read {name}, got {rules!r}, whose users do everything in every time-step")


def sweep(
    env: RewiringGame,
    key: Array,
    recommenders: Sequence[Any],
    values: Mapping[str, Sequence[float]],
    runs: int,
    num_steps: int,
    meter: Meter,
    **options: Any,
) -> Ends:
    """The ends of `runs` runs of every combination: arrays [recommenders, *values, runs, ...].

    Args:
        env: the society.
        key: a typed key.
        recommenders: names, or sequences of kinds for competition.
        values: parameter -> the values it takes.
        runs: of each combination.
        num_steps: the limit.
        meter: notified of the progress.
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
    ends = Ends(**vars(simulate(env, every, key, params, num_steps, meter=meter, **options)))
    return ends.reshaped(*shape[:-1])
