"""Studies: what they write, and what they refuse."""

import json

import jax
import pytest

import jaxrec
from jaxrec.agents import QLearningSettings
from jaxrec.cli import main
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.polarising.tampering.settings import TamperingConfig
from jaxrec.experiments.runs.configuration import changed, from_json

TINY = TamperingConfig(
    seeds=3, episodes=600, q_learning=QLearningSettings(num_envs=200), evaluation_episodes=60, num_chunks=3
)


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "tampering"
    return study("tampering").run(config=TINY, out=out)


@pytest.mark.slow
def test_the_folder_holds_everything(tiny_run):
    files = {str(path.relative_to(tiny_run)) for path in tiny_run.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.png" for name in ("figure4", "figure5", "tampering", "training")}
    policies = {"checkpoints/001-training-3-seeds-in-2-worlds/policy.npz"}
    assert files == {"report.md", "results.json", "measured.npz", "metrics.jsonl", "manifest.json"} | figures | policies
    for name in figures:
        assert (tiny_run / name).read_bytes().startswith(b"\x89PNG")
    text = (tiny_run / "report.md").read_text()
    assert all(name in text for name in figures)


@pytest.mark.slow
def test_findings_have_the_documented_form(tiny_run):
    results = json.loads((tiny_run / "results.json").read_text())
    assert results["study"] == "tampering"
    assert len(results["findings"]) > 40
    for finding in results["findings"]:
        assert set(finding) == {"name", "value", "low", "high", "reference", "source", "holds"}
        assert finding["low"] <= finding["value"] <= finding["high"]
        assert finding["holds"] in (True, False, None)
        assert (finding["reference"] is None) == (finding["holds"] is None)
        assert finding["name"] in (tiny_run / "report.md").read_text()
    assert len({finding["name"] for finding in results["findings"]}) == len(results["findings"])


@pytest.mark.slow
def test_metrics_are_one_line_a_chunk(tiny_run):
    lines = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    assert [line["episodes"] for line in lines] == [200, 400, 600]
    for line in lines:
        assert len(line["clicks_factual"]) == len(line["clicks_decoupled"]) == 3
        assert all(0 < clicks < 30 for clicks in line["clicks_factual"])


@pytest.mark.slow
def test_the_manifest_is_enough_to_run_it_again(tiny_run):
    about = json.loads((tiny_run / "manifest.json").read_text())
    assert from_json(TamperingConfig, about["config"]) == TINY
    assert about["status"] == "complete"
    assert about["seconds"] > 0
    assert about["versions"]["jax"] == jax.__version__
    assert about["hardware"]["cores"] >= 1
    assert {"study", "preset", "command", "started", "commit"} <= set(about)


@pytest.mark.slow
def test_the_same_configuration_gives_the_same_results(tiny_run, tmp_path):
    again = study("tampering").run(config=TINY, out=tmp_path / "again")
    assert (again / "results.json").read_text() == (tiny_run / "results.json").read_text()
    assert (again / "metrics.jsonl").read_text() == (tiny_run / "metrics.jsonl").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "seeds"),
        ({"episodes": -5}, "episodes"),
        ({"q_learning": {"gamma": 1.5}}, "q_learning: gamma"),
        ({"q_learning": {"td_lambda": float("nan")}}, "td_lambda"),
        ({"q_learning": {"visit_weight": 0.5}}, "visit_weight"),
        ({"q_learning": {"step_size": "visit"}}, "step_size"),
        ({"q_learning": {"alpha_start": 0.0}}, "alpha_start"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(change, message, untyped, tmp_path):
    with pytest.raises(jaxrec.InputError, match=message):
        study("tampering").run(config=changed(TINY, change), out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_unknown_study_and_preset_name_what_exists():
    with pytest.raises(jaxrec.InputError, match="Did you mean 'tampering'"):
        study("tamper")
    with pytest.raises(jaxrec.InputError, match="'converged', 'paper', 'quick'"):
        study("tampering").run(preset="huge")


def test_presets_are_those_promised():
    paper = STUDIES["tampering"].presets["paper"]
    learner = paper.q_learning
    assert (paper.episodes, learner.gamma, learner.alpha_start, learner.alpha_end) == (50_000_000, 0.999, 0.45, 0.06)
    assert (learner.epsilon_start, learner.epsilon_end, learner.td_lambda, learner.num_steps) == (0.1, 0.1, 0.0, 1)
    assert all(preset.seeds >= 5 for preset in STUDIES["tampering"].presets.values())
    published = (1 - 2 / paper.episodes) ** paper.episodes * 0.45
    assert learner.alpha_end == pytest.approx(published, abs=0.001)


OURS = """
import dataclasses

import survivor

STUDY = dataclasses.replace(survivor.STUDY, name="ours:STUDY")
MISNAMED = dataclasses.replace(survivor.STUDY, name="ours")
NUMBER = 3
"""


def test_a_study_of_ones_own_is_called_by_where_it_is(tmp_path, monkeypatch):
    (tmp_path / "ours.py").write_text(OURS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    main(["run", "ours:STUDY", "--num-chunks", "3"])
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("ours-STUDY-quick-")
    before = (run / "results.json").read_bytes()
    main(["report", str(run)])  # the folder alone says which study it is
    assert (run / "results.json").read_bytes() == before
    for name, message in (
        ("ours:MISNAMED", "must have this as its name, got name='ours'"),
        ("ours:NUMBER", "must be a jaxrec.experiments.Study, got 3"),
        ("ours:STUDIES", "must be one that can be imported"),
        ("nobodys:STUDY", "must be one that can be imported"),
    ):
        with pytest.raises(jaxrec.InputError, match=message):
            study(name)
