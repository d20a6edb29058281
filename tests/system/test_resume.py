"""Runs that are interrupted, killed or fail, and go on as if they had never stopped."""

import dataclasses
import json
import os
import random
import signal
import time

import numpy as np
import pytest
import survivor
from run_folders import assert_same, child, status, wait_for_lines

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.runs import configuration
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.runs.tools import Tools
from jaxrec.training import parallel

SETTINGS = configuration.to_json(survivor.Config())
LINES = 13  # of metrics: two trainings of six chunks, and one at the end


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing happened to."""
    return survivor.STUDY.run("quick", out=tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(autouse=True)
def among_the_studies(monkeypatch):
    monkeypatch.setitem(STUDIES, "survivor", survivor.STUDY)


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    """Also where the tests run in the background of a shell, which has SIGINT ignored there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def exits(argv):
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in argv])
    return stop.value.code


def sends(number, training, updates):
    """Instead of `survivor.after`: a signal, the first time."""
    left = [number]

    def after(*at):
        if at == (training, updates) and left:
            os.kill(os.getpid(), left.pop())

    return after


@pytest.mark.parametrize(
    ("number", "code", "training", "updates"),
    [
        (signal.SIGTERM, 143, 0, 2),
        (signal.SIGTERM, 143, 0, 12),
        (signal.SIGINT, 130, 1, 6),
        (signal.SIGUSR1, 138, 1, 12),
        (signal.SIGINT, 130, 2, 0),
    ],
    ids=["first chunk", "last chunk", "second training", "last chunk of all", "after the trainings"],
)
def test_a_signal_stops_at_the_end_of_a_chunk_and_says_how_to_go_on(
    number, code, training, updates, tmp_path, monkeypatch, capsys, whole
):
    handler = signal.getsignal(number)
    run = tmp_path / "a run"
    with monkeypatch.context() as patch:
        patch.setattr(survivor, "after", sends(number, training, updates))
        assert exits(["run", "survivor", "--out", run]) == code
    assert signal.getsignal(number) is handler
    said = f"jaxrec: interrupted; to go on: jaxrec run survivor --resume '{run}'"
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert status(run) == "interrupted"
    assert not (run / "report.md").exists()
    cut_off = max(run.glob("checkpoints/*"))
    assert cut_off.name == ("001-Walk-slope-1-0" if training == 0 else "002-Walk-slope-0-1")
    assert max(int(path.name) for path in cut_off.iterdir()) == (updates or 12)
    advanced = []
    monkeypatch.setattr(survivor, "after", lambda *at: advanced.append(at))
    main(["run", "survivor", "--resume", str(run)])
    assert len(advanced) == LINES, "all metrics are told again"
    assert status(run) == "complete"
    assert_same(run, whole)


def test_what_was_done_is_not_done_again(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(survivor, "after", sends(signal.SIGTERM, 1, 4))
    assert exits(["run", "survivor", "--out", tmp_path / "run"]) == 143
    advance, done = parallel.advance, []

    def counting(agent, swept, state, params, first, last, mesh):
        done.append((agent.slope, first, last))
        return advance(agent, swept, state, params, first, last, mesh)

    monkeypatch.setattr(parallel, "advance", counting)
    survivor.STUDY.resume(tmp_path / "run")
    assert done == [(0.1, first, first + 2) for first in (4, 6, 8, 10)]
    assert_same(tmp_path / "run", whole)


def test_a_run_that_failed_goes_on(tmp_path, monkeypatch, whole):
    def fail(training, updates):
        if (training, updates) == (1, 2):
            raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(survivor, "after", fail)
        with pytest.raises(OSError, match="disk full") as error:
            survivor.STUDY.run(out=tmp_path / "run")
    assert error.value.__notes__ == [f"to go on: jaxrec run survivor --resume {tmp_path / 'run'}"]
    assert status(tmp_path / "run") == "failed: OSError: disk full"
    study("survivor").resume(tmp_path / "run")
    assert_same(tmp_path / "run", whole)
    about = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert len(about["resumed"]) == 1
    assert about["preset"] == "quick"


@pytest.mark.slow
def test_as_processes(tmp_path, whole):
    process = child("run", "survivor", "--out", tmp_path / "run", SURVIVOR_PAUSE="0.2")
    wait_for_lines(process, tmp_path / "run", 8)
    process.terminate()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert said.splitlines()[-1] == (f"jaxrec: interrupted; to go on: jaxrec run survivor --resume {tmp_path / 'run'}")
    process = child("run", "survivor", "--resume", tmp_path / "run")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once_and_loses_nothing_kept(tmp_path, whole):
    process = child("run", "survivor", "--out", tmp_path / "run", SURVIVOR_STUCK="4")
    wait_for_lines(process, tmp_path / "run", 8)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    while (line := process.stderr.readline()) != "jaxrec: stopping; Ctrl-C again stops at once\n":
        assert line, "the process has ended"
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=5) == 130
    process.stderr.close()
    assert status(tmp_path / "run") == "running"
    survivor.STUDY.resume(tmp_path / "run")
    assert_same(tmp_path / "run", whole)


def kill_at_random(run, kills, draw):
    """Begins a run, and kills it and what goes on with it."""
    for kill in range(kills):
        begun = (run / "manifest.json").exists()
        (run / "metrics.jsonl").unlink(missing_ok=True)  # so that its lines are those of this process
        process = child("run", "survivor", *(("--resume", run) if begun else ("--out", run)), SURVIVOR_PAUSE="0.02")
        wait_for_lines(process, run, 1 if kill == 0 else draw.randint(0, LINES - 1))
        time.sleep(draw.uniform(0, 0.3))
        process.kill()
        process.communicate()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 13))])
