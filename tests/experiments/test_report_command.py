"""Reports: what was measured is kept and read again, and a run is judged and drawn again from it alone."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import survivor

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.reports.claims import REPORTED, Claim, above, below
from jaxrec.experiments.reports.figures import error_bars
from jaxrec.experiments.reports.findings import counts, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.rewiring.learning.measure import Run
from jaxrec.experiments.rewiring.santos.study import SantosConfig
from jaxrec.experiments.runs import measurements
from jaxrec.statistics import Estimate

TINY = SantosConfig(
    users=24, degree=4, timescales=(0.0, 8.0), runs=2, steps=5_000, plane_users=24, plane_degree=4,
    plane_timescales=(4.0,), plane_points=2, plane_steps=5_000,
)  # fmt: skip
WRITTEN_AGAIN = ("report.md", "results.json")


@pytest.fixture(autouse=True)
def among_the_studies(monkeypatch):
    monkeypatch.setitem(STUDIES, "survivor", survivor.STUDY)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return survivor.STUDY.run("quick", survivor.Config(slopes=(0.5,)), tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture
def run(whole, tmp_path):
    """A copy of a run, to tamper with."""
    return shutil.copytree(whole, tmp_path / "run")


def same(one, other):
    """Whether two measurements are of the same classes, dtypes and values."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        return all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if dataclasses.is_dataclass(one):
        return same(vars(one), vars(other))
    if isinstance(one, np.ndarray | np.generic):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return one == other


NESTED = {
    "a": [np.arange(3, dtype=np.int16), np.array([[1.5, np.nan]], np.float32)],
    ("b", 1): (True, None, "text", 0.1, np.float32(0.1), np.zeros((0, 2), bool)),
    "c": {10: Run(10, "aligned", "mlp"), "10": float("inf")},
    "d.e": np.array(1.0),
    "d": {"e": np.array(2.0)},
}


def test_measurements_come_back_as_they_were(tmp_path):
    measurements.write(tmp_path / "m.npz", NESTED)
    assert same(NESTED, measurements.read(tmp_path / "m.npz"))
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]
    first = (tmp_path / "m.npz").read_bytes()
    measurements.write(tmp_path / "m.npz", NESTED)
    assert (tmp_path / "m.npz").read_bytes() == first


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [object()]}, "measured.a.0 is a object"),
        ({"a": survivor.Config()}, "measured.a is a Config"),
        ({"a": Estimate(1.0, None, None)}, "measured.a is a Estimate"),
        (np.array(["text"]), "measured is a ndarray"),
        (np.array([None]), "measured is a ndarray"),
        ({np.float32(1.0): 1}, "measured is a float32"),
    ],
)
def test_what_is_no_measurement_is_refused(value, where, tmp_path):
    with pytest.raises(TypeError, match=where):
        measurements.write(tmp_path / "m.npz", value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "structure",
    [
        {"class": "os:system", "fields": {}},
        {"class": "jaxrec.experiments.study:shlex", "fields": {}},
        {"class": "jaxrec.experiments.nowhere:Run", "fields": {}},
        {"class": "jaxrec.experiments.rewiring.learning.measure:Run", "fields": {"size": {"value": 1}}},
        {"array": "nowhere"},
        {"what": 1},
        [],
    ],
)
def test_what_jaxrec_did_not_measure_is_not_rebuilt(structure, tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, structure=np.array(json.dumps(structure)))
    with pytest.raises(jaxrec.InputError, match=r"m\.npz' cannot be read: "):
        measurements.read(path)


