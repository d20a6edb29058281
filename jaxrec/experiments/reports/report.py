"""The report of a study as Markdown: answers, claims, tables, pictures, and last all findings."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from jaxrec.experiments.reports.findings import Finding, counts, groups


@dataclass(frozen=True)
class Answer:
    """One of the sentences that a report begins with.

    Attributes:
        text: a plain sentence, or two.
        figure: the file name of the picture that shows it, or None.
    """

    text: str
    figure: str | None = None


@dataclass
class Section:
    """A heading with prose, at most one table and any number of figures (by file name)."""

    title: str
    text: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    figures: Sequence[str] = ()


@dataclass
class Report:
    """The outcome of a study.

    Attributes:
        title: the first line.
        summary: what was run.
        sections: tables and pictures, after the claims.
        figures: file name (without ending) -> figure.
        data: further numbers for `results.json`.
        answers: what the study comes to, in three or four sentences: the beginning of the report.
        findings: what the claims of the study come to, in their order; the study sets them.
        limits: what the run cannot show, in one line, or nothing; the study sets it.
    """

    title: str
    summary: str
    sections: list[Section] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    limits: str = ""

    def markdown(self) -> str:
        """The report; figures are linked as `figures/NAME.png`."""
        lines = [f"# {self.title}", "", *self._answers(), "## What was run", "", self.summary, "", *self._claims()]
        shown = {answer.figure for answer in self.answers}
        for section in self.sections:
            lines += ["", f"## {section.title}", ""]
            lines += [section.text, ""] if section.text else []
            lines += [*table(section.header, section.rows), ""] if section.rows else []
            lines += [
                f"The picture above: [{name}](figures/{name}.png)" if name in shown else _picture(name)
                for name in section.figures
            ]
        return "\n".join([*lines, *self._findings()]) + "\n"

    def _answers(self) -> list[str]:
        lines = []
        for answer in self.answers:
            lines += [f"- {answer.text}", ""]
            lines += [_picture(answer.figure), ""] if answer.figure else []
        return [*lines, f"What this run cannot show: {self.limits}", ""] if self.limits else lines

    def _claims(self) -> list[str]:
        """The claims in groups, each with what was measured."""
        lines = [
            "## Claims",
            "",
            f"{counts(self.findings)}. A claim is that of its source, and holds if it does so beyond the 95 % interval "
            "over seeds; it is undecided where the reference lies within the interval: more seeds would tell. "
            "Measurements without a reference, and without an interval, are not judged.",
        ]
        for name, findings in groups(self.findings).items():
            lines += ["", f"### {name.capitalize()}", ""] if findings else []
            lines += [_claim(finding) for finding in findings]
        return lines

    def _findings(self) -> list[str]:
        rows = [
            (
                finding.name,
                str(finding.estimate),
                _number(finding.reference),
                "undecided" if finding.undecided else {True: "yes", False: "**no**", None: "-"}[finding.verdict],
                finding.source,
            )
            for finding in self.findings
        ]
        header = ("finding", "measured (mean, 95 % interval over seeds)", "reference", "claim holds", "source")
        return ["", "## All findings: paper and measured", "", *table(header, rows)] if rows else []


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [_row(header), _row(["---"] * len(header)), *map(_row, rows)]


def _claim(finding: Finding) -> str:
    """One line of a list."""
    reference = "" if finding.reference is None else f"; reference {_number(finding.reference)}"
    denied = "" if finding.claimed else "; the source says that it is not"
    return f"- {finding.name}: {finding.estimate}{reference}{denied} ({finding.source})"


def _picture(name: str) -> str:
    return f"![{name}](figures/{name}.png)"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
