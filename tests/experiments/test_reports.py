"""Reports: verdicts, and the text that holds them."""

import pytest

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
