"""Folders of runs: which are taken, which are refused, and what stays in them."""

import dataclasses
import hashlib
import importlib
import json
import re
import subprocess

import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import QLearningSettings
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.polarising.tampering.settings import TamperingConfig
from jaxrec.experiments.runs import manifest
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.runs.metrics_log import FolderLog
from jaxrec.runtime import hardware
from jaxrec.runtime.atomic_files import PARTIAL

TINY = TamperingConfig(
    seeds=3, episodes=600, q_learning=QLearningSettings(num_envs=200), evaluation_episodes=60, num_chunks=3
)


def test_an_existing_folder_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "precious").write_text("data")
    for taken in (tmp_path, tmp_path / "precious", tmp_path / "precious" / "below"):
        with pytest.raises(jaxrec.InputError, match="exists"):
            study("tampering").run(config=TINY, out=taken)
    assert (tmp_path / "precious").read_text() == "data"
    assert list(tmp_path.iterdir()) == [tmp_path / "precious"]


def test_what_a_run_left_that_was_killed_before_it_wrote_is_taken(tmp_path):
    (tmp_path / f".manifest.json.1{PARTIAL}").write_text("half")
    assert RunFolder.create(tmp_path, "study").path == tmp_path


def test_a_folder_that_another_run_took_meanwhile_is_refused(tmp_path, monkeypatch):
    create = RunFolder.create

    def create_too_late(out, name):
        folder = create(out, name)
        folder.write_text("manifest.json", "of the other run")
        return folder

    monkeypatch.setattr(RunFolder, "create", create_too_late)
    with pytest.raises(jaxrec.InputError, match="exists"):
        study("tampering").run(config=TINY, out=tmp_path / "run")
    assert (tmp_path / "run" / "manifest.json").read_text() == "of the other run"


def test_metrics_stay_until_they_come_again(tmp_path):
    """A run that goes on and cannot even restore loses nothing."""
    (tmp_path / "metrics.jsonl").write_text("of before\n")
    log = FolderLog(tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == "of before\n"
    log(step=1)
    log(step=2)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n'


def test_unnamed_folders_stand_beside_each_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = {RunFolder.create(None, "study-quick").path for _ in range(5)}
    assert len(paths) == 5


def test_a_run_that_fails_says_so_and_keeps_its_metrics(tmp_path):
    def fail(config, tools):
        tools.log(step=1)
        raise RuntimeError("out of luck")

    broken = dataclasses.replace(study("tampering"), measure=fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        broken.run(config=TINY, out=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "failed: RuntimeError: out of luck"
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == '{"step": 1}\n'
    assert not (tmp_path / "run" / "results.json").exists()


def test_json_has_no_nan(tmp_path):
    RunFolder(tmp_path).write_json("x.json", {"a": np.array([1.0, np.nan]), "b": jnp.float32(np.inf), "c": (None, "s")})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1.0, None], "b": None, "c": [None, "s"]}


def test_the_code_of_a_study_of_ones_own_is_described(tmp_path, monkeypatch):
    """Its file and the commit of its repository, whatever jaxrec's; another file cannot go on with the run."""
    file = tmp_path / "mine.py"
    file.write_text("def measure(config, tools):\n    return 1\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for command in (["init", "-q"], ["add", "mine.py"], ["commit", "-qm", "Begin"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("mine")
    code = manifest.manifest("mine", None, {}, mine.measure)["code"]
    assert code["module"] == "mine"
    assert code["commit"] == subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    assert code["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    begun = manifest.programs(manifest.manifest("mine", None, {}, mine.measure))
    file.write_text(file.read_text() + "# more\n")
    now = manifest.programs(manifest.manifest("mine", None, {}, mine.measure))
    assert "code's commit" in manifest.differences(begun, now)
    assert "code's sha256" in manifest.differences(begun, now)
    assert manifest.manifest("tampering", None, {}, STUDIES["tampering"].measure)["code"] is None


def test_commit_and_hardware_are_described():
    assert manifest.commit() is None or len(manifest.commit().removesuffix("-dirty")) == 40
    assert re.search(r"\d cores? of", hardware.describe(hardware.hardware()))
