"""Findings: what claims come to, and how many hold."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxrec.statistics import Estimate


@dataclass(frozen=True)
class Finding:
    """One claim and what was measured.

    Attributes:
        name: what was measured.
        value, low, high: the mean over seeds and its interval.
        reference: what it is compared with, or None.
        source: where the reference or the claim comes from.
        holds: whether the comparison in `name` holds beyond the interval; None where there is nothing to compare with,
            or too few seeds for an interval.
        claimed: whether the source says so; if not, it says that the value does not lie above the reference.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    reference: float | None
    source: str
    holds: bool | None
    claimed: bool = True

    @property
    def verdict(self) -> bool | None:
        """Whether the claim of the source holds; None if it is not judged.

        A source that says that a mean does not lie above the reference needs the whole interval not to.
        """
        if self.holds is None or self.claimed:
            return self.holds
        end = self.value if self.high is None else self.high
        return self.reference is not None and end <= self.reference

    @property
    def undecided(self) -> bool:
        """Whether the claim does not hold, and neither does its opposite: the reference lies within the interval."""
        if self.verdict is not False or self.reference is None or self.low is None or self.high is None:
            return False
        return self.low < self.high and self.low <= self.reference <= self.high

    @property
    def answer(self) -> str:
        """The first word of an answer."""
        return "Undecided" if self.undecided else spoken(self.verdict)

    @property
    def estimate(self) -> Estimate:
        """The mean with its interval."""
        return Estimate(self.value, self.low, self.high)

    def result(self) -> dict[str, Any]:
        """The finding in `results.json`, which says whether the comparison holds, whatever the source says."""
        fields = dataclasses.asdict(self)
        del fields["claimed"]
        return fields


def groups(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """The findings by what becomes of their claims: "holds", "does not hold", "undecided", "not judged"."""
    found: dict[str, list[Finding]] = {"holds": [], "does not hold": [], "undecided": [], "not judged": []}
    names = {True: "holds", False: "does not hold", None: "not judged"}
    for one in findings:
        found["undecided" if one.undecided else names[one.verdict]].append(one)
    return found


def counts(findings: Sequence[Finding]) -> str:
    """How many claims hold, such as "31 claims: 14 hold, 2 do not, 4 undecided, 11 not judged"."""
    found = groups(findings)
    claims = "1 claim" if len(findings) == 1 else f"{len(findings)} claims"
    judged = [f"{len(found['holds'])} hold", f"{len(found['does not hold'])} do not"]
    return f"{claims}: {', '.join(judged + _open(found))}"


def tally(findings: Sequence[Finding]) -> str:
    """How many of some claims hold, in a sentence: "5 of 8", "5 of 8 (1 undecided, 2 not judged)", or "not judged"."""
    found = groups(findings)
    judged = len(findings) - len(found["not judged"])
    if not judged:
        return "not judged"
    still_open = _open(found)
    return f"{len(found['holds'])} of {judged}" + (f" ({', '.join(still_open)})" if still_open else "")


def _open(found: dict[str, list[Finding]]) -> list[str]:
    """How many claims are neither found to hold nor not to, in words, where there are any."""
    return [f"{len(found[name])} {name}" for name in ("undecided", "not judged") if found[name]]


def spoken(verdict: bool | None) -> str:
    """A verdict as the first word of an answer."""
    return {True: "Yes", False: "No", None: "Not judged"}[verdict]
