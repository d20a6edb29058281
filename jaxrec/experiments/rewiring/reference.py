"""What the societies are held against: figures of the author's program, of the base model and of an independent one.

Carvalho, "Modelling the Recommender Alignment Problem", Figures 5 and 6, Table 6; Santos, Pacheco & Lenaerts 2006. The
means and standard errors of the independent program are over 200 runs a cell (Figure 6) and 30 (Figure 5).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy

from jaxrec.experiments.reports.claims import Claim, exact
from jaxrec.statistics import CONFIDENCE

FIVE: tuple[str, ...] = ("good", "random", "fair", "local", "bad")
"""The heuristics of Figure 6: the order in which they are simulated, and so draw their random numbers."""

_FIGURE_6 = {
    0.454: ((0.297, 0.006), (0.000, 0.000), (0.000, 0.000), (0.000, 0.000), (0.000, 0.000)),
    1.066: ((0.717, 0.012), (0.030, 0.006), (0.001, 0.000), (0.000, 0.000), (0.000, 0.000)),
    2.087: ((0.994, 0.002), (0.920, 0.010), (0.495, 0.027), (0.348, 0.031), (0.000, 0.000)),
    3.107: ((1.000, 0.000), (0.999, 0.000), (0.978, 0.006), (0.939, 0.014), (0.000, 0.000)),
    10.25: ((1.000, 0.000), (1.000, 0.000), (1.000, 0.000), (1.000, 0.000), (0.035, 0.003)),
}
HEURISTICS: dict[float, dict[str, tuple[float, float]]] = {
    timescale: dict(zip(FIVE, cells, strict=True)) for timescale, cells in _FIGURE_6.items()
}
"""Figure 6: W -> recommender -> (mean final cooperation, standard error over 200 runs)."""

_COLUMNS = {  # good, random, fair, local, bad: requests per opportunity, degree variance, maximum degree
    0.454: ((0.66, 141, 73), (0.81, 46, 52), (0.82, 43, 51), (0.80, 244, 82), (0.83, 39, 49)),
    1.066: ((0.33, 106, 67), (0.73, 56, 54), (0.79, 52, 53), (0.70, 868, 126), (0.83, 49, 52)),
    2.087: ((0.15, 105, 67), (0.27, 87, 65), (0.49, 65, 58), (0.43, 1038, 125), (0.83, 52, 53)),
    3.107: ((0.12, 120, 67), (0.16, 101, 66), (0.24, 94, 65), (0.21, 439, 116), (0.83, 52, 53)),
    10.25: ((0.08, 221, 68), (0.11, 183, 68), (0.15, 198, 67), (0.10, 377, 98), (0.79, 52, 53)),
}
ROUNDED_TO = {"requests_per_opportunity": 0.01, "degree_variance": 1.0, "max_degree": 1.0}
"""The unit to which the independent figures are given."""
FIGURE_6_COLUMNS: dict[str, dict[float, dict[str, float]]] = {
    column: {w: {one: cells[row][place] for row, one in enumerate(FIVE)} for w, cells in _COLUMNS.items()}
    for place, column in enumerate(ROUNDED_TO)
}
"""The other columns of Figure 6: metric -> W -> recommender -> mean over 200 runs."""

FEW_RUNS = 30
"""Behind each mean of Figure 5, and of the competition."""

PLANE = {
    (2.0, 1.0): (0.512, None),
    (2.0, 1 / 3): (0.006, None),
    (4 / 3, 2 / 3): (0.956, None),
    (5 / 3, 1.0): (0.735, None),
    (0.0, -1.0): (0.4, None),
    (1 / 3, -2 / 3): (0.5, None),
    (1.0, 0.0): (0.333, None),
    (2.0, -1.0): (0.0, None),
}
"""Figure 5: (T, S) -> (mean final cooperation over `FEW_RUNS` runs, standard error not known)."""

SANTOS_RUNS = 40
SANTOS = {3.0: 0.05, 3.5: 0.30, 4.0: 0.62, 4.5: 0.90, 5.0: 1.0}
"""Base model, N = 1000: W -> fraction of `SANTOS_RUNS` runs that end with cooperators only."""

SHARES = {"cooperation": 0.43, "local": 0.002, "good": 0.66, "bad": 0.08, "random": 0.07, "fair": 0.18}
"""Competition at W = 1, W2 = 0.063, 10^7 time-steps, without the frozen user."""

SHARES_FROZEN = {"cooperation": 0.78, "local": 0.35, "good": 0.48, "bad": 0.04, "random": 0.07, "fair": 0.07}
"""The same with one user never focused, as in the author's program: the paper's Figure 15."""

AUTHOR_500 = {"cooperation": 0.013, "local": 0.765}
"""Competition at W = 1, W2 = 0.01, N = 500, 10^6 time-steps: means over 200 runs of the author's program, before its
user who is never focused."""

Cells = Mapping[str, tuple[Any, float, float | None]]
"""Cell -> its place in an array, or its key in a dictionary; the reference mean; its standard error or None."""


def agreement(name: str, cells: Cells, samples: Callable[[Any], Any], runs: int = 200) -> Claim:
    """Claims that measurements agree with a reference.

    The statistic is the largest deviation in standard errors of the difference. It holds below the bound that the
    largest of so many standard normal deviates stays under 95 % of the time.

    Args:
        name: the beginning of the claim's name.
        cells: one or more.
        samples: measured -> float[..., runs] or a dictionary of float[runs], in which each cell has its place.
        runs: behind each reference mean.

    Returns:
        The claim.
    """

    def deviations(measured: Any) -> dict[str, float]:
        every = samples(measured)
        return {label: _deviation(every[place], mean, error, runs) for label, (place, mean, error) in cells.items()}

    def worst(measured: Any) -> str:
        found = deviations(measured)
        return max(found, key=lambda label: found[label])

    return Claim(
        f"{name}: largest deviation of {len(cells)} cells, in standard errors (holds below)",
        lambda measured: max(deviations(measured).values()),
        exact("<", largest_of(len(cells))),
        "independent program; largest at {}",
        worst,
    )


def largest_of(cells: int, freedom: int | None = None) -> float:
    """The bound that the largest of so many standard normal deviates stays under 95 % of the time, either sign.

    With degrees of freedom it is that of Student's t, for standard errors that are estimated from few runs.
    """
    return float(scipy.stats.t.ppf(0.5 + CONFIDENCE ** (1 / cells) / 2, np.inf if freedom is None else freedom))


def _deviation(samples: np.ndarray, mean: float, error: float | None, runs: int) -> float:
    """Standard errors between a sample mean and a reference mean of `runs` runs.

    The spread of single runs is that of the reference where known, else that of a society that ends all-C or all-D
    as often as the reference's: the widest there is. Where all of its runs ended alike, which an error of 0 says too,
    one more of either end is added (the rule of succession), for so few runs are not certainty.
    """
    ended = (mean * runs + 1) / (runs + 2)
    spread = error * np.sqrt(runs) if error else np.sqrt(ended * (1 - ended))
    return float(abs(samples.mean() - mean) / (spread * np.sqrt(1 / samples.size + 1 / runs)))
