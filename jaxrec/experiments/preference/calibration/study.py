"""The constants that Carroll et al. do not publish, fitted to their Table 1 by exact dynamic programming.

The paper prints the choice model's sharpness beta_c(u) as a picture (Figure 9), the rationality of shifts beta_d not
at all, and its formula for the worth V of a new preference and its list of slates leave more than one reading. Each
reading is fitted to the twelve numbers of Table 1, taken for optima under full observation; how far a constant can move
before the fit is significantly worse says how well it is pinned down.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from matplotlib.figure import Figure
from scipy import optimize, stats

from jaxrec import checks
from jaxrec.envs.preference import PreferenceParams, PreferenceShift, dynamics, exact
from jaxrec.envs.preference.dynamics import BINS, DIRECTIONS, Users, Worth
from jaxrec.experiments.preference.reference import METRICS, TABLE_1
from jaxrec.experiments.reports.findings import Finding, measured
from jaxrec.experiments.reports.report import Report, Section
from jaxrec.experiments.study import Log, Study
from jaxrec.runtime.progress import Meter

SOURCE = "Carroll et al., Table 1"
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
class CalibrationConfig:
    """Settings of the calibration."""

    seed: int = 0
    """Seed of the search."""
    population: int = 64
    """Candidates in each generation of the search (differential evolution)."""
    generations: int = 60
    """Generations."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        checks.seed("seed", self.seed)
        if self.population < 8:
            raise checks.InputError(f"population must be at least 8, got {self.population}")
        checks.positive("generations", self.generations)


@dataclass
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
        return self.error * float(np.sqrt(1 + stats.f.ppf(0.95, 1, spare) / spare))

    def interval(self, index: int) -> tuple[float, float]:
        """Between which values a constant can move, the others following it, without a significantly worse fit."""
        fine = self.tried[self.errors <= self.allowed, index]
        return float(fine.min()), float(fine.max())


def execute(config: CalibrationConfig, log: Log, meter: Meter) -> Report:
    """Fits every reading with the slates of our defaults, and the best of them with the other slates."""
    ours, other = SLATES
    pairs = [(reading, ours) for reading in READINGS] + [(next(iter(READINGS)), other)]
    meter.start(f"fitting {len(pairs)} readings", len(pairs) * (config.generations + 1))
    fits = []
    for reading, slates in pairs:
        fits.append(fit(config, reading, slates, meter))
        log(reading=reading, slates=slates, error=fits[-1].error, best=fits[-1].best)
    return write(fits)


