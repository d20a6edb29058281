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
    def estimate(self) -> Estimate:
        """The mean with its interval."""
        return Estimate(self.value, self.low, self.high)

    def result(self) -> dict[str, Any]:
        """The finding in `results.json`, which says whether the comparison holds, whatever the source says."""
        fields = dataclasses.asdict(self)
        del fields["claimed"]
        return fields


def groups(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """The findings by what becomes of their claims: "holds", "does not hold", "not judged"."""
    verdicts = {"holds": True, "does not hold": False, "not judged": None}
    return {name: [one for one in findings if one.verdict is verdict] for name, verdict in verdicts.items()}


def counts(findings: Sequence[Finding]) -> str:
    """How many claims hold, such as "31 claims: 14 hold, 6 do not, 11 not judged"."""
    held, failed, unjudged = map(len, groups(findings).values())
    claims = "1 claim" if len(findings) == 1 else f"{len(findings)} claims"
    return f"{claims}: {held} hold, {failed} do not, {unjudged} not judged"


def tally(findings: Sequence[Finding]) -> str:
    """How many of some claims hold, in a sentence: "5 of 8", "5 of 6 (2 not judged)", or "not judged"."""
    held, failed, unjudged = map(len, groups(findings).values())
    if not held + failed:
        return "not judged"
    return f"{held} of {held + failed}" + (f" ({unjudged} not judged)" if unjudged else "")


def spoken(verdict: bool | None) -> str:
    """A verdict as the first word of an answer."""
    return {True: "Yes", False: "No", None: "Not judged"}[verdict]
