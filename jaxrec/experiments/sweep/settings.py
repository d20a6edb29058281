"""The settings of a sweep: which society, which learner, and over which values."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.agents import PPO, QLearning
from jaxrec.experiments.runs.configuration import changed
from jaxrec.experiments.runs.worlds import WorldSettings, literal, named, world
from jaxrec.experiments.train.settings import TrainSettings
from jaxrec.parameters import canonical
from jaxrec.training.parallel import check_swept, with_swept

PARAMS = "params."  # before the name of a run-time value of the environment
ARGS = "args."  # before the name of a constructor argument of the environment
SHAPING = {"ppo": ("network", "hidden_size", "num_layers", "timesteps"), "q-learning": ("timesteps",)}
"""The settings of a learner outside of `ppo` and `q_learning` that may be swept."""

MAX_POINTS = 1000  # of a grid

Value = float | int | str | bool
Point = dict[str, Value]


@dataclass(frozen=True)
class SweepConfig(WorldSettings, TrainSettings):
    """Settings of a sweep."""

    over: tuple[str, ...] = ("params.influence=0,0.5,1",)
    """The grid, such as learning_rate=1e-4,3e-4 or params.influence=0,0.5,1: numbers for a hyper-parameter of the agent
    that is no shape, or for a run-time value of the environment; or, compiled for each value, any other setting of the
    learner, num_steps=64,128, or a constructor argument, args.horizon=10,30."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        env, _ = self.world()
        self.check_learner(env)
        for program in self.programs():
            program.check()

    def grid(self) -> dict[str, tuple[Value, ...]]:
        """The values of each setting that is swept.

        Raises:
            InputError: for none, an unknown one, values that are wrong or stand twice, or too many combinations.
        """
        texts = named("over", self.over)
        if not texts:
            raise checks.InputError("over must name at least one setting, such as learning_rate=1e-4,3e-4")
        found = {name: self._values(name, text) for name, text in texts.items()}
        points = int(np.prod([len(values) for values in found.values()], dtype=object))
        checks.positive("over, in combinations,", points, MAX_POINTS)
        return found

    def points(self) -> list[Point]:
        """Every combination: the value of each setting that is swept; the last of these changes first."""
        grid = self.grid()
        return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]

    def programs(self) -> list["Program"]:
        """The points of the grid by what is compiled once: those that differ in numbers alone are together."""
        numbers, groups = self._numbers(), {}
        for place, point in enumerate(self.points()):
            static = {name: value for name, value in point.items() if not _is_number(name, numbers)}
            _, points = groups.setdefault(shown(static), (static, {}))  # in words, where True is not 1
            points[place] = {name: value for name, value in point.items() if name not in static}
        return [
            Program(self._with(static), name, tuple(points), tuple(points.values()))
            for name, (static, points) in groups.items()
        ]

    def _values(self, name: str, text: str) -> tuple[Value, ...]:
        """The values in a text such as "0,0.5,1"."""
        numbers, shaping = self._numbers(), self._shaping()
        if not name.startswith((PARAMS, ARGS)):
            with checks.prefixed("over"):
                checks.lookup(numbers | shaping, name, f"setting that may be swept of {self._kind().__name__}")
        values = tuple(literal(one) for one in text.split(","))
        if not all(isinstance(one, int | float | str) for one in values):
            raise checks.InputError(f"over must have numbers, names or truth values, got {name}={text}")
        if _is_number(name, numbers):
            if any(isinstance(one, bool | str) for one in values) or not np.isfinite(values).all():
                raise checks.InputError(f"over must have finite numbers, such as {name}=0.1,0.2, got {name}={text}")
            values = tuple(map(float, values))
        if len({said(one) for one in values}) < len(values):
            raise checks.InputError(f"over must have each value once, numbers to six digits, got {name}={text}")
        return values

    def _with(self, static: Point) -> "SweepConfig":
        """These settings with other values of what is compiled."""
        args = tuple(f"{name.removeprefix(ARGS)}={value}" for name, value in static.items() if name.startswith(ARGS))
        own = {name: value for name, value in static.items() if name in SHAPING[self.agent]}
        learner = {name: value for name, value in static.items() if name not in own and not name.startswith(ARGS)}
        if twice := set(named("args", args)) & set(named("args", self.args)):
            raise checks.InputError(f"args.{min(twice)} is swept by over, and has one value by args: give one of both")
        with checks.prefixed("over"):
            return changed(self, own | {"args": (*self.args, *args), self.agent.replace("-", "_"): learner})

    def _kind(self) -> type:
        return PPO if self.agent == "ppo" else QLearning

    def _numbers(self) -> dict[str, None]:
        """The hyper-parameters that are numbers at run time."""
        return {
            field.name: None
            for field in dataclasses.fields(self._kind())
            if field.metadata.get("pytree_node", True) and isinstance(field.default, float)
        }

    def _shaping(self) -> dict[str, None]:
        """The other settings of the learner, for each value of which a program is compiled."""
        return dict.fromkeys((*SHAPING[self.agent], *vars(self.ppo if self.agent == "ppo" else self.q_learning)))


@dataclass(frozen=True)
class Program:
    """The points of a grid that are trained in one call.

    Attributes:
        config: the settings with what is compiled as it is here.
        name: these values in words; empty where no such setting is swept.
        places: of the points in the whole grid.
        points: the numbers that are swept, at each of them.
    """

    config: SweepConfig
    name: str
    places: tuple[int, ...]
    points: tuple[Point, ...]

    def check(self) -> None:
        """Raises InputError for a value out of range."""
        with checks.prefixed(f"over: {self.name}") if self.name else checks.prefixed("over"):
            env, _ = self.config.world()
            self.config.check_learner(env)
            agent, swept = self.config.learner(env), self.swept()
            check_swept(agent, swept, len(self.points))
            with_swept(agent, swept).check()
        self.worlds()

    def worlds(self) -> list[PyTree]:
        """The parameters of the environment at each point, checked."""
        given = named("params", self.config.params)
        run_time = [
            {name.removeprefix(PARAMS): repr(value) for name, value in point.items() if name.startswith(PARAMS)}
            for point in self.points
        ]
        if twice := set(given) & set(run_time[0]):
            raise checks.InputError(
                f"params.{min(twice)} is swept by over, and has one value by params: give one of both"
            )
        args = named("args", self.config.args)
        with checks.prefixed("env, args, params, over"):
            return [world(self.config.env, args, given | values)[1] for values in run_time]

    def swept(self) -> dict[str, Any]:
        """The hyper-parameters of the agent that are swept, float[points] each."""
        names = [name for name in self.points[0] if not name.startswith(PARAMS)]
        return {name: jnp.asarray([point[name] for point in self.points], float) for name in names}

    def runs(self) -> tuple[PyTree, dict[str, Any]]:
        """(parameters, hyper-parameters) of every run, leaves [points * seeds, ...]: the seeds of a point together."""
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(canonical, self.worlds()))
        return jax.tree.map(lambda leaf: jnp.repeat(leaf, self.config.seeds, axis=0), (stacked, self.swept()))


def shown(point: Point) -> str:
    """A point of the grid in words, such as "learning_rate 0.0003, params.influence 0.5"."""
    return ", ".join(f"{name} {said(value)}" for name, value in point.items())


def said(value: Value) -> str:
    """A value in words: a number to six digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(name: str, numbers: dict[str, None]) -> bool:
    """Whether a setting takes a number at run time, which needs no program of its own."""
    return name.startswith(PARAMS) or name in numbers
