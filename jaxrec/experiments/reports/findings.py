"""Claims held against what was measured."""

from dataclasses import dataclass
from typing import Any

from jaxrec.statistics import estimate


@dataclass(frozen=True)
class Finding:
    """One claim held against what was measured.

    Attributes:
        name: what was measured.
        value, low, high: the mean over seeds and its interval.
        reference: what it is compared with, or None.
        source: where the reference or the claim comes from.
        holds: whether the claim holds beyond the interval; None where there is nothing to compare with.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    reference: float | None
    source: str
    holds: bool | None


def measured(name: str, samples: Any, source: str) -> Finding:
    """A figure with nothing to compare it with."""
    mean = estimate(samples)
    return Finding(name, mean.value, mean.low, mean.high, None, source, None)


def above(name: str, samples: Any, reference: float, source: str) -> Finding:
    """Holds where the whole interval lies above `reference`; undecided (None) from a single seed."""
    mean = estimate(samples)
    holds = None if mean.low is None else mean.low > reference
    return Finding(name, mean.value, mean.low, mean.high, reference, source, holds)


def below(name: str, samples: Any, reference: float, source: str) -> Finding:
    """Holds where the whole interval lies below `reference`; undecided (None) from a single seed."""
    mean = estimate(samples)
    holds = None if mean.high is None else mean.high < reference
    return Finding(name, mean.value, mean.low, mean.high, reference, source, holds)
