"""Reports: verdicts, and the text that holds them."""

import pytest

from jaxrec.experiments.reports import report
from jaxrec.experiments.reports.findings import above, below, measured


@pytest.mark.parametrize(
    ("samples", "is_above", "is_below"),
    [
        ([2.0, 2.1, 2.2], True, False),
        ([0.0, 1.0, 2.0], False, False),
        ([0.1, 0.2, 0.3], False, True),
        ([2.0], None, None),
    ],
)
def test_verdicts(samples, is_above, is_below):
    assert above("x", samples, 1.0, "s").holds is is_above
    assert below("x", samples, 1.0, "s").holds is is_below
    assert measured("x", samples, "s").holds is None


def test_report_markdown():
    findings = [above("rise", [2.0, 2.1, 2.2], 1.0, "Eq. 1"), measured("size", [0.5], "ours")]
    section = report.Section("Part", "Prose.", ("a", "b"), [("1", "2")], ["plot"])
    text = report.Report("Title", "Summary.", findings, [section]).markdown()
    assert "| rise | 2.100 [1.852, 2.348] | 1.000 | yes | Eq. 1 |" in text
    assert "| size | 0.500 | - | - | ours |" in text
    assert "## Part\n\nProse.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n" in text
    assert "![plot](figures/plot.png)" in text