def test_killed_at_any_moment_a_run_goes_on(seed, tmp_path, whole):
    draw = random.Random(seed)
    run = tmp_path / "run"
    kill_at_random(run, 1 if seed == 0 else 3, draw)
    if status(run) == "complete":  # killed as it printed
        pytest.skip("complete before it was killed")
    survivor.STUDY.resume(run)
    assert_same(run, whole)


def test_what_a_killed_process_half_wrote_is_removed(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(survivor, "after", sends(signal.SIGTERM, 1, 4))
    run = tmp_path / "run"
    assert exits(["run", "survivor", "--out", run]) == 143
    (run / "figures").mkdir()
    for name in (".manifest.json.x8.partial", "figures/.walk0.png.zz.partial"):
        (run / name).write_bytes(b"half")
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"training": 1, "bat')
    survivor.STUDY.resume(run)
    assert_same(run, whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "complete"}, "is complete: see .*report.md"),
        ({"study": "tampering"}, "is a run of the study 'tampering', not of 'survivor'"),
        ({"commit": "0" * 40}, "can only go on with the programs that began it: commit 0{40}, now"),
        ({"versions": {"jaxrec": "0.0.1"}}, "the programs that began it: .*jaxrec 0.0.1, now"),
        ({"config": SETTINGS | {"seeds": 0}}, "manifest.json': seeds must be an integer of at least 1"),
        ({"config": SETTINGS | {"seeds": 2.5}}, "manifest.json': seeds must be an integer, got 2.5"),
        ({"config": SETTINGS | {"slopes": 1.0}}, "manifest.json': slopes must be a list, got 1.0"),
        ({"config": {"sedes": 1}}, "unknown setting 'sedes'. Did you mean 'seeds'"),
        ({"config": {"seeds": 1}}, "not the settings of a Config: seed, slopes, num_chunks, ceiling missing"),
        ({"config": None}, "settings must be a table, got None"),
    ],
)
def test_what_cannot_go_on_is_refused(change, message, tmp_path):
    run = _begun(tmp_path, change)
    before = (run / "manifest.json").read_text()
    with pytest.raises(jaxrec.InputError, match=message):
        survivor.STUDY.resume(run)
    assert (run / "manifest.json").read_text() == before
    assert [path.name for path in run.iterdir()] == ["manifest.json"]


def _begun(tmp_path, change=None):
    """The folder of a run that was killed as it began."""
    run = RunFolder.create(tmp_path / "run", "survivor")
    config = configuration.to_json(survivor.Config())
    about = jaxrec.experiments.runs.manifest.manifest("survivor", "quick", config, survivor.STUDY.measure)
    run.write_json("manifest.json", about | {"status": "running"} | (change or {}))
    return run.path


def test_what_is_no_run_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for name, message in (
        ("nowhere", "there is no folder"),
        ("file", "there is no folder"),
        ("", "not the folder of a"),
    ):
        assert exits(["run", "survivor", "--resume", tmp_path / name]) == 2
        assert message in capsys.readouterr().err
    for text, message in (("{", "is not the folder of a run"), ("[]", "must have"), ("{}", "must have")):
        (tmp_path / "manifest.json").write_text(text)
        assert exits(["run", "survivor", "--resume", tmp_path]) == 2
        assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "manifest.json"]


def test_resume_takes_nothing_else(tmp_path, capsys):
    for more in (["--preset", "quick"], ["--seeds", "2"], ["--out", "x"]):
        assert exits(["run", "survivor", "--resume", tmp_path, *more]) == 2
        assert "give nothing else" in capsys.readouterr().err


def test_a_run_that_goes_on_elsewhere_is_not_begun_twice(tmp_path):
    run = _begun(tmp_path)
    with (
        RunFolder(run).locked(),
        pytest.raises(jaxrec.InputError, match="is being written by a run that has not ended"),
    ):
        survivor.STUDY.resume(run)


def test_another_machine_is_pointed_out(tmp_path, whole):
    about = json.loads((whole / "manifest.json").read_text())
    run = _begun(tmp_path, {"hardware": about["hardware"] | {"cpu": "Z80"}})
    with pytest.warns(UserWarning, match="may round otherwise: cpu Z80, now"):
        survivor.STUDY.resume(run)


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch, whole):
    monkeypatch.chdir(tmp_path)
    measured = survivor.measure(survivor.Config(), Tools())
    results = json.loads((whole / "results.json").read_text())
    assert measured["curves"][1].tolist() == results["1"]["curve"]
    assert not list(tmp_path.iterdir())


def test_every_preset_comes_back_from_its_manifest():
    presets = [config for each in STUDIES.values() for config in each.presets.values()]
    changed = dataclasses.replace(survivor.Config(), seeds=np.int64(3), slopes=[np.float32(0.5), -np.inf])
    for config in (*presets, changed):
        fields = json.loads(json.dumps(configuration.to_json(config), allow_nan=False))
        back = configuration.from_json(type(config), fields)
        assert dataclasses.replace(config, **({"slopes": (0.5, -np.inf)} if config is changed else {})) == back
        assert isinstance(getattr(back, "seeds", 0), int)
