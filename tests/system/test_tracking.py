"""Trackers: told of every line once, never the death of a run; stand-ins, and the libraries where they are."""

import json
import os
import signal
import sys
import types

import pytest
import survivor
from matplotlib.figure import Figure

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments import STUDIES
from jaxrec.experiments.runs import tracking
from jaxrec.experiments.runs.tracking import TensorBoardTracker, Tracker, WandbTracker, scalars, tracker
from jaxrec.runtime import interruption

CONFIG = survivor.Config(seed=7, seeds=2, slopes=(0.5, 0.1), num_chunks=3)


@pytest.fixture(autouse=True)
def among_the_studies(monkeypatch):
    monkeypatch.setitem(STUDIES, "survivor", survivor.STUDY)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)


class Witness:
    """Notes what it is told, and fails where it is asked to."""

    def __init__(self, fails=None):
        self.fails, self.told = fails, []

    def start(self, study, config, folder):
        self._note("start", study, dict(config), folder)

    def line(self, number, values):
        self._note("line", number, dict(values))

    def outcome(self, findings, figures):
        self._note("outcome", findings, figures)

    def end(self, status):
        self._note("end", status)

    def _note(self, *what):
        self.told.append(what)
        if what[: len(self.fails or "?")] == self.fails:
            raise ConnectionError("no network")


def interrupt_at(monkeypatch, training, updates):
    left = [signal.SIGTERM]

    def after(*at):
        if at == (training, updates) and left:
            os.kill(os.getpid(), left.pop())

    monkeypatch.setattr(survivor, "after", after)


def lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_tracker_is_told_what_the_folder_holds(tmp_path):
    witness, run = Witness(), tmp_path / "run"
    assert isinstance(witness, Tracker)
    survivor.STUDY.run("quick", CONFIG, run, trackers=(witness,))
    start, *told, outcome, end = witness.told
    assert start == ("start", "survivor", json.loads((run / "manifest.json").read_text())["config"], run)
    assert [("line", number, line) for number, line in enumerate(lines(run))] == told
    assert len(told) == 7
    assert end == ("end", "complete")
    _, findings, figures = outcome
    assert findings == json.loads((run / "results.json").read_text())["findings"]
    assert set(figures) == set((run / "figures").iterdir())
    assert figures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)


def test_one_that_goes_on_tells_its_lines_again(tmp_path, monkeypatch, capsys):
    interrupt_at(monkeypatch, 1, 4)
    witness, run = Witness(), tmp_path / "run"
    with interruption.handling_signals(), pytest.raises(interruption.Interrupted):
        survivor.STUDY.run("quick", CONFIG, run, trackers=(witness,))
    assert witness.told[-1] == ("end", "interrupted")
    before, witness.told = witness.told[1:-1], []
    assert [number for _, number, _ in before] == [0, 1, 2, 3]
    survivor.STUDY.resume(run, trackers=[witness])
    assert witness.told[1:5] == before
    assert [("line", number, line) for number, line in enumerate(lines(run))] == witness.told[1:-2]
    assert witness.told[-2][0] == "outcome"


@pytest.mark.parametrize("fails", [("start",), ("line", 2), ("outcome",), ("end",)])
def test_one_that_fails_is_left_out_and_the_run_goes_on(fails, tmp_path):
    broken, witness = Witness(fails), Witness()
    with pytest.warns(UserWarning, match="Witness failed and is left out; the run goes on: ConnectionError") as said:
        run = survivor.STUDY.run("quick", CONFIG, tmp_path / "run", trackers=(broken, witness))
    assert len(said) == 1
    assert broken.told[-1][: len(fails)] == fails
    assert len(witness.told) == 10
    assert json.loads((run / "manifest.json").read_text())["status"] == "complete"


