"""What a study found: findings, tables and figures, as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from jaxrec.experiments.reports.findings import Finding
from jaxrec.statistics import Estimate


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
        title, summary: the first lines.
        findings: in the order in which they are to be read.
        sections: after the findings.
        figures: file name (without ending) -> figure.
        data: further numbers for `results.json`.
    """

    title: str
    summary: str
    findings: list[Finding] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    data: dict = field(default_factory=dict)

    def markdown(self) -> str:
        """The report; figures are linked as `figures/NAME.png`."""
        lines = [f"# {self.title}", "", self.summary, "", "## Findings: paper and measured", ""]
        lines += table(
            ("finding", "measured (mean, 95 % interval over seeds)", "reference", "holds", "source"),
            [
                (finding.name, str(Estimate(finding.value, finding.low, finding.high)), _number(finding.reference),
                 _verdict(finding.holds), finding.source)
                for finding in self.findings
            ],
        )  # fmt: skip
        for section in self.sections:
            lines += ["", f"## {section.title}", ""]
            lines += [section.text, ""] if section.text else []
            lines += [*table(section.header, section.rows), ""] if section.rows else []
            lines += [f"![{name}](figures/{name}.png)" for name in section.figures]
        return "\n".join(lines) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [_row(header), _row(["---"] * len(header)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _verdict(holds: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "-"}[holds]
