"""Candidates for what the paper does not print: the ranges that are searched, and points that fill them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy

from jaxrec.experiments.preference.constants.society import READINGS, CandidateParams
from jaxrec.parameters import batched

RANGES = {
    "choice_base": (0.0, 1.0),
    "width_80": (5.0, 120.0),
    "width_270": (5.0, 120.0),
    "rationality": (2.0, 200.0),
    "inertia": (0.5, 0.99),
}
"""Of beta_c away from its peaks, the widths of the peaks (degrees), beta_d (evenly in its logarithm), and lambda."""

INERTIA = 0.9
"""lambda as printed (Appendix H.1): every second candidate has it."""

SLATES = {
    "20 to 320": (20.0, 80.0, 140.0, 200.0, 260.0, 320.0),
    "0 to 300": (0.0, 60.0, 120.0, 180.0, 240.0, 300.0),
    "0, 60, 120, 200, 260, 320": (0.0, 60.0, 120.0, 200.0, 260.0, 320.0),
}
"""The paper prints 0, 60, ..., 260, 320 degrees (Appendix H.4): one of these."""

COLUMNS = (*RANGES, "slates", "reading")
"""The columns of candidates; the last two are indices into `SLATES` and `READINGS`."""

OPTIMA = np.array([0.1, 22.0, 15.0, 31.0, 0.9, 0.0, 0.0])
"""The constants fitted to optima under full observation (`preference-calibration`), beside which the others are put."""


def spread(number: int, seed: int) -> np.ndarray:
    """Fills the ranges evenly: float[number, 7], quasi-random points of the unit cube (Halton, scrambled)."""
    return scipy.stats.qmc.Halton(len(COLUMNS), rng=np.random.default_rng(seed)).random(number)


def around(parents: np.ndarray, number: int, width: float, rng: np.random.Generator) -> np.ndarray:
    """Draws points near others, of the same slates and reading, with the printed lambda where those have it.

    Args:
        parents: float[parents, 7], points of the unit cube.
        number: of points, evenly from all parents.
        width: the deviation of each constant, in parts of its range.
        rng: what is drawn from.

    Returns:
        float[number, 7], points of the unit cube.
    """
    near = parents[np.arange(number) % len(parents)].copy()
    constants = near[:, : len(RANGES)]
    moved = constants + rng.normal(0.0, width, constants.shape)
    near[:, : len(RANGES)] = np.abs(1 - np.abs(1 - moved))  # reflected at 0 and at 1
    printed = as_printed(parents)[np.arange(number) % len(parents)]
    near[:, -3] = np.where(printed, 0.25, np.maximum(near[:, -3], 0.5))
    return np.clip(near, 0.0, 1.0 - 1e-9)


def constants_of(points: np.ndarray) -> np.ndarray:
    """float[candidates, 7] in the order of `COLUMNS`: what points of the unit cube stand for."""
    low, high = np.array(list(RANGES.values())).T
    constants = low + points[:, : len(RANGES)] * (high - low)
    where = list(RANGES).index("rationality")
    constants[:, where] = low[where] * (high[where] / low[where]) ** points[:, where]
    free = low[-1] + (2 * points[:, -3] - 1) * (high[-1] - low[-1])
    constants[:, -1] = np.where(as_printed(points), INERTIA, free)
    kinds = [(points[:, -2 + i] * number).astype(int) for i, number in enumerate((len(SLATES), len(READINGS)))]
    return np.column_stack([constants, *kinds])


def as_printed(points: np.ndarray) -> np.ndarray:
    """bool[candidates]: which points of the unit cube have the printed lambda."""
    return points[:, -3] < 0.5


def params_of(candidates: np.ndarray) -> Any:
    """`CandidateParams` with a leading axis, of float[candidates, 7] in the order of `COLUMNS`."""
    base, first, second, rationality, inertia, slates, reading = candidates.T.astype(np.float32)
    return batched(CandidateParams(), len(candidates)).replace(
        choice_base=base,
        choice_widths=np.stack([first, second], axis=1),
        rationality=rationality,
        inertia=inertia,
        slate_means=np.array(list(SLATES.values()), np.float32)[slates.astype(int)],
        reading=np.eye(len(READINGS), dtype=np.float32)[reading.astype(int)],
    )


def described(candidate: np.ndarray) -> Iterator[str]:
    """The cells of a table: constants to three digits, slates and reading by name."""
    yield from (f"{value:.3g}" for value in candidate[: len(RANGES)])
    yield list(SLATES)[int(candidate[-2])]
    yield READINGS[int(candidate[-1])]
