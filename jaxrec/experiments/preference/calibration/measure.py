"""What the calibration measures: how well the constants of each reading fit the paper's Table 1."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax import Array

from jaxrec.envs.preference import PreferenceParams, PreferenceShift, dynamics, exact
from jaxrec.envs.preference.dynamics import BINS, DIRECTIONS, Users, Worth
from jaxrec.experiments.preference.calibration.settings import CalibrationConfig
from jaxrec.experiments.preference.reference import METRICS, TABLE_1
from jaxrec.experiments.runs.tools import Tools
from jaxrec.runtime.progress import Meter

CONDITIONS = {"myopic": (0.0, 0.0), "rl": (0.99, 0.0), "penalised myopic": (0.0, 1.0), "penalised rl": (0.99, 1.0)}
CONSTANTS = {"choice_base": (0.0, 1.0), "width_80": (5.0, 60.0), "width_270": (5.0, 60.0), "rationality": (2.0, 100.0)}
"""What is fitted, and between which bounds: beta_c away from the peaks, the peaks' widths in degrees, beta_d."""

SLATES = {"20 to 320": (20.0, 80.0, 140.0, 200.0, 260.0, 320.0), "0 to 300": (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)}
"""The paper prints 0, 60, ..., 260, 320 degrees: one or the other."""


def _chosen_under_old(belief: Array, users: Users, inertia: Any) -> Array:
    return (1 - inertia) * dynamics.choices(belief, users) @ DIRECTIONS @ DIRECTIONS.T


def _as_expected(belief: Array, users: Users, inertia: Any) -> Array:
    return jnp.broadcast_to((1 - inertia) * (belief @ DIRECTIONS) @ DIRECTIONS.T, (BINS, BINS))


READINGS: dict[str, Worth] = {
    "chosen under the new preference": dynamics.convenience,
    "chosen under the old preference": _chosen_under_old,
    "drawn from the belief, not chosen": _as_expected,
    "chosen under the new, lambda for the new": lambda belief, users, inertia: dynamics.convenience(
        belief, users, 1 - inertia
    ),
}
"""V(u, u') as float[u, u'], by how the item x in E[lambda x u + (1 - lambda) x u'] comes about; terms that are the same
for every u' are left out."""


@dataclass(frozen=True)
class Fit:
    """One reading, fitted.

    Attributes:
        reading, slates: names in `READINGS` and `SLATES`.
        tried: float[candidates, constants], everything that the search tried.
        errors: float[candidates], the root mean square error of each over Table 1.
    """

    reading: str
    slates: str
    tried: np.ndarray
    errors: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """float[constants]."""
        return self.tried[self.errors.argmin()]

    @property
    def error(self) -> float:
        """Of the best."""
        return float(self.errors.min())

    @property
    def allowed(self) -> float:
        """Up to which error a candidate is not significantly worse than the best (F test, 95 %)."""
        constants = self.tried.shape[1]
        spare = len(TABLE_1) * len(METRICS) - constants
        return self.error * float(np.sqrt(1 + scipy.stats.f.ppf(0.95, 1, spare) / spare))

    def interval(self, index: int) -> tuple[float, float]:
        """Between which values a constant can move, the others following it, without a significantly worse fit."""
        fine = self.tried[self.errors <= self.allowed, index]
        return float(fine.min()), float(fine.max())


@dataclass(frozen=True)
class Measured:
    """Everything measured.

    Attributes:
        fits: every reading with the slates of the society, then the first of them with the other slates.
        kept_error: the error of the constants kept as "optima" in the first reading.
        best_values, kept_values: float[conditions, 3], what optima earn at its best constants and at those kept.
    """

    fits: list[Fit]
    kept_error: float
    best_values: np.ndarray
    kept_values: np.ndarray


def readings() -> list[tuple[str, str]]:
    """What is fitted: every reading with the slates of the society, then the first of them with the other slates."""
    ours, other = SLATES
    return [(reading, ours) for reading in READINGS] + [(next(iter(READINGS)), other)]


