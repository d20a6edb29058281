"""The claims about the unpublished constants: which numbers a society can meet, and with which constants."""

from collections.abc import Callable
from functools import partial

import numpy as np

from jaxrec.experiments.preference.constants.distance import NOISE, NUMBERS, PRINTED, STATEMENTS, WITHIN, pairs
from jaxrec.experiments.preference.constants.measure import Measured, Trained
from jaxrec.experiments.preference.constants.settings import ConstantsConfig
from jaxrec.experiments.reports.claims import REPORTED, Claim, Judge, above, exact
from jaxrec.statistics import Estimate, estimate

TABLE = "Carroll et al., Table 1"
OURS = "beyond the paper"
GAP = "misfit: fitted to optima beyond the best candidate"


def claims(config: ConstantsConfig) -> list[Claim[Measured]]:
    """Lists the claims, about the constants fitted to optima and about the best candidate beside them."""
    found: list[Claim[Measured]] = [
        Claim("screen: most numbers of Table 1 that one candidate meets (claim: all)", _most, exact(">", 11.5), TABLE),
        Claim("screen: least misfit, in units of the paper's noise (claim: noise)", _least, exact("<=", WITHIN), OURS),
        Claim(
            "screen: the two numbers that conflict most, {}: the larger distance (claim: noise)",
            _worst_pair, exact("<=", WITHIN * NOISE), TABLE, _worst_names,
        ),
        Claim("misfit: fitted to optima", lambda found: found.finalists.misfits[0], REPORTED, OURS),
        Claim("misfit: best candidate", lambda found: found.finalists.misfits[found.best], REPORTED, OURS),
        Claim(GAP, lambda found: found.finalists.misfits[0] - found.finalists.misfits[found.best], above(0.0), OURS),
    ]  # fmt: skip
    for name, which in (("fitted to optima", _optima), ("best candidate", _best)):
        found += [
            Claim(f"{name}: numbers of Table 1 {text}, of 12", partial(_count, of=of, which=which), REPORTED, TABLE)
            for text, of in (("within two standard errors of its means", met), ("within its intervals", inside))
        ]
        found += [
            Claim(f"{name}: {each.text}", partial(_said, which=which, place=i), _judge(i), each.source)
            for i, each in enumerate(STATEMENTS)
        ]
    return found


def _judge(place: int) -> Judge:
    """How a sentence of the paper is judged: as its range says; of ratios, whether the interval holds what it says."""
    low, high = STATEMENTS[place].low, STATEMENTS[place].high
    if place == 0:
        return exact("<=", high)
    return above(low) if high >= 1.0 else reaches(low, high)


def reaches(low: float, high: float) -> Judge:
    """Judges whether the 95 % interval of a mean reaches a printed number, which is rounded; undecided from one seed.

    Args:
        low: the least that the printed number may have been rounded from.
        high: the most.

    Returns:
        The judge, which shows the printed number as its reference.
    """
    printed = (low + high) / 2

    def holds(mean: Estimate, reference: float) -> bool | None:
        return None if mean.low is None or mean.high is None else mean.low <= high and mean.high >= low

    return Judge(f"equal to {printed:.4g} within its interval", printed, holds)


def met(trained: Trained, place: int) -> np.ndarray:
    """bool[conditions, 3]: which numbers of Table 1 the mean over seeds of one candidate is within two noises of.

    Args:
        trained: with recommenders.
        place: of the candidate.
    """
    return np.abs(trained.values[place].mean(axis=0) - PRINTED) <= WITHIN * NOISE


def inside(trained: Trained, place: int) -> np.ndarray:
    """bool[conditions, 3]: which numbers of Table 1 lie within the 95 % interval over seeds of one candidate.

    Args:
        trained: with recommenders.
        place: of the candidate.
    """
    found = np.zeros(PRINTED.shape, bool)
    for index in np.ndindex(*PRINTED.shape):
        ours = estimate(trained.values[place, :, *index])
        found[index] = ours.low is not None and ours.high is not None and ours.low <= PRINTED[index] <= ours.high
    return found


def _optima(found: Measured) -> int:
    return 0


def _best(found: Measured) -> int:
    return found.best


# Statistics.


def _most(found: Measured) -> float:
    """The most numbers of Table 1 within two standard errors of one candidate of the screen."""
    return float((found.screen.distances[:, : len(NUMBERS)] <= WITHIN).sum(axis=1).max())


def _least(found: Measured) -> float:
    return float(found.screen.misfits.min())


def _worst_pair(found: Measured) -> float:
    """How far the nearest candidate is from the two numbers that conflict most, in engagement."""
    return float(pairs(found.screen.distances)[0].max() * NOISE)


def _worst_names(found: Measured) -> str:
    larger = pairs(found.screen.distances)[0]
    first, second = np.unravel_index(larger.argmax(), larger.shape)
    return f"{NUMBERS[first]} and {NUMBERS[second]}"


def _count(found: Measured, of: Callable[[Trained, int], np.ndarray], which: Callable[[Measured], int]) -> list[float]:
    return [float(of(found.finalists, which(found)).sum())]


def _said(found: Measured, which: Callable[[Measured], int], place: int) -> np.ndarray | float:
    """What a sentence is about: float[seeds]; of natural shifts, which are exact, one number."""
    values = found.finalists.said[which(found), :, place]
    return float(values[0]) if place == 0 else values
