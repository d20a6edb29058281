"""Claims as data: what is measured, what it is compared with, and where that comes from."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from jax.typing import ArrayLike

from jaxrec.experiments.reports.findings import Finding
from jaxrec.statistics import Estimate, estimate

M = TypeVar("M")

Reference = float | Callable[[Any], float]
"""In the unit of the statistic: a number, or a function of what was measured."""

RELATIONS: dict[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt}


@dataclass(frozen=True)
class Judge:
    """Compares a statistic with a reference.

    Attributes:
        text: the comparison in words, such as "above 0.5"; empty where there is none.
        reference: what the statistic is compared with, or None.
        holds: (estimate, reference) -> whether the comparison holds; None where that is undecided.
        summary: statistic -> its mean with an interval.
        claimed: whether the source says that the comparison holds; if not, it says that it does not.
    """

    text: str
    reference: Reference | None
    holds: Callable[[Estimate, Any], bool | None]
    summary: Callable[[Any], Estimate] = estimate
    claimed: bool = True


REPORTED = Judge("", None, lambda mean, reference: None)
"""The judge of a mean that is compared with no reference."""


def above(reference: Reference, claimed: bool = True) -> Judge:
    """Judges whether a mean lies above `reference`: whether its whole interval does; undecided from a single seed.

    `claimed` is False for a source that says that it does not.
    """

    def holds(mean: Estimate, bound: float) -> bool | None:
        return None if mean.low is None else mean.low > bound

    return Judge(f"{'' if claimed else 'not '}above {_shown(reference)}", reference, holds, claimed=claimed)


def below(reference: Reference) -> Judge:
    """Judges whether a mean lies below `reference`: whether its whole interval does; undecided from a single seed."""

    def holds(mean: Estimate, bound: float) -> bool | None:
        return None if mean.high is None else mean.high < bound

    return Judge(f"below {_shown(reference)}", reference, holds)


def exact(relation: Literal["<", "<=", ">"], reference: Reference) -> Judge:
    """Judges a single number, which has no interval: whether it stands in this relation to `reference`."""

    def holds(number: Estimate, bound: float) -> bool:
        return RELATIONS[relation](number.value, bound)

    def summary(number: float) -> Estimate:
        return Estimate(float(number), None, None)

    return Judge(f"{relation} {_shown(reference)}", reference, holds, summary)


def _shown(reference: Reference) -> str:
    return "a measured bound" if callable(reference) else f"{reference:.4g}"


@dataclass(frozen=True)
class Claim(Generic[M]):
    """One claim of a source about what a study measures.

    Attributes:
        name: what is measured; `{}` stands for the `detail`.
        statistic: measured -> float[seeds], or another array that the judge can summarise.
        judge: how it is compared, and with what.
        source: where the claim or the reference comes from; `{}` stands for the `detail`.
        detail: measured -> what is known only then, such as which of several came out best; or None.
    """

    name: str
    statistic: Callable[[M], ArrayLike | Sequence[float]]
    judge: Judge
    source: str
    detail: Callable[[M], str] | None = None

    def finding(self, measured: M) -> Finding:
        """Judges the claim by what was measured.

        Raises:
            InputError: for a mean of no samples, or of one that is not finite.
        """
        mean, reference = self.judge.summary(self.statistic(measured)), self.judge.reference
        reference = reference(measured) if callable(reference) else reference
        name, source = (self._filled(text, measured) for text in (self.name, self.source))
        holds = self.judge.holds(mean, reference)
        return Finding(name, mean.value, mean.low, mean.high, reference, source, holds, self.judge.claimed)

    def shown(self, text: str) -> str:
        """Shows `name` or `source` before anything is measured."""
        return text if self.detail is None else text.replace("{}", "...")

    def _filled(self, text: str, measured: M) -> str:
        return text if self.detail is None else text.replace("{}", self.detail(measured))