def test_a_wrong_byte_anywhere_in_the_numbers_is_refused(tmp_path):
    path, numbers = tmp_path / "m.npz", np.random.default_rng(0).normal(size=500)
    measurements.write(path, {"numbers": numbers})
    whole = path.read_bytes()
    assert len(whole) < 2 * numbers.nbytes
    for place in range(200, numbers.nbytes, 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with pytest.raises(jaxrec.InputError, match=r"m\.npz' cannot be read: "):
            measurements.read(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of zipfile, where a wrong byte makes two names one
@pytest.mark.parametrize("flip", [0x01, 0x08, 0x55, 0xFF])
def test_a_wrong_byte_anywhere_changes_nothing_or_is_refused(flip, tmp_path):
    """Of the heads of the archive too, where it may name another compression or a password."""
    path, numbers, refused = tmp_path / "m.npz", np.arange(5.0), 0
    measurements.write(path, {"numbers": numbers})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        try:
            np.testing.assert_array_equal(measurements.read(path)["numbers"], numbers)
        except jaxrec.InputError:
            refused += 1
    assert refused > len(whole) / 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_damaged_measurements_are_refused(content, run, capsys):
    (run / "measured.npz").write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["report", str(run)])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "measured.npz' cannot be read: " in error
    assert len(error.splitlines()) == 1


def test_a_run_is_reported_again_from_its_measurements_alone(tmp_path, monkeypatch, capsys):
    folder = study("rewiring-santos").run(config=TINY, out=tmp_path / "run")
    results = (folder / "results.json").read_bytes()
    pictures = sorted(path.name for path in (folder / "figures").iterdir())
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for path in (*(folder / name for name in WRITTEN_AGAIN), *(folder / "figures").iterdir()):
        path.unlink()
    never = dataclasses.replace(study("rewiring-santos"), measure=lambda *_: pytest.fail("it was measured again"))
    monkeypatch.setitem(STUDIES, "rewiring-santos", never)
    monkeypatch.setattr("jaxrec.envs.rewiring.simulation.simulator._run", lambda *_: pytest.fail("it simulates"))
    main(["report", str(folder)])
    assert (folder / "results.json").read_bytes() == results
    assert sorted(path.name for path in (folder / "figures").iterdir()) == pictures
    assert set(kept) == {path for path in folder.rglob("*") if path.is_file()}
    written = {folder / name for name in (*WRITTEN_AGAIN, "manifest.json")}
    assert all(path.read_bytes() == kept[path] for path in kept if path not in written)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"report: {folder / 'report.md'}"
    assert said[-2].startswith(f"picture: {folder / 'figures'}")
    assert Path(said[-2].removeprefix("picture: ")).is_file()
    assert said[-3] == "1 claim: 0 hold, 0 do not, 1 not judged"
    assert said[0].startswith("- Do half of the runs end in cooperation")


def test_a_report_of_a_study_that_trains_trains_nothing(whole, run, monkeypatch):
    monkeypatch.setattr(survivor, "fit", lambda *_, **__: pytest.fail("it trains"))
    survivor.STUDY.redraw(run)
    for name in ("results.json", "measured.npz", "metrics.jsonl"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_measurements_are_kept_where_the_report_fails(tmp_path):
    def fail(config, found, findings):
        raise RuntimeError("no picture")

    broken = dataclasses.replace(survivor.STUDY, report=fail)
    with pytest.raises(RuntimeError, match="no picture"):
        broken.run("quick", survivor.Config(slopes=(0.5,)), tmp_path / "run")
    assert measurements.read(tmp_path / "run" / "measured.npz")["curves"]


@pytest.mark.parametrize(
    ("status", "message"),
    [("running", "is not complete (running)"), ("interrupted", "to resume it: jaxrec run survivor --resume ")],
)
def test_an_unfinished_run_is_not_reported(status, message, run, capsys):
    about = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(about | {"status": status}))
    with pytest.raises(SystemExit) as stop:
        main(["report", str(run)])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_folders_without_measurements_are_refused(run, tmp_path, capsys):
    (run / "measured.npz").unlink()
    for folder, message in ((run, "has no measured.npz: "), (tmp_path / "nowhere", "there is no folder")):
        with pytest.raises(SystemExit) as stop:
            main(["report", str(folder)])
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1
    with pytest.raises(jaxrec.InputError, match="is a run of the study 'survivor', not of 'tampering'"):
        study("tampering").redraw(run)


def test_the_help_says_what_a_report_is_made_from(capsys):
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    assert "measured.npz" in capsys.readouterr().out


# What a report says, in which order.


def finding(name, samples, judge, source):
    return Claim(name, lambda _: samples, judge, source).finding(None)


RISE = finding("rise", [2.0, 2.1, 2.2], above(1.0), "Eq. 1")
FALL = finding("fall", [2.0, 2.1, 2.2], above(3.0), "Eq. 2")
DENIED = finding("denied", [2.0, 2.1, 2.2], above(3.0, claimed=False), "Eq. 3")
OPEN = finding("open", [2.0, 2.1, 2.2], above(2.0), "Eq. 5")
SIZE = finding("size", [0.5], REPORTED, "ours")


def test_a_report_begins_with_answers_and_ends_with_all_findings():
    section = Section("Part", "Prose.", ("a", "b"), [("1", "2")], ["plot", "other"])
    answers = [Answer("It rises.", "plot"), Answer("It is small.")]
    findings = [RISE, FALL, DENIED, OPEN, SIZE]
    text = Report("Title", "Summary.", [section], answers=answers, findings=findings, limits="all.").markdown()
    in_order = [
        "# Title\n\n- It rises.\n\n![plot](figures/plot.png)\n\n- It is small.\n\nWhat this run cannot show: all.",
        "## What was run\n\nSummary.\n\n## Claims\n\n5 claims: 2 hold, 1 do not, 1 undecided, 1 not judged. ",
        "### Holds\n\n- rise: 2.100 [1.852, 2.348]; reference 1.000 (Eq. 1)\n",
        "- denied: 2.100 [1.852, 2.348]; reference 3.000; the source says that it is not (Eq. 3)\n",
        "### Does not hold\n\n- fall: ",
        "### Undecided\n\n- open: 2.100 [1.852, 2.348]; reference 2.000 (Eq. 5)\n",
        "### Not judged\n\n- size: 0.500 (ours)\n",
        "## Part\n\nProse.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n",
        "The picture above: [plot](figures/plot.png)\n![other](figures/other.png)\n",
        "| rise | 2.100 [1.852, 2.348] | 1.000 | yes | Eq. 1 |",
        "| fall | 2.100 [1.852, 2.348] | 3.000 | **no** | Eq. 2 |",
        "| denied | 2.100 [1.852, 2.348] | 3.000 | yes | Eq. 3 |",
        "| open | 2.100 [1.852, 2.348] | 2.000 | undecided | Eq. 5 |",
        "| size | 0.500 | - | - | ours |",
    ]
    places = [text.index(part) for part in in_order]
    assert places == sorted(places)


def test_a_claim_that_is_denied_holds_where_the_comparison_does_not():
    assert (DENIED.holds, DENIED.verdict) == (False, True)
    either = finding("either", [2.0, 2.1, 2.2], above(2.1, claimed=False), "Eq. 4")
    assert (either.holds, either.verdict) == (False, False), "its interval does not tell"
    assert "claimed" not in DENIED.result()
    assert DENIED.result()["holds"] is False
    assert counts([RISE]) == "1 claim: 1 hold, 0 do not"
    assert tally([RISE, FALL, SIZE]) == "1 of 2 (1 not judged)"


def test_a_claim_is_undecided_where_its_reference_lies_within_the_interval():
    either = finding("either", [2.0, 2.1, 2.2], above(2.1, claimed=False), "Eq. 4")
    under = finding("under", [2.0, 2.1, 2.2], below(2.0), "Eq. 6")
    alike = finding("alike", [2.0, 2.0, 2.0], above(2.0), "Eq. 7")
    assert [one.undecided for one in (RISE, FALL, DENIED, SIZE, OPEN, either, under)] == [False] * 4 + [True] * 3
    assert not alike.undecided, "all seeds gave the reference itself: it is not above"
    assert [one.answer for one in (RISE, FALL, OPEN, SIZE)] == ["Yes", "No", "Undecided", "Not judged"]
    assert counts([RISE, FALL, OPEN]) == "3 claims: 1 hold, 1 do not, 1 undecided"
    assert tally([RISE, OPEN, SIZE]) == "1 of 2 (1 undecided, 1 not judged)"
    assert tally([SIZE]) == "not judged"


def test_error_bars_of_a_single_seed_have_no_length():
    np.testing.assert_array_equal(
        error_bars(Estimate(1.0, 0.5, 2.0), Estimate(3.0, None, None)), [[0.5, 0.0], [1.0, 0.0]]
    )
    assert error_bars().shape == (2, 0)


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "survivor"])
def test_every_short_run_says_what_it_cannot_show(name):
    assert STUDIES[name].limits["quick"]