def fit(config: CalibrationConfig, reading: str, slates: str, meter: Meter) -> Fit:
    """Differential evolution (Storn & Price 1997) from the bounds alone: our defaults are not among the candidates."""
    tried: list[np.ndarray] = []
    errors: list[np.ndarray] = []

    def of_population(candidates: np.ndarray) -> np.ndarray:
        batch = np.atleast_2d(candidates.T)
        found = np.asarray(error(jnp.asarray(batch, jnp.float32), reading, slates))
        tried.append(batch)
        errors.append(found)
        meter.advance(f"{min(each.min() for each in errors):.2f}")
        return found

    optimize.differential_evolution(
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
    cube = stats.qmc.LatinHypercube(len(CONSTANTS), rng=np.random.default_rng(config.seed))
    return stats.qmc.scale(cube.random(config.population), low, high)


def error(candidates: Array, reading: str, slates: str) -> Array:
    """float[candidates]: the root mean square error over Table 1 of the optima at each row of constants."""
    return _errors(candidates, READINGS[reading], PreferenceShift(slate_means=SLATES[slates], observe_as="state"))


def params_of(constants: Any) -> PreferenceParams:
    """The parameters with these constants, in the order of `CONSTANTS`."""
    base, first, second, rationality = constants
    return PreferenceParams().replace(
        choice_base=base, choice_widths=jnp.stack([first, second]), rationality=rationality
    )


def optima(constants: Any, reading: Worth, env: PreferenceShift) -> Array:
    """float[conditions, 3]: what the exact optimum of each condition is worth."""
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


DEFAULTS = (0.1, 22.0, 15.0, 31.0)  # of `PreferenceParams`, in the order of `CONSTANTS`


def write(fits: list[Fit]) -> Report:
    """How well each reading fits, and how well the best pins down each constant."""
    best = fits[0]
    report = Report(
        "The constants of shifting preferences, fitted to the paper's Table 1",
        "The root mean square error over the twelve numbers of Table 1 of optima under full observation, at the "
        "constants that fit best; the paper's own recommenders saw less and learned, so that no fit is perfect.",
    )
    report.findings = _findings(fits)
    rows = [(each.reading, each.slates, f"{each.error:.2f}", *(f"{value:.3g}" for value in each.best)) for each in fits]
    report.sections.append(
        Section(
            "Readings",
            "How the item in V comes about, which slates there are, and the constants that fit best.",
            ("V", "slates, degrees", "error", *CONSTANTS),
            rows,
        )
    )
    constants = [
        (
            name,
            f"{DEFAULTS[i]:g}",
            f"{best.best[i]:.3g}",
            "{:.3g} to {:.3g}".format(*best.interval(i)),
            "{:g} to {:g}".format(*bounds),
        )
        for i, (name, bounds) in enumerate(CONSTANTS.items())
    ]
    report.sections.append(
        Section(
            "How well the constants are pinned down",
            f"Of {best.reading}, {best.slates}: the best value, and how far it can move (the others following) before "
            f"the error exceeds {best.allowed:.2f}, where an F test at 95 % calls the fit worse. The ranges are of "
            "what the search tried, so at least as wide; and the test takes the misfits of twelve numbers for "
            "independent, so that they are a guide.",
            ("constant", "default", "best", "not significantly worse", "searched"),
            constants,
            ["profiles"],
        )
    )
    report.figures["profiles"] = _profiles(best)
    report.sections.append(_side_by_side(best))
    report.data = {
        "fits": [
            {
                "reading": each.reading,
                "slates": each.slates,
                "error": each.error,
                "allowed": each.allowed,
                "best": dict(zip(CONSTANTS, each.best.tolist(), strict=True)),
                "intervals": {name: each.interval(i) for i, name in enumerate(CONSTANTS)},
            }
            for each in fits
        ]
    }
    return report


def _findings(fits: list[Fit]) -> list[Finding]:
    """The errors; that of our defaults among those that are not worse than the best."""
    best, *others = fits
    default = float(error(jnp.asarray([DEFAULTS]), best.reading, best.slates)[0])
    found = [measured(f"error: {best.reading}, slates {best.slates}", [best.error], SOURCE)]
    name = "error: the same at our default constants, no worse than the best beyond chance (reference: the bound)"
    found.append(Finding(name, default, None, None, best.allowed, SOURCE, default <= best.allowed))
    for each in others:
        name = f"error: {each.reading}, slates {each.slates}, worse than the best beyond chance (reference: the bound)"
        found.append(Finding(name, each.error, None, None, best.allowed, SOURCE, each.error > best.allowed))
    return found


def _side_by_side(best: Fit) -> Section:
    """Table 1 as printed, at the best constants and at our defaults."""
    env = PreferenceShift(slate_means=SLATES[best.slates], observe_as="state")
    both = [
        np.asarray(jax.jit(optima, static_argnums=(1, 2))(jnp.asarray(constants, float), READINGS[best.reading], env))
        for constants in (best.best, DEFAULTS)
    ]
    rows = [
        (
            name,
            *(
                f"{published:.2f} / {both[0][i, j]:.2f} / {both[1][i, j]:.2f}"
                for j, published in enumerate(TABLE_1[name])
            ),
        )
        for i, name in enumerate(CONDITIONS)
    ]
    return Section(
        "Table 1: printed / best fit / our defaults", "", ("recommender", "r(u_t)", "r(u_0)", "r(u_t^rnd)"), rows
    )


def _profiles(best: Fit) -> Figure:
    """The least error at each value of each constant, over everything tried."""
    figure = Figure(figsize=(11, 3.0), layout="constrained")
    every = figure.subplots(1, len(CONSTANTS), sharey=True)
    for i, (axes, (name, bounds)) in enumerate(zip(every, CONSTANTS.items(), strict=True)):
        edges = np.linspace(*bounds, 26)
        which = np.digitize(best.tried[:, i], edges)
        middles, least = zip(
            *((best.tried[which == k, i].mean(), best.errors[which == k].min()) for k in np.unique(which)), strict=True
        )
        axes.plot(middles, least, "o-", ms=3, color="#3066be")
        axes.axhline(best.allowed, color="#d1495b", lw=1, ls=":", label="not significantly worse")
        axes.axvline(DEFAULTS[i], color="#2e933c", lw=1, label="our default")
        axes.set(title=name, ylim=(0, 3))
        axes.spines[["top", "right"]].set_visible(False)
    every[0].set_ylabel("least error")
    every[0].legend(frameon=False, fontsize=8)
    return figure


QUICK = CalibrationConfig()
THOROUGH = dataclasses.replace(QUICK, population=96, generations=150)

STUDY = Study(
    "preference-calibration",
    "The constants that the paper does not publish, fitted to its Table 1 (Carroll et al.)",
    {"quick": QUICK, "thorough": THOROUGH},
    execute,
)
