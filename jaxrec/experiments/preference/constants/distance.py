"""How far a candidate is from what the paper prints: Table 1, the text about its figures, and two ratios."""

import itertools
from dataclasses import dataclass

import numpy as np

from jaxrec.envs.preference.dynamics import DEGREES, circular_distance
from jaxrec.experiments.preference.constants.surrogate import CONDITIONS
from jaxrec.experiments.preference.reference import TABLE_1

NOISE = 0.1
"""The unit of distance from Table 1: the paper says of its standard errors that all are smaller."""

WITHIN = 2.0
"""Distances up to which a number is met: two standard errors."""

NEAR = 40
"""How close to a centre users count as there, degrees."""

PRINTED = np.array([TABLE_1[name] for name in CONDITIONS])
"""float[conditions, 3]: Table 1."""

NUMBERS = tuple(f"{name}, {metric}" for name in CONDITIONS for metric in ("r(u_t)", "r(u_0)", "r(u_t^rnd)"))
"""What the numbers of Table 1 are, in the order of `PRINTED`."""


@dataclass(frozen=True)
class Statement:
    """One sentence of the paper as a range.

    Attributes:
        text: what is measured.
        source: where the paper says so.
        low, high: the range that the sentence is read as.
        unit: how far outside counts as a distance of 1.
    """

    text: str
    source: str
    low: float
    high: float
    unit: float

    def distance(self, value: np.ndarray) -> np.ndarray:
        """How far `value` is outside the range, in units; 0 inside."""
        return np.maximum(0.0, np.maximum(self.low - value, value - self.high)) / self.unit


STATEMENTS = (
    Statement(
        f"natural: users within {NEAR} degrees of 80 at the end",
        'Figures 1 and 6, Appendix H.1: "somewhat diffuse", "mostly focus on one of these modes"', 0.5, 0.9, 0.1,
    ),
    Statement(
        f"rl: users within {NEAR} degrees of 270 at the end",
        'section 7.2 on Figure 1: "concentrates them in a specific region"', 0.5, 1.0, 0.1,
    ),
    Statement(
        f"rl less myopic: users within {NEAR} degrees of 270 at the end",
        'section 7.2 on Figure 1: "the same type of effect but much less pronounced"', 0.2, 1.0, 0.1,
    ),
    Statement(
        f"myopic less natural: users within {NEAR} degrees of 270 at the end",
        'section 1 on Figure 1: natural shifts drift "towards the opposite mode"', 0.0, 1.0, 0.1,
    ),
    Statement(
        "rl less penalised rl: total variation from natural preferences at the end",
        'Figure 7: penalised ones "are closer to the NPS"', 0.0, 1.0, 0.1,
    ),
    Statement("sum: rl as a part of myopic", 'section 1: "35 % worse"', 0.645, 0.655, 0.02),
    Statement("sum: myopic as a part of penalised rl", 'section 1: "40 % worse"', 0.595, 0.605, 0.02),
)  # fmt: skip
"""The text about Figures 1, 6 and 7, and the ratios, whose unit is what standard errors of 0.1 come to."""


def near(users: np.ndarray, centre: float) -> np.ndarray:
    """float[...]: the share of users (float[..., 36]) near a centre, degrees."""
    return users[..., np.abs(np.asarray(circular_distance(DEGREES, centre))) <= NEAR + 1e-3].sum(axis=-1)


def stated(values: np.ndarray, users: np.ndarray, natural: np.ndarray) -> np.ndarray:
    """Measures what `STATEMENTS` are about.

    Args:
        values: float[..., conditions, 3], what each recommender earns.
        users: float[..., conditions, 36], whom it leaves.
        natural: float[..., 36], the same under uniform slates.

    Returns:
        float[..., statements].
    """
    myopic, rl, penalised = (list(CONDITIONS).index(name) for name in ("myopic", "rl", "penalised rl"))
    at_270, sums = near(users, 270), values.sum(axis=-1)
    away = 0.5 * np.abs(users - natural[..., None, :]).sum(axis=-1)
    each = (
        near(natural, 80),
        at_270[..., rl],
        at_270[..., rl] - at_270[..., myopic],
        at_270[..., myopic] - near(natural, 270),
        away[..., rl] - away[..., penalised],
        sums[..., rl] / sums[..., myopic],
        sums[..., myopic] / sums[..., penalised],
    )
    return np.stack(np.broadcast_arrays(*each), axis=-1)


def distances(values: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Computes how far candidates are from all that the paper says.

    Args:
        values: float[..., conditions, 3], what each recommender earns.
        said: float[..., statements], what `stated` measures.

    Returns:
        float[..., 12 + statements]: in units of `NOISE` from the numbers of Table 1, then in those of `STATEMENTS`.
    """
    table = np.abs(values - PRINTED) / NOISE
    text = np.stack([each.distance(said[..., i]) for i, each in enumerate(STATEMENTS)], axis=-1)
    return np.concatenate([table.reshape(*table.shape[:-2], -1), text], axis=-1)


def misfit(distances: np.ndarray) -> np.ndarray:
    """float[...]: the root mean square of distances, float[..., numbers]; at most `WITHIN` is a fit."""
    return np.sqrt(np.square(distances).mean(axis=-1))


def pairs(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Searches for the candidate that meets each pair of numbers of Table 1 best.

    Args:
        distances: float[candidates, 12 or more], of which the first 12 are read.

    Returns:
        (float[12, 12], the larger distance of the two at the best candidate; int[12, 12], which one that is).
    """
    table = distances[:, : len(NUMBERS)]
    worse = np.stack([np.maximum(table[:, i, None], table).T for i in range(len(NUMBERS))])
    return worse.min(axis=-1), worse.argmin(axis=-1)


def hardest(distances: np.ndarray, size: int) -> tuple[tuple[int, ...], float]:
    """Finds the numbers of Table 1 that conflict most: those that the best candidate is farthest from meeting together.

    Args:
        distances: float[candidates, 12 or more], of which the first 12 are read.
        size: how many numbers, 1 to 12.

    Returns:
        (their places, the largest distance from one of them at the candidate that meets them best).
    """
    sets = list(itertools.combinations(range(len(NUMBERS)), size))
    least = [float(distances[:, each].max(axis=1).min()) for each in sets]
    worst = int(np.argmax(least))
    return sets[worst], least[worst]
