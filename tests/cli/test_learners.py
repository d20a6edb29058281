"""What `train`, `sweep` and `audit` take from `run`: trackers, and `--resume` of a run that was cut off."""

import json
import os
import signal
from typing import ClassVar

import pytest

from jaxrec.cli import main
from jaxrec.experiments.runs import tracking

TINY = [
    "PolarisingUsers-v0", "--args", "horizon", "3", "--timesteps", "600", "--seeds", "3", "--num-chunks", "2",
    "--evaluation-episodes", "20", "--q-learning.num-envs", "20", "--q-learning.num-steps", "3",
]  # fmt: skip
COMMANDS = {"train": [], "sweep": ["--over", "gamma=0,0.9"], "audit": ["--diagram-steps", "2"]}


class Witness:
    """Notes what it is told, and stops the process once, at the first line."""

    stops: ClassVar[bool] = True
    told: ClassVar[list[tuple[str, object]]] = []  # of every witness

    def start(self, study, config, folder):
        self.told.append(("start", study))

    def line(self, number, values):
        self.told.append(("line", number))
        if Witness.stops:
            Witness.stops = False
            os.kill(os.getpid(), signal.SIGTERM)

    def outcome(self, findings, figures):
        self.told.append(("outcome", [path.stem for path in figures] != []))

    def end(self, status):
        self.told.append(("end", status))


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_one_that_was_cut_off_is_resumed_and_tells_its_tracker(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(tracking.TRACKERS, "witness", Witness)
    monkeypatch.setattr(Witness, "told", [])
    monkeypatch.setattr(Witness, "stops", True)
    run = tmp_path / "run"
    argv = [command, *TINY, *COMMANDS[command], "--track", "witness"]
    with pytest.raises(SystemExit) as stop:
        main([*argv, "--out", str(run)])
    assert stop.value.code == 128 + signal.SIGTERM
    assert f"--resume {run} --track witness" in capsys.readouterr().err
    assert Witness.told == [("start", command), ("line", 0), ("end", "interrupted")]

    main([command, "--resume", str(run), "--track", "witness"])
    kept = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert Witness.told[3:] == [("start", command), ("line", 0), ("line", 1), ("outcome", True), ("end", "complete")]
    assert [line["steps"] for line in kept] == [300, 600]
    said = capsys.readouterr().out
    assert "report: " in said
    assert ("return of an episode (mean" in " ".join(said.split())) == (command == "sweep")

    main([*argv, "--out", str(tmp_path / "whole")])
    assert (run / "results.json").read_bytes() == (tmp_path / "whole" / "results.json").read_bytes()


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_tracker_is_one_line_and_no_folder(command, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, *TINY, *COMMANDS[command], "--track", "wand", "--out", str(tmp_path / "run")])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Did you mean 'wandb'?" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_both(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--track" in said
    assert f"jaxrec {command} --resume DIR" in said