def test_a_run_that_fails_says_so(tmp_path, monkeypatch):
    witness = Witness()
    monkeypatch.setattr(survivor, "after", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        survivor.STUDY.run("quick", CONFIG, tmp_path / "run", trackers=(witness,))
    assert witness.told[-1] == ("end", "failed: ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ({"loss": 0.5, "steps": 10}, {"loss": 0.5, "steps": 10}),
        ({"part": "training", "task": "rl", "loss": 1}, {"training/rl/loss": 1}),
        ({"reward": [1.0, 3.0]}, {"reward/mean": 2, "reward/0": 1, "reward/1": 3}),
        ({"reward": [1.0, None], "loss": None}, {"reward/0": 1}),
        ({"grid": [[1, 2], [3]]}, {"grid/0/mean": 1.5, "grid/0/0": 1, "grid/0/1": 2, "grid/1/mean": 3, "grid/1/0": 3}),
        ({"part": "played", "users": 10, "cooperation": {"mlp": [0.5]}},
         {"played/users": 10, "played/cooperation/mlp/mean": 0.5, "played/cooperation/mlp/0": 0.5}),
        ({"warm": True, "nothing": [], "names": ["a"]}, {"warm": 1}),
    ],
)  # fmt: skip
def test_numbers_have_names(line, named):
    assert dict(scalars(line)) == named


class FakeWandb:
    """As much of wandb as is used: a server that keeps runs by their id."""

    def __init__(self):
        self.server = {}

    def init(self, **settings):
        run = self.server.setdefault(settings["id"], types.SimpleNamespace(logged=[], summary={}, step=0, exits=[]))
        run.settings = settings

        def log(values, step):
            run.logged.append((step, values))
            run.step = step + 1

        run.log, run.finish = log, lambda exit_code: run.exits.append(exit_code)
        return run

    def Image(self, path):  # noqa: N802
        return f"the picture of {path}"


def test_wandb_has_every_line_once_under_one_id(tmp_path, monkeypatch):
    fake, run = FakeWandb(), tmp_path / "run"
    monkeypatch.setitem(sys.modules, "wandb", fake)
    interrupt_at(monkeypatch, 1, 4)
    with interruption.handling_signals(), pytest.raises(interruption.Interrupted):
        survivor.STUDY.run("quick", CONFIG, run, trackers=(WandbTracker(),))
    survivor.STUDY.resume(run, trackers=(WandbTracker(),))
    (there,) = fake.server.values()
    assert [step for step, _ in there.logged] == list(range(7))
    assert [values for _, values in there.logged] == [dict(scalars(line)) for line in lines(run)]
    assert there.exits == [1, 0]
    results = json.loads((run / "results.json").read_text())
    summary = {f"findings/{one['name']}": one["value"] for one in results["findings"]}
    summary |= {f"figures/{path.stem}": f"the picture of {path}" for path in (run / "figures").iterdir()}
    assert there.summary == summary | {"status": "complete"}
    assert len(summary) > 1
    asked = there.settings
    assert (asked["project"], asked["group"], asked["name"], asked["dir"]) == ("jaxrec", "survivor", "run", str(run))
    assert asked["resume"] == "allow"
    assert asked["config"]["slopes"] == [0.5, 0.1]


class FakeTensorboard:
    """As much of tensorboardX as is used."""

    def __init__(self):
        self.writers = []

    def SummaryWriter(self, logdir, purge_step):  # noqa: N802
        writer = types.SimpleNamespace(
            logdir=logdir, purge_step=purge_step, scalars=[], texts={}, images={}, closed=False
        )
        writer.add_scalar = lambda *event: writer.scalars.append(event)
        writer.add_image = lambda tag, image, step, dataformats: writer.images.update({tag: (image.shape, dataformats)})
        writer.add_text = lambda tag, text, step: writer.texts.update({tag: text})
        writer.close = lambda: setattr(writer, "closed", True)
        self.writers.append(writer)
        return writer


def test_tensorboard_counts_the_lines_of_each_series(tmp_path, monkeypatch):
    fake = FakeTensorboard()
    monkeypatch.setitem(sys.modules, "tensorboardX", fake)
    there = TensorBoardTracker()
    there.start("survivor", {"seeds": 2}, tmp_path)
    for number, line in enumerate(
        [{"task": "a", "loss": 3.0}, {"task": "a", "loss": 2.0}, {"task": "b", "loss": 1.0}, {"task": "a", "loss": 0.0}]
    ):
        there.line(number, line)
    picture = tmp_path / "curve.png"
    Figure(figsize=(2, 1), dpi=50).savefig(picture)
    there.outcome([{"name": "loss", "value": 0.5, "low": 0.4, "high": 0.6, "holds": True}], [picture])
    there.end("complete")
    (writer,) = fake.writers
    assert "| loss | 0.5 | 0.4 | 0.6 | True |" in writer.texts["findings"]
    assert writer.images == {"figures/curve": ((50, 100, 4), "HWC")}
    assert writer.scalars == [("a/loss", 3.0, 0), ("a/loss", 2.0, 1), ("b/loss", 1.0, 0), ("a/loss", 0.0, 2)]
    assert (writer.logdir, writer.purge_step, writer.closed) == (str(tmp_path / "tensorboard"), 0, True)
    assert "| seeds | 2 |" in writer.texts["config"]
    assert writer.texts["status"] == "complete"


