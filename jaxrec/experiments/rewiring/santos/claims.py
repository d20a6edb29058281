"""The claims about the base model: W_c, and its agreement with an independent program."""

from functools import partial

import numpy as np

from jaxrec.experiments.reports.claims import Claim, Judge
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.reference import agreement
from jaxrec.experiments.rewiring.santos.measure import Measured
from jaxrec.experiments.rewiring.santos.settings import SantosConfig
from jaxrec.statistics import Estimate

LOW, HIGH = 3.7, 4.1
"""Between which W_c lies by Santos et al."""
RESAMPLES = 2_000


def claims(config: SantosConfig) -> list[Claim[Measured]]:
    """Lists W_c, and in a society like theirs the fractions that the independent program found."""
    critical = Claim(
        "W at which half of the runs end in cooperation",
        prevails,
        _between(config),
        f"Santos et al. 2006: between {LOW} and {HIGH}; interval by bootstrap over runs",
    )
    return [critical, *(_agreements(config) if _known(config) else ())]


def _known(config: SantosConfig) -> bool:
    """Whether the references are of such a society."""
    return (config.users, config.degree) == (1000, 30)


def _between(config: SantosConfig) -> Judge:
    """Judges whether W_c lies between the bounds; undecided in another society, and where none is found."""

    def holds(critical: Estimate, middle: float) -> bool | None:
        judged = _known(config) and np.isfinite(critical.value)
        return bool(LOW <= critical.value <= HIGH) if judged else None

    return Judge(f"between {LOW} and {HIGH}", 3.9, holds, partial(_bootstrapped, config=config))


def _bootstrapped(prevails: np.ndarray, config: SantosConfig) -> Estimate:
    """W_c of bool[timescales, runs], with its interval by bootstrap over runs."""
    generator = np.random.default_rng(config.seed)
    resampled = [
        critical_timescale(config.timescales, np.array([generator.choice(row, config.runs) for row in prevails]))
        for _ in range(RESAMPLES)
    ]
    found = [w for w in resampled if np.isfinite(w)]
    low, high = np.quantile(found, [0.025, 0.975]) if found else (None, None)
    return Estimate(critical_timescale(config.timescales, prevails), low, high)


def _agreements(config: SantosConfig) -> list[Claim[Measured]]:
    known = {
        f"W = {w:g}": (config.timescales.index(w), fraction, None)
        for w, fraction in reference.SANTOS.items()
        if w in config.timescales
    }
    silent = {"W = 0": (config.timescales.index(0.0), 0.0, None)} if 0.0 in config.timescales else {}
    return [
        agreement(name, cells, lambda found: prevails(found).astype(float), reference.SANTOS_RUNS)
        for name, cells in (("runs that end in cooperation", known), ("W = 0: no run ends in cooperation", silent))
        if cells
    ]


def prevails(found: Measured) -> np.ndarray:
    """bool[timescales, runs]: whether a run ended with more cooperators than defectors."""
    return found.scan.cooperation[0] > 0.5


def critical_timescale(timescales: tuple[float, ...], prevails: np.ndarray) -> float:
    """W_c: where half of the runs end with cooperators, by linear interpolation of bool[timescales, runs].

    NaN where the fraction never reaches one half.
    """
    fraction = prevails.mean(axis=1)
    above = np.flatnonzero(fraction >= 0.5)
    if above.size == 0 or above[0] == 0:
        return float("nan")
    i = int(above[0])
    rise = (0.5 - fraction[i - 1]) / (fraction[i] - fraction[i - 1])
    return float(timescales[i - 1] + rise * (timescales[i] - timescales[i - 1]))
