"""The settings of a sweep: which society, which learner, and over which values."""

import itertools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.experiments.runs.worlds import WorldSettings, named, world
from jaxrec.experiments.train.settings import TrainSettings
from jaxrec.parameters import canonical
from jaxrec.training.parallel import check_swept, with_swept

PARAMS = "params."  # before the name of a run-time value of the environment
MAX_POINTS = 1000  # of a grid


@dataclass(frozen=True)
class SweepConfig(WorldSettings, TrainSettings):
    """Settings of a sweep."""

    over: tuple[str, ...] = ("params.influence=0,0.5,1",)
    """The grid, such as learning_rate=1e-4,3e-4 or params.influence=0,0.5,1: numbers for a hyper-parameter of the agent
    that may be swept, or for a run-time value of the environment."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        env, _ = self.world()
        self.check_learner(env)
        self.worlds()
        agent, swept = self.learner(env), self.swept()
        with checks.prefixed("over"):
            check_swept(agent, swept, len(self.points()))
            for name in swept:
                if jax.tree.structure(getattr(agent, name)) != jax.tree.structure(0.0):
                    raise checks.InputError(f"{name} of {type(agent).__name__} is no number")
            with_swept(agent, swept).check()

    def grid(self) -> dict[str, tuple[float, ...]]:
        """The values of each setting that is swept.

        Raises:
            InputError: for none, one without numbers, a number that stands twice, or too many combinations.
        """
        texts = named("over", self.over)
        if not texts:
            raise checks.InputError("over must name at least one setting, such as learning_rate=1e-4,3e-4")
        found = {name: _numbers(name, text) for name, text in texts.items()}
        points = int(np.prod([len(values) for values in found.values()], dtype=object))
        checks.positive("over, in combinations,", points, MAX_POINTS)
        return found

    def points(self) -> list[dict[str, float]]:
        """Every combination: the value of each setting that is swept; the last of these changes first."""
        grid = self.grid()
        return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]

    def worlds(self) -> list[PyTree]:
        """The parameters of the environment at each point, checked."""
        given = named("params", self.params)
        with checks.prefixed("env, args, params, over"):
            return [world(self.env, named("args", self.args), given | of)[1] for of in self._run_time(given)]

    def swept(self) -> dict[str, Any]:
        """The hyper-parameters of the agent that are swept, float[points] each."""
        points = self.points()
        names = [name for name in points[0] if not name.startswith(PARAMS)]
        return {name: jnp.asarray([point[name] for point in points], float) for name in names}

    def runs(self) -> tuple[PyTree, dict[str, Any]]:
        """(parameters, hyper-parameters) of every run, leaves [points * seeds, ...]: the seeds of a point together."""
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(canonical, self.worlds()))
        return jax.tree.map(lambda leaf: jnp.repeat(leaf, self.seeds, axis=0), (stacked, self.swept()))

    def _run_time(self, given: dict[str, str]) -> list[dict[str, str]]:
        """The run-time values of each point, as text."""
        points = self.points()
        names = [name for name in points[0] if name.startswith(PARAMS)]
        for name in names:
            if name.removeprefix(PARAMS) in given:
                raise checks.InputError(f"{name} is swept by over, and has one value by params: give one of both")
        return [{name.removeprefix(PARAMS): repr(point[name]) for name in names} for point in points]


def shown(point: dict[str, float]) -> str:
    """A point of the grid in words, such as "learning_rate 0.0003, params.influence 0.5"."""
    return ", ".join(f"{name} {value:g}" for name, value in point.items())


def _numbers(name: str, text: str) -> tuple[float, ...]:
    """The numbers in a text such as "0,0.5,1"."""
    try:
        values = tuple(float(one) for one in text.split(","))
    except ValueError:
        raise checks.InputError(f"over must have numbers, such as {name}=0.1,0.2, got {text!r}") from None
    if not np.isfinite(values).all() or len({f"{value:g}" for value in values}) < len(values):
        raise checks.InputError(f"over must have finite numbers, each once to six digits, got {name}={text}")
    return values