def test_the_command_line_takes_trackers(tmp_path, monkeypatch, capsys):
    wandb, tensorboard, run = FakeWandb(), FakeTensorboard(), tmp_path / "run"
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "tensorboardX", tensorboard)
    interrupt_at(monkeypatch, 0, 2)
    with pytest.raises(SystemExit) as stop:
        main(["run", "survivor", "--track", "wandb", "--out", str(run), "--track", "tensorboard"])
    assert stop.value.code == 143
    assert f"to go on: jaxrec run survivor --resume {run} --track wandb --track tensorboard" in capsys.readouterr().err
    main(["run", "survivor", "--resume", str(run), "--track", "wandb", "--track", "tensorboard"])
    (there,) = wandb.server.values()
    assert len(there.logged) == len(lines(run))
    assert all(writer.closed for writer in tensorboard.writers)


@pytest.mark.parametrize(("name", "module"), [("wandb", "wandb"), ("tensorboard", "tensorboardX")])
def test_a_missing_library_is_said_before_anything_is_written(name, module, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(SystemExit) as stop:
        main(["run", "survivor", "--track", name, "--out", str(tmp_path / "run")])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert f'pip install "jaxrec[{name}]"' in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_tracker_names_those_there_are():
    with pytest.raises(jaxrec.InputError, match=r"unknown tracker 'wand'\. Did you mean 'wandb'\?"):
        tracker("wand")


def test_libraries_are_imported_only_where_used():
    assert not {"wandb", "tensorboardX"} & set(vars(tracking))


def test_tensorboard_itself_reads_every_line_once(tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = tmp_path / "run"
    interrupt_at(monkeypatch, 1, 4)
    with interruption.handling_signals(), pytest.raises(interruption.Interrupted):
        survivor.STUDY.run("quick", CONFIG, run, trackers=(tracker("tensorboard"),))
    survivor.STUDY.resume(run, trackers=(tracker("tensorboard"),))
    events = reader.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    read = events.Scalars("reward/1")
    assert events.Tags()["images"] == [f"figures/{path.stem}" for path in (run / "figures").iterdir()]
    assert [event.step for event in read] == list(range(6))
    assert [event.value for event in read] == pytest.approx([line["reward"][1] for line in lines(run)[:-1]])


def leveldb_records(content):
    """Of a LevelDB log, behind the seven bytes that wandb writes before it: blocks of 32 KiB, records in fragments."""
    place, data = 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:  # a trailer
            place += -place % 32768
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        data += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last fragment
            yield data
            data = b""


def test_wandb_itself_writes_every_line_once(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    records = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = tmp_path / "run"
    interrupt_at(monkeypatch, 1, 4)
    with interruption.handling_signals(), pytest.raises(interruption.Interrupted):
        survivor.STUDY.run("quick", CONFIG, run, trackers=(tracker("wandb"),))
    survivor.STUDY.resume(run, trackers=(tracker("wandb"),))
    (file,) = run.glob("wandb/offline-run-*/run-*.wandb")
    logged, summary = [], {}
    for data in leveldb_records(file.read_bytes()):
        record = records.Record()
        record.ParseFromString(data)
        if record.HasField("summary"):
            summary |= {item.key: json.loads(item.value_json) for item in record.summary.update if item.key}
        if record.HasField("history"):
            items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            logged.append({name: json.loads(value) for name, value in items.items() if not name.startswith("_")})
    assert logged == [pytest.approx(dict(scalars(line))) for line in lines(run)]
    for one in json.loads((run / "results.json").read_text())["findings"]:
        assert summary[f"findings/{one['name']}"] == pytest.approx(one["value"])
    for path in (run / "figures").iterdir():
        kept = file.parent / "files" / summary[f"figures/{path.stem}"]["path"]
        assert kept.read_bytes() == path.read_bytes()
    assert summary["status"] == "complete"
