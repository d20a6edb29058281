"""The study of retraining in rounds: its claims and report, from numbers that are known."""

import numpy as np
import pytest

from jaxrec.experiments import study
from jaxrec.experiments.preference.rounds.claims import (
    BIAS,
    CHOSEN,
    DROP,
    LOST,
    MEMORY,
    OPTIMISM,
    RATCHET,
    RECOVERED,
    SAFER,
    SPARED,
)
from jaxrec.experiments.preference.rounds.contests import Contest, contests
from jaxrec.experiments.preference.rounds.learning import Condition, Round
from jaxrec.experiments.preference.rounds.measure import Measured
from jaxrec.experiments.preference.rounds.ratchet import MEASURES, Stay, ratchet
from jaxrec.experiments.preference.rounds.settings import COUNTS
from jaxrec.experiments.preference.rounds.survivors import Survivors
from jaxrec.experiments.preference.rounds.swaps import SWAPS, Swapped
from jaxrec.experiments.runs.tools import Tools

CONFIG = study("retraining-rounds").config("quick", exact_rounds=3, exact_penalties=(0.0, 1.0))
NOISE = np.linspace(-0.01, 0.01, 3)
SUMS = ("engagement", "click", "bait", "engagement_initial", "engagement_natural", "steered")
USERS = np.full(36, 1 / 36)


def stay(counts, penalty, remembers):
    """An exact platform whose users move 20 degrees a session and lose 1 of safe engagement, unless it remembers.

    Without a penalty they have 1 less of it at first, and lose a quarter as much.
    """
    drift = 0.0 if remembers else 1.0
    sessions = np.arange(3.0)[:, None] * drift
    measures = dict.fromkeys(MEASURES, 3.0 + 0 * sessions + NOISE)
    safe = 5 - sessions if penalty else 4 - sessions / 4
    measures |= {"apart": 10 + 20 * sessions + NOISE, "safe": safe + NOISE}
    measures["bait"] = measures["bait"] + (counts == "click")
    measures["engagement"] = measures["engagement"] + 2 * (counts == "dwell")
    return Stay(counts, penalty, remembers, measures, np.tile(USERS, (3, 1)))


def contest(one, other, sharpness):
    """Two platforms of which the former wins a tenth of the users a session for each 8 of sharpness, at a price."""
    won = np.arange(3.0)[:, None] * sharpness / 8
    measures = dict.fromkeys(MEASURES, 3.0 + 0 * won + NOISE) | {"safe": 4 - won + NOISE}
    return Contest(one, other, sharpness, 0.5 + won / 10 + NOISE, measures)


def learned(engagement):
    """One round in which a platform engages its users so."""
    sums = {name: np.tile(engagement + NOISE[:, None], (1, 4)) for name in SUMS}
    beliefs = np.tile(USERS, (3, 11, 1))
    return Round(sums, beliefs[:, :10], beliefs, engagement + NOISE, engagement + NOISE, 3 + NOISE)


def found(**changes):
    stays = [stay(counts, *kind) for counts in COUNTS for kind in ((0.0, False), (1.0, False), (1.0, True))]
    survivors = Survivors(
        np.full(3, 0.2),
        {"survivors": 2 + NOISE, "everyone": -1 + NOISE},
        {"survivors": 1.5 - NOISE, "everyone": -0.5 + NOISE},
    )
    engagement = {"none": 3.0, "logs": 5.0, "model": 5.5, "recommender": 4.0, "beliefs": 3.0}
    swapped = Swapped({name: engagement[name] + NOISE * (1 + number) for number, name in enumerate(SWAPS)})
    parts = {
        "conditions": [Condition("dwell", 0.0, [learned(5.0), learned(3.0)])],
        "stays": stays,
        "contests": [contest(*pair, sharpness) for pair in CONFIG.rivals for sharpness in CONFIG.sharpness],
        "survivors": survivors,
        "swapped": swapped,
    }
    return Measured(**parts | changes)


