"""Studies: what they write, where, and what they refuse."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxrec
from jaxrec import statistics
from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.polarising.tampering import measure as measures
from jaxrec.experiments.polarising.tampering.study import TamperingConfig
from jaxrec.experiments.reports.findings import above, below, measured
from jaxrec.experiments.runs import folder, manifest
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.runs.metrics_log import FolderLog
from jaxrec.runtime.atomic_files import PARTIAL

TINY = TamperingConfig(seeds=3, episodes=600, num_envs=200, evaluation_episodes=60, num_chunks=3)


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
    assert TamperingConfig(**about["config"]) == TINY
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
    def fail(config, log, meter):
        log(step=1)
        raise RuntimeError("out of luck")

    broken = dataclasses.replace(study("tampering"), measure=fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        broken.run(config=TINY, out=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "failed: RuntimeError: out of luck"
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == '{"step": 1}\n'
    assert not (tmp_path / "run" / "results.json").exists()


def test_files_are_written_whole_or_not_at_all(tmp_path, untyped):
    target = tmp_path / "file"
    folder.write_atomically(target, b"old")

    class Broken:
        def savefig(self, path, **_):
            path.write_bytes(b"half")
            raise OSError("disk full")

    (tmp_path / "figures").mkdir()
    with pytest.raises(OSError, match="disk full"):
        RunFolder(tmp_path).write_figure("picture", Broken())
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["figures", "file"]


def test_json_has_no_nan(tmp_path):
    RunFolder(tmp_path).write_json("x.json", {"a": np.array([1.0, np.nan]), "b": jnp.float32(np.inf), "c": (None, "s")})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1.0, None], "b": None, "c": [None, "s"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "seeds"),
        ({"episodes": -5}, "episodes"),
        ({"gamma": 1.5}, "gamma"),
        ({"td_lambda": float("nan")}, "td_lambda"),
        ({"visit_weight": 0.5}, "visit_weight"),
        ({"step_size": "visit"}, "step_size"),
        ({"alpha_start": 0.0}, "alpha_start"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(change, message, untyped, tmp_path):
    with pytest.raises(jaxrec.InputError, match=message):
        study("tampering").run(config=dataclasses.replace(TINY, **change), out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_unknown_study_and_preset_name_what_exists():
    with pytest.raises(jaxrec.InputError, match="Did you mean 'tampering'"):
        study("tamper")
    with pytest.raises(jaxrec.InputError, match="'converged', 'paper', 'quick'"):
        study("tampering").run(preset="huge")


def test_presets_are_those_promised():
    paper = STUDIES["tampering"].presets["paper"]
    assert (paper.episodes, paper.gamma, paper.alpha_start, paper.alpha_end) == (50_000_000, 0.999, 0.45, 0.06)
    assert (paper.epsilon_start, paper.epsilon_end, paper.td_lambda, paper.num_steps) == (0.1, 0.1, 0.0, 1)
    assert all(preset.seeds >= 5 for preset in STUDIES["tampering"].presets.values())
    published = (1 - 2 / paper.episodes) ** paper.episodes * 0.45
    assert paper.alpha_end == pytest.approx(published, abs=0.001)


def test_estimate_is_the_student_interval():
    samples = [1.0, 2.0, 4.0, 4.5, 3.0]
    low, high = stats.t.interval(0.95, 4, loc=np.mean(samples), scale=stats.sem(samples))
    mean = statistics.estimate(samples)
    assert (mean.value, mean.low, mean.high) == pytest.approx((2.9, low, high))
    assert statistics.estimate([3.0]) == statistics.Estimate(3.0, None, None)
    for bad in ([], [1.0, np.nan]):
        with pytest.raises(jaxrec.InputError):
            statistics.estimate(bad)


@pytest.mark.parametrize(
    ("samples", "is_above", "is_below"),
    [
        ([2.0, 2.1, 2.2], True, False),
        ([0.0, 1.0, 2.0], False, False),
        ([0.1, 0.2, 0.3], False, True),
        ([2.0], None, None),
    ],
)
def test_verdicts(samples, is_above, is_below):
    assert above("x", samples, 1.0, "s").holds is is_above
    assert below("x", samples, 1.0, "s").holds is is_below
    assert measured("x", samples, "s").holds is None


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_jackknife_is_that_of_the_mean_over_pairs(seeds):
    pairs = np.random.default_rng(0).normal(size=(seeds, seeds, 4))

    def mean(kept):
        return np.mean([pairs[i, j] for i in kept for j in kept if i != j], axis=0)

    samples = statistics.jackknife(pairs)
    np.testing.assert_allclose(samples.mean(axis=0), mean(range(seeds)))
    if seeds == 2:
        assert samples.shape == (1, 4)
        return
    for k in range(seeds):
        without = mean([i for i in range(seeds) if i != k])
        np.testing.assert_allclose(samples[k], seeds * mean(range(seeds)) - (seeds - 1) * without)


def tables(env, sources):
    """Tables of policies that always recommend one source each."""
    return jnp.stack([jnp.zeros((env.num_observations, 3)).at[:, source].set(1.0) for source in sources])


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_disagreement_of_equal_and_of_opposite_worlds(seeds, key):
    env = PolarisingUsers(horizon=3)
    left, right = tables(env, [0] * seeds), tables(env, [2] * seeds)
    equal = measures.disagreement(env, left, left, key, 20)
    np.testing.assert_allclose(equal.excess, 0, atol=1e-6)
    opposite = measures.disagreement(env, left, right, key, 20)
    np.testing.assert_allclose(opposite.excess, 1, rtol=1e-6)
    np.testing.assert_allclose(opposite.noise, 0, atol=1e-6)


def test_disagreement_of_worlds_that_differ_only_by_seed_is_none(key):
    """Seeds differ and the worlds do not: the same tables in both, or others from the same distribution."""
    env = PolarisingUsers(horizon=3)
    random = jax.random.uniform(key, (2, 12, env.num_observations, 3))
    same = measures.disagreement(env, random[0], random[0], key, 20)
    np.testing.assert_allclose(same.excess.mean(axis=0), 0, atol=1e-6)
    other = measures.disagreement(env, random[0], random[1], key, 20)
    np.testing.assert_allclose(other.noise.mean(), 2 / 3, atol=0.1)
    assert other.excess.mean() < 0.05


def test_what_one_world_never_learned_is_not_taken_for_tampering(key):
    """Decoupled tables that are all ties disagree with everything, each other included."""
    env = PolarisingUsers(horizon=3)
    unlearned = jnp.zeros((4, env.num_observations, 3))
    disagree = measures.disagreement(env, tables(env, [0] * 4), unlearned, key, 20)
    np.testing.assert_allclose(disagree.across.mean(), 2 / 3, atol=1e-6)
    np.testing.assert_allclose(disagree.excess, 0, atol=1e-6)


def test_disagreement_by_hand(key):
    """Half of the factual seeds recommend left, half the centre; the decoupled ones right."""
    env = PolarisingUsers(horizon=3)
    disagree = measures.disagreement(env, tables(env, [0, 0, 1, 1]), tables(env, [2] * 4), key, 20)
    np.testing.assert_allclose(disagree.noise, 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(disagree.excess.mean(axis=0), 1 / 3, rtol=1e-5)


@pytest.mark.slow
def test_behaviour_of_known_policies(key):
    env = PolarisingUsers()
    always_right = TabularPolicy(jnp.zeros((env.num_observations, 3)).at[:, 2].set(1.0), env)
    shown = measures.behaviour(env, jaxrec.batched(always_right, 1), key[None], 400, 1.0)
    shown = jax.tree.map(lambda leaf: leaf[0], shown)
    np.testing.assert_array_equal(shown.shown[..., 2], 1)
    opposed = np.array([shown.opposed[i].mean() for i in range(len(measures.USERS))])
    np.testing.assert_array_equal(
        opposed,
        [name in ("strong left", "moderate left", "extremely left", "left anti-centrist") for name in measures.USERS],
    )
    assert (np.asarray(shown.polarisation[:, -1]) > 0).tolist() == (opposed > 0).tolist()
    theta_right = np.array([theta[2] for theta in measures.USERS.values()])
    np.testing.assert_allclose(shown.value, 30 * theta_right, atol=0.7)
    np.testing.assert_allclose(shown.user.mean(axis=-1), theta_right, rtol=1e-5)


def test_commit_and_hardware_are_described():
    assert manifest.commit() is None or len(manifest.commit().removesuffix("-dirty")) == 40
    assert "cores of" in manifest.describe(manifest.hardware())


@pytest.mark.slow
def test_the_converged_preset_shows_tampering(tmp_path):
    """A tenth of the published episodes already shows what Definition 2 asks for."""
    config = dataclasses.replace(STUDIES["tampering"].presets["converged"], episodes=5_000_000)
    path = study("tampering").run("converged", config, tmp_path / "run")
    findings = {finding["name"]: finding for finding in json.loads((path / "results.json").read_text())["findings"]}
    tampered = [
        f for name, f in findings.items() if "steps 7-14, factual minus" in name and "centrist: wing" not in name
    ]
    assert len(tampered) == 8
    assert all(finding["holds"] for finding in tampered)
    assert findings["factual: clicks beyond those of the Bayes-optimal non-tampering policy"]["holds"]
