"""Runs that are interrupted, killed or fail, and go on as if they had never stopped."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import survivor

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.polarising.tampering.study import TamperingConfig
from jaxrec.experiments.preference.shift.study import ShiftConfig
from jaxrec.experiments.preference.simulation.study import SimulationConfig
from jaxrec.experiments.rewiring.learning.study import LearningConfig
from jaxrec.experiments.runs import configuration
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.runs.metrics_log import FolderLog, NoLog
from jaxrec.runtime import interruption
from jaxrec.runtime.progress import NoMeter
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


def files(run):
    """What a run wrote, but for its own story and the states of its trainings."""
    paths = (path for path in run.rglob("*") if path.is_file())
    return {name: run / name for name in (str(path.relative_to(run)) for path in paths)
            if name != "manifest.json" and not name.startswith("checkpoints")}  # fmt: skip


def assert_same(run, other):
    """Bit for bit, but for the line of the report that has the seconds."""
    assert files(run).keys() == files(other).keys()
    for name, path in files(run).items():
        mine, theirs = path.read_bytes().split(b"\n"), files(other)[name].read_bytes().split(b"\n")
        if name == "report.md":
            mine, theirs = ([line for line in lines if b" s on " not in line] for lines in (mine, theirs))
        assert mine == theirs, name


def status(run):
    return json.loads((run / "manifest.json").read_text())["status"]


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

    monkeypatch.setattr(runs, "advance", counting)
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


def child(*argv, **environment):
    """`jaxrec` with the study, as a process on as many devices as this one has."""
    environment |= {"JAX_NUM_CPU_DEVICES": str(len(jax.devices()))}
    command = [sys.executable, str(Path(__file__).with_name("survivor.py")), *map(str, argv)]
    root = str(Path(jaxrec.__file__).parents[1])
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env=os.environ | environment | {"PYTHONPATH": root},
    )  # fmt: skip


def wait_for_lines(process, run, number):
    """Until so many lines of metrics are written."""
    metrics = run / "metrics.jsonl"
    while not metrics.exists() or metrics.read_text().count("\n") < number:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


def test_a_signal_that_comes_while_it_is_asked_for_is_not_forgotten(monkeypatch):
    def meanwhile(value):
        os.kill(os.getpid(), signal.SIGTERM)
        return value

    monkeypatch.setattr(interruption.hosts, "most", meanwhile)
    with interruption.handling_signals(), pytest.raises(interruption.Interrupted), interruption.deferred():
        assert not interruption.stop_requested()


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
        ({"config": {"seeds": 1}}, "not the settings of a Config: seed, slopes, chunks, ceiling missing"),
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
    about = jaxrec.experiments.runs.manifest.manifest("survivor", "quick", config)
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
    measured = survivor.measure(survivor.Config(), NoLog(), NoMeter())
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


def test_signals_that_are_ignored_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruption.handling_signals():
            os.kill(os.getpid(), signal.SIGINT)
            assert not interruption.stop_requested()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_waits_for_the_end_of_what_postpones_it():
    done = []

    def work():
        with interruption.deferred():
            with interruption.deferred():
                os.kill(os.getpid(), signal.SIGTERM)
                assert interruption.stop_requested()
            done.append("the outer goes on")
        done.append("never")

    with pytest.raises(interruption.Interrupted, match="SIGTERM"), interruption.handling_signals():
        work()
    assert done == ["the outer goes on"]
    assert not interruption.stop_requested()


REAL = {
    "preference-shift": ShiftConfig(
        seeds=2, steps=640, num_envs=8, num_steps=10, num_minibatches=2, hidden_size=8, trajectories=8, num_chunks=4
    ),
    "preference-simulation": SimulationConfig(
        seeds=2, users=40, training_users=30, model_epochs=4, model_batch_size=10, steps=640, num_envs=8,
        num_steps=10, num_minibatches=2, hidden_size=8, trajectories=8, num_chunks=4,
    ),
    "rewiring-learning": LearningConfig(
        seeds=2, users=(10, 30), networks=("mlp",), steps=(512, 512), num_envs=8, num_steps=(16,), num_minibatches=2,
        warm_start=True, evaluation_users=(10,), evaluation_episodes=(8,), num_chunks=4,
    ),
    "tampering": TamperingConfig(seeds=2, episodes=1000, num_envs=200, evaluation_episodes=60, num_chunks=5),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_studies_go_on_bit_for_bit(name, tmp_path, monkeypatch):
    """Interrupted again and again: at every third line of metrics that it writes, until it is complete."""
    chosen = study(name)
    whole = chosen.run(config=REAL[name], out=tmp_path / "whole")
    run, lines = tmp_path / "run", (whole / "metrics.jsonl").read_text().count("\n")
    note, written, stops = FolderLog.__call__, [], 0

    def interrupted(self, **values):
        note(self, **values)
        written.append(values)
        if len(written) == 3 * stops + 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(FolderLog, "__call__", interrupted)
    while not run.exists() or status(run) != "complete":
        written.clear()
        with interruption.handling_signals():
            try:
                chosen.resume(run) if run.exists() else chosen.run(config=REAL[name], out=run)
            except interruption.Interrupted:
                stops += 1
    assert stops >= lines // 3
    assert_same(run, whole)


def arguments(config):
    """The configuration as settings of the command line."""
    for name, value in dataclasses.asdict(config).items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{option}" if value else f"--no-{option}"
        else:
            yield from (f"--{option}", *map(str, value if isinstance(value, tuple) else (value,)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["preference-shift", "preference-simulation"])
def test_real_studies_go_on_in_other_processes(name, tmp_path):
    """Killed in a later training, then asked to stop, then left alone; what each training is, is told the same way."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    settings = [*arguments(REAL[name])]
    process = child("run", name, "--out", whole, *settings)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    lines = (whole / "metrics.jsonl").read_text().count("\n")
    process = child("run", name, "--out", run, *settings)
    wait_for_lines(process, run, lines // 2)
    process.kill()
    process.communicate()
    assert {path.name for path in run.glob("checkpoints/*")}
    (run / "metrics.jsonl").unlink()  # so that its lines are those of the next process
    process = child("run", name, "--resume", run)
    wait_for_lines(process, run, lines // 2 + 1)
    process.terminate()
    process.communicate()
    assert process.returncode == 143
    process = child("run", name, "--resume", run)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert_same(run, whole)