def test_claims_come_to_what_was_measured():
    report = study("retraining-rounds").judged(CONFIG, found())
    named = {one.name: one for one in report.findings}
    assert len(named) == len(report.findings)
    exact = "exact, paid for dwelling, penalised by 1"
    for text, value in ((RATCHET, 40.0), (LOST, 2.0), (MEMORY, 2.0)):
        assert named[f"{exact}: {text}"].value == pytest.approx(value)
        assert named[f"{exact}: {text}"].verdict
    for session, value in (("first", 1.0), ("last", -0.5)):
        finding = named[f"{exact}, {session} session: {SAFER}"]
        assert finding.value == pytest.approx(value)
        assert finding.verdict is (value > 0)
    assert named["exact, first session: bait consumed, paid for clicks beyond dwelling"].value == pytest.approx(1.0)
    assert named["exact, first session: engagement, paid for dwelling beyond clicks"].value == pytest.approx(2.0)
    assert named[OPTIMISM].value == pytest.approx(2.0)
    assert named[BIAS].value == pytest.approx(3.0)
    assert named[f"paid for dwelling: {DROP}"].value == pytest.approx(2.0)
    for rival in ("clicks", "dwelling, penalised by 1"):
        for sharpness, value in ((2, 0.05), (8, 0.2)):
            pair = f"paid for dwelling against paid for {rival}, sharpness {sharpness}"
            assert named[f"{pair}: {CHOSEN}"].value == pytest.approx(value)
            assert named[f"{pair}: {CHOSEN}"].verdict
            assert named[f"{pair}: {SPARED}"].value == pytest.approx(-10 * value)
    for name, value in (("model", 2.5), ("recommender", 1.0), ("beliefs", 0.0)):
        finding = named[f"{RECOVERED}{SWAPS[name]}"]
        assert finding.value == pytest.approx(value)
        assert finding.verdict is (value > 0)


def test_the_report_begins_with_four_answers_and_their_pictures():
    report = study("retraining-rounds").judged(CONFIG, found())
    assert len(report.answers) == 4
    assert {answer.figure for answer in report.answers} <= set(report.figures)
    text = report.markdown()
    assert "In 4 of 4 kinds of exact platforms" in text
    assert "Do users who choose go to the platform paid for dwelling, without penalty? In 4 of 4 cases" in text
    assert "Does the platform paid for dwelling lose engagement in round 2? Yes" in text
    for figure in report.figures.values():
        figure.canvas.draw()


def test_what_is_not_measured_is_not_claimed():
    config = study("retraining-rounds").config("quick", rounds=1, exact_rounds=3, exact_penalties=(0.0, 1.0))
    report = study("retraining-rounds").judged(
        config, found(swapped=None, conditions=[Condition("dwell", 0.0, [learned(5.0)])])
    )
    assert not [one for one in report.findings if one.name.startswith(RECOVERED)]
    assert len(report.answers) == 3
    assert "exchanges" not in report.figures


class Twice(type(CONFIG)):
    """Between two platforms that are the same."""

    rivals = [(("dwell", 0.0), ("dwell", 0.0))]  # noqa: RUF012


def test_two_platforms_that_are_one_do_what_one_does(key):
    """Wherever users go, they are served alike: all measures are those of the one platform, whatever the share."""
    settings = {"seeds": 2, "exact_users": 60, "exact_rounds": 2, "exact_penalties": (0.0,), "sharpness": (8.0,)}
    (found,) = contests(Twice(**settings), key, Tools())
    alone = next(one for one in ratchet(Twice(**settings), key, Tools()) if one.counts == "dwell")
    for name, values in alone.measures.items():
        np.testing.assert_array_equal(found.measures[name], values, name)
    assert found.share.shape == (2, 2)
    assert ((found.share > 0.1) & (found.share < 0.9)).all()
