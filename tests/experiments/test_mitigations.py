"""Mitigations: which learners count as safe and viable, and what a tiny run writes."""

import json

import numpy as np
import pytest

from jaxrec.agents import QLearningSettings
from jaxrec.experiments import study
from jaxrec.experiments.polarising.mitigations.claims import BOTH, safe_and_viable
from jaxrec.experiments.polarising.mitigations.measure import (
    AS_THEY_CAME,
    BANDIT,
    BAYES,
    BELIEFS,
    KNOWN,
    UNCHANGING,
    WITHOUT,
    Measured,
    Outcome,
)
from jaxrec.experiments.polarising.mitigations.settings import MitigationsConfig

TINY = MitigationsConfig(
    weights=(0.0, 1.0), gammas=(0.0,), seeds=2, episodes=400, q_learning=QLearningSettings(num_envs=200),
    evaluation_episodes=40, num_chunks=2,
)  # fmt: skip


def outcome(clicks, opposed, apart=0.0):
    """Of five seeds; `apart` is how far the first and the last are from the mean, and about half of the interval."""
    apart = np.linspace(-apart, apart, 5)
    return Outcome(clicks + apart, opposed + apart, 2 * opposed + apart, np.zeros(5), np.zeros(5))


def found(first, last):
    """Policies of (clicks, opposed content): the others are fixed."""
    learners = {"users' weight 0": (*first, 0.005), "users' weight 1": (*last, 0.005), "gamma 0": (9.0, 0.1)}
    learners |= {WITHOUT: (9.8, 0.1)}
    references = {BANDIT: (9.3, 0.2), BAYES: (9.9, 0.1), BELIEFS: (11.2, 0.4), KNOWN: (12.9, 0.3)}
    references |= {AS_THEY_CAME: (10.0, 0.16), UNCHANGING: (9.9, 0.15)}
    return Measured(*({name: outcome(*one) for name, one in group.items()} for group in (learners, references)), 11.5)


@pytest.mark.parametrize(
    ("first", "last", "both"),
    [
        ((10.9, 0.4), (9.0, 0.1), []),  # as the paper says
        ((10.9, 0.4), (9.8, 0.1), ["users' weight 1"]),
        ((9.8, 0.15), (9.8, 0.09), ["users' weight 1"]),  # the first is within the margin by no interval
        ((9.302, 0.1), (9.29, 0.1), []),  # viable by the mean alone, and not viable
    ],
)
def test_the_conclusion_of_the_paper_can_fail(first, last, both):
    measured = found(first, last)
    assert safe_and_viable(measured, 0.02) == both
    claim = study("mitigations").config("quick", weights=(0.0, 1.0), gammas=(0.0,))
    findings = [each.finding(measured) for each in study("mitigations").claims(claim)]
    first = findings[0]
    assert first.name.startswith(BOTH.partition("(")[0])
    assert (first.verdict, first.value) == (not both, len(both))
    named = {one.name: one for one in findings}
    opposed = named["users' weight 0: opposed content beyond that learned without influence"]
    assert opposed.holds is (opposed.value > 0.01)
    for name, early in ((BELIEFS, 0.5), (AS_THEY_CAME, 0.02)):
        of_name = named[f"{name}: opposed content in steps 0 to 6, beyond one who {UNCHANGING}"]
        assert of_name.value == pytest.approx(early)


@pytest.mark.slow
def test_a_tiny_run_has_every_policy(tmp_path):
    folder = study("mitigations").run(config=TINY, out=tmp_path / "run")
    results = json.loads((folder / "results.json").read_text())
    names = [
        "users' weight 0",
        "users' weight 1",
        "gamma 0",
        WITHOUT,
        BANDIT,
        BAYES,
        BELIEFS,
        AS_THEY_CAME,
        UNCHANGING,
        KNOWN,
    ]
    for name in names:
        assert {len(values) for values in results[name].values()} == {2}
        assert 0 < np.mean(results[name]["clicks"]) < 30
        assert 0 <= np.mean(results[name]["opposed"]) <= 1
    assert np.mean(results[KNOWN]["clicks"]) > np.mean(results[BANDIT]["clicks"])
    assert np.mean(results[BAYES]["polarisation"]) < np.mean(results[BELIEFS]["polarisation"])
    assert (folder / "figures" / "tradeoff.png").stat().st_size > 5_000
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["episodes"] for line in lines] == [200, 400]
    assert len(lines[0]["users' weight 1"]) == 2
