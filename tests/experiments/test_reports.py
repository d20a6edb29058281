"""Claims: verdicts on hand-made samples, and which claims the settings of a study make."""

import dataclasses

import pytest

import jaxrec
from jaxrec.experiments import STUDIES
from jaxrec.experiments.reports.claims import REPORTED, Claim, above, below, exact


def judged(samples, judge, **more):
    return Claim("x", lambda measured: measured["samples"], judge, "s", **more).finding(
        {"samples": samples, "bound": 1.0}
    )


@pytest.mark.parametrize(
    ("samples", "is_above", "is_below"),
    [
        ([2.0, 2.1, 2.2], True, False),
        ([0.0, 1.0, 2.0], False, False),
        ([0.1, 0.2, 0.3], False, True),
        ([2.0], None, None),
    ],
)
@pytest.mark.parametrize("reference", [1.0, lambda measured: measured["bound"]])
def test_verdicts(samples, is_above, is_below, reference):
    for judge, holds in ((above(reference), is_above), (below(reference), is_below), (REPORTED, None)):
        finding = judged(samples, judge)
        assert finding.holds is holds
        assert finding.value == pytest.approx(sum(samples) / len(samples))
        assert finding.reference == (None if judge is REPORTED else 1.0)
        assert finding.claimed


@pytest.mark.parametrize(("number", "less", "at_most", "more"), [(0.9, 1, 1, 0), (1.0, 0, 1, 0), (1.1, 0, 0, 1)])
def test_a_single_number_is_compared_as_it_is(number, less, at_most, more):
    findings = [judged(number, exact(relation, 1.0)) for relation in ("<", "<=", ">")]
    assert [finding.holds for finding in findings] == [less, at_most, more]
    assert all((finding.value, finding.low, finding.high) == (number, None, None) for finding in findings)


def test_a_claim_of_no_samples_is_refused():
    with pytest.raises(jaxrec.InputError, match="finite samples"):
        judged([], REPORTED)


def test_the_comparison_is_said_before_anything_is_measured():
    assert above(0.97).text == "above 0.97"
    assert above(0.1, claimed=False).text == "not above 0.1"
    assert below(max).text == "below a measured bound"
    assert not REPORTED.text


def test_what_is_known_only_when_measured_is_filled_in():
    claim = Claim("beyond {}", lambda measured: [1.0], REPORTED, "largest at {}", lambda measured: measured["best"])
    assert [claim.shown(text) for text in (claim.name, claim.source)] == ["beyond ...", "largest at ..."]
    finding = claim.finding({"best": "good"})
    assert (finding.name, finding.source) == ("beyond good", "largest at good")
    plain = dataclasses.replace(claim, detail=None)
    assert plain.shown(plain.name) == plain.finding({}).name == "beyond {}"


@pytest.mark.parametrize(("name", "preset"), [(name, preset) for name in STUDIES for preset in STUDIES[name].presets])
def test_every_preset_says_its_claims_before_anything_is_measured(name, preset, monkeypatch):
    never = dataclasses.replace(STUDIES[name], measure=lambda *_: pytest.fail("it measures"))
    claims = never.claims(never.config(preset))
    assert claims
    assert len({claim.name for claim in claims}) == len(claims)
    assert all(claim.name and claim.source and callable(claim.statistic) for claim in claims)
    assert all((claim.judge.reference is None) == (not claim.judge.text) for claim in claims)