def measure(config: CalibrationConfig, tools: Tools) -> Measured:
    """Fits every reading with the slates of the society, and the best of them with the other slates.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Every fit, and what the best constants and those kept come to.
    """
    pairs = readings()
    tools.meter.start(f"fitting {len(pairs)} readings", len(pairs) * (config.generations + 1))
    fits = []
    for reading, slates in pairs:
        fits.append(fit(config, reading, slates, tools.meter))
        tools.log(reading=reading, slates=slates, error=fits[-1].error, best=fits[-1].best)
    best = fits[0]
    kept = float(error(jnp.asarray([OPTIMA_CONSTANTS]), best.reading, best.slates)[0])
    env = PreferenceShift(slate_means=SLATES[best.slates], observe_as="state")
    both = [
        np.asarray(jax.jit(optima, static_argnums=(1, 2))(jnp.asarray(constants, float), READINGS[best.reading], env))
        for constants in (best.best, OPTIMA_CONSTANTS)
    ]
    return Measured(fits, kept, *both)


def fit(config: CalibrationConfig, reading: str, slates: str, meter: Meter) -> Fit:
    """Fits one reading by differential evolution (Storn & Price 1997).

    It begins from the bounds alone: the constants kept are not among the candidates.

    Args:
        config: the settings of the search.
        reading: a name in `READINGS`.
        slates: a name in `SLATES`.
        meter: notified of every generation.

    Returns:
        Everything that the search tried.
    """
    tried: list[np.ndarray] = []
    errors: list[np.ndarray] = []

    def of_population(candidates: np.ndarray) -> np.ndarray:
        batch = np.atleast_2d(candidates.T)
        found = np.asarray(error(jnp.asarray(batch, jnp.float32), reading, slates))
        tried.append(batch)
        errors.append(found)
        meter.advance(f"{min(each.min() for each in errors):.2f}")
        return found

    scipy.optimize.differential_evolution(
        of_population,
        list(CONSTANTS.values()),
        init=_spread(config),  # pyright: ignore[reportArgumentType]  # an array too, says its manual
        maxiter=config.generations,
        vectorized=True,
        updating="deferred",
        polish=False,
        tol=0.0,
        rng=np.random.default_rng(config.seed),
    )
    return Fit(reading, slates, np.concatenate(tried), np.concatenate(errors))


def _spread(config: CalibrationConfig) -> np.ndarray:
    """float[population, constants]: a first generation that fills the bounds evenly (a Latin hypercube)."""
    low, high = np.array(list(CONSTANTS.values())).T
    cube = scipy.stats.qmc.LatinHypercube(len(CONSTANTS), rng=np.random.default_rng(config.seed))
    return scipy.stats.qmc.scale(cube.random(config.population), low, high)


def error(candidates: Array, reading: str, slates: str) -> Array:
    """float[candidates]: the root mean square error over Table 1 of the optima at each row of constants.

    Args:
        candidates: float[candidates, constants].
        reading: a name in `READINGS`.
        slates: a name in `SLATES`.
    """
    return _errors(candidates, READINGS[reading], PreferenceShift(slate_means=SLATES[slates], observe_as="state"))


def params_of(constants: Any) -> PreferenceParams:
    """The parameters with these constants, in the order of `CONSTANTS`."""
    base, first, second, rationality = constants
    return PreferenceParams().replace(
        choice_base=base, choice_widths=jnp.stack([first, second]), rationality=rationality
    )


def optima(constants: Any, reading: Worth, env: PreferenceShift) -> Array:
    """float[conditions, 3]: what the exact optimum of each condition earns, in the order of `METRICS`.

    Args:
        constants: four numbers, in the order of `CONSTANTS`.
        reading: how V is read.
        env: with the slates.
    """
    params = params_of(constants)
    tables = dynamics.tables(env.slates, params, reading)

    def at(condition: Array) -> Array:
        policy = exact.optimal(tables, env.horizon, jnp.stack([condition[1]] * 2), condition[0])
        return jnp.stack(exact.worth(tables, policy, params))

    return jax.vmap(at)(jnp.asarray(list(CONDITIONS.values())))


@partial(jax.jit, static_argnames=("reading", "env"))
def _errors(candidates: Array, reading: Worth, env: PreferenceShift) -> Array:
    published = jnp.asarray([TABLE_1[name] for name in CONDITIONS])

    def of_one(constants: Array) -> Array:
        return jnp.sqrt(jnp.square(optima(constants, reading, env) - published).mean())

    return jax.lax.map(of_one, candidates, batch_size=8)


OPTIMA_CONSTANTS = (0.1, 22.0, 15.0, 31.0)  # as `fitted_params("optima")`, in the order of `CONSTANTS`
