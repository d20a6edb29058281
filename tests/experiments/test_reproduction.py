"""Runs made again from their folder alone, and what is said of those that come out otherwise."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import survivor
from paths import ROOT

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments import STUDIES, reproduce
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.runtime import interruption
from jaxrec.training import parallel

CONFIG = survivor.Config(seed=7, seeds=2, slopes=(0.5,), num_chunks=3)


@pytest.fixture(autouse=True)
def among_the_studies(monkeypatch):
    monkeypatch.setitem(STUDIES, "survivor", survivor.STUDY)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return survivor.STUDY.run("quick", CONFIG, tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture
def run(whole, tmp_path):
    """A copy of a run, to tamper with."""
    return shutil.copytree(whole, tmp_path / "run")


def change(run, name, edit):
    """What `edit` makes of the JSON in a file of a run."""
    value = json.loads((run / name).read_text())
    edit(value)
    (run / name).write_text(json.dumps(value))


def reproduced(argv):
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", *map(str, argv)])
    return stop.value.code


def test_a_run_is_reproduced_bit_for_bit(whole, tmp_path):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    again = reproduce(whole, tmp_path / "again", rtol=0.0)
    assert again.identical
    assert again.reproduced
    assert again.verdict == "identical, bit for bit"
    assert again.changed == ""
    assert (again.folder / "results.json").read_bytes() == (whole / "results.json").read_bytes()
    assert [(file.file, file.values) for file in again.files] == [("results.json", 19), ("metrics.jsonl", 20)]
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before
    assert json.loads((again.folder / "manifest.json").read_text())["preset"] == "quick"


def test_another_seed_is_not_taken_for_the_same(run, tmp_path):
    """The comparison sees what really comes out otherwise: a manifest that says another seed than the one it had."""
    change(run, "manifest.json", lambda about: about["config"].update(seed=8))
    again = reproduce(run, tmp_path / "again")
    assert not again.reproduced
    assert all(file.differing for file in again.files)
    assert again.verdict.startswith("differs, by more than a relative 1e-05: most in ")


def scaled(factor):
    def edit(results):
        results["0"]["curve"][1][0] *= factor

    return edit


@pytest.mark.parametrize(
    ("name", "edit", "deviation", "where"),
    [
        ("results.json", scaled(1 + 1e-7), 1e-7, "0.curve[1][0]: "),
        ("results.json", scaled(1 - 1e-3), 1e-3, "0.curve[1][0]: "),
        ("results.json", lambda results: results["findings"][0].update(holds=True), np.inf,
         "findings[0].holds: true, now null"),
        ("results.json", lambda results: results["findings"][0].update(name="x"), np.inf, "findings[0].name: "),
        ("results.json", lambda results: results["0"]["curve"].pop(), np.inf, "0.curve[2][0]: nothing, now "),
        ("results.json", lambda results: results.update(more=[]), np.inf, "more: [], now nothing"),
    ],
)  # fmt: skip
def test_what_differs_is_measured_and_found(name, edit, deviation, where, whole, run):
    change(run, name, edit)
    again = reproduce(run, whole)  # which is complete: it is only compared
    results, metrics = again.files
    assert results.differing >= 1
    assert results.deviation == pytest.approx(deviation, rel=1e-3)
    assert where in results.where
    assert metrics.differing == 0
    assert not again.identical
    assert again.reproduced == (deviation < 1e-5)
    assert reproduce(run, whole, rtol=1.0).reproduced == (deviation < 1)
    assert again.claims == ((1, 0) if "holds: true" in where else (0, 0))


def test_lines_of_metrics_are_compared_one_by_one(whole, run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    line = json.loads(lines[1])
    line["reward"][1] += 1
    for text, differing, where in (
        ([lines[0], json.dumps(line), *lines[2:]], 1, "line 2.reward[1]: "),
        (lines[:-1], 2, "line 4."),
        ([*lines, lines[0]], 6, "line 5."),
    ):
        (run / "metrics.jsonl").write_text("\n".join(text) + "\n")
        metrics = reproduce(run, whole).files[1]
        assert (metrics.differing, metrics.where.startswith(where)) == (differing, True)


def test_the_command_says_what_it_found(whole, run, tmp_path, capsys):
    assert reproduced([whole, "--out", tmp_path / "again"]) == 0
    assert f"identical, bit for bit: {tmp_path / 'again'}" in capsys.readouterr().out
    change(run, "results.json", scaled(1 + 1e-7))
    assert reproduced([run, "--out", whole]) == 0
    assert "the same within a relative 1e-05: by at most 1e-07" in capsys.readouterr().out
    assert reproduced([run, "--out", whole, "--rtol", "1e-9"]) == 1
    assert "differs, by more than a relative 1e-09: most in results.json at 0.curve[1][0]: " in capsys.readouterr().out


def test_what_made_it_otherwise_is_pointed_out(run, whole, capsys):
    change(
        run, "manifest.json", lambda about: about["versions"].update(jax="0.9") or about["hardware"].update(cpu="Z80")
    )
    with pytest.warns(UserWarning, match=r"jax 0.9, now .*; cpu Z80, now "):
        again = reproduce(run, whole)
    assert again.identical
    assert "jax 0.9, now" in again.changed
    assert "cpu Z80, now" in again.changed
    with pytest.warns(UserWarning, match="jax 0.9"):
        assert reproduced([run, "--out", whole]) == 0
    assert "made otherwise: jax 0.9" in capsys.readouterr().out


def test_one_that_was_cut_off_goes_on(whole, tmp_path, monkeypatch):
    left = [signal.SIGTERM]

    def after(*at):
        if at == (0, 4) and left:
            os.kill(os.getpid(), left.pop())

    monkeypatch.setattr(survivor, "after", after)
    out = tmp_path / "again"
    with interruption.handling_signals(), pytest.raises(interruption.Interrupted) as stop:
        reproduce(whole, out)
    assert stop.value.__notes__ == [
        f"to go on: jaxrec run survivor --resume {out}",
        f"then to compare: jaxrec reproduce {whole} --out and that folder",
    ]
    advance, done = parallel.advance, []

    def counting(agent, swept, state, params, first, last, mesh):
        done.append(first)
        return advance(agent, swept, state, params, first, last, mesh)

    monkeypatch.setattr(parallel, "advance", counting)
    assert reproduce(whole, out).identical
    assert done == [4, 8]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"status": "interrupted"}, "is not complete (interrupted); to go on: jaxrec run survivor --resume "),
        ({"study": "survivors"}, "unknown study 'survivors'. Did you mean 'survivor'?"),
        ({"study": ["x"]}, "study in "),
        ({"hardware": None}, "hardware in "),
        ({"hardware": {"platform": "cpu"}}, "hardware.devices in "),
        ({"hardware": {"platform": "cpu", "devices": "two"}}, "must be of type int, and not 0, got 'two'"),
        ({"hardware": {"platform": 1, "devices": 1}}, "hardware.platform in "),
        ({"config": {"seeds": 1}}, "not the settings of a Config: seed, slopes, num_chunks, ceiling missing"),
        ({"config": {"walkers": 1}}, "unknown setting 'walkers'"),
        ({"config": {"walkers": 1}}, ", whose settings these are"),
    ],
)
def test_what_cannot_be_run_again_is_refused(edit, message, run, tmp_path, capsys):
    change(run, "manifest.json", lambda about: about.update(edit))
    assert reproduced([run, "--out", tmp_path / "again"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "again").exists()


def test_damaged_folders_and_wrong_places_are_refused(run, whole, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    other = survivor.STUDY.run("quick", survivor.Config(slopes=(), seeds=1), tmp_path / "other")
    for argv, message in (
        ([tmp_path / "nowhere"], "there is no folder"),
        ([tmp_path / "empty"], "is not the folder of a run"),
        ([run, "--out", run], "is the run itself"),
        ([run, "--out", tmp_path / "empty"], "is not the folder of a run"),
        ([run, "--out", other], "is a run of something else"),
        ([run, "--rtol", "-1", "--out", whole], "rtol must be within [0.0, 1.0]"),
    ):
        assert reproduced(argv) == 2
        assert message in capsys.readouterr().err
    (run / "metrics.jsonl").write_text("{}\n{")
    with pytest.raises(jaxrec.InputError, match=r"metrics.jsonl' cannot be read"):
        reproduce(run, tmp_path / "again")
    (run / "results.json").unlink()
    with pytest.raises(jaxrec.InputError, match=r"results.json' cannot be read"):
        reproduce(run, tmp_path / "again")
    assert not (tmp_path / "again").exists()


OLDER = ["rewiring-baselines-printed", "rewiring-competition-long"]
OLDER += [f"rewiring-learning-{name}" for name in ("gpu-first", "ten", "ten-requests", "thirty")]


@pytest.mark.slow  # some studies build their recommenders in order to check their settings
def test_committed_runs_can_be_made_again_but_for_those_that_are_named():
    refused = []
    for folder in sorted(path.parent for path in (ROOT / "docs" / "results").glob("*/manifest.json")):
        there = RunFolder.open(folder)
        try:
            STUDIES[there.manifest()["study"]].configured(there)
        except jaxrec.InputError as error:
            refused.append((folder.name, str(error)))
    assert [name for name, _ in refused] == OLDER
    assert all("the run was begun at commit" in said for _, said in refused)
    text = (ROOT / "docs" / "results" / "README.md").read_text()
    assert "`rewiring-learning-ten`, `-ten-requests`, `-thirty` and `-gpu-first`" in text
    assert "`rewiring-baselines-printed` and `rewiring-competition-long`, which" in text
