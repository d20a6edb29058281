"""The benchmark runs, and its rivals, which share no code with jaxrec, play and learn the same game."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from paths import ROOT

import jaxrec
from benchmarks import before, rewiring, rewiring_rivals
from benchmarks import command as command_line
from benchmarks import polarising_rivals as rivals
from jaxrec.agents import GeometricStep, QLearning, TabularPolicy
from jaxrec.envs.rewiring.simulation.advance import BLOCK, Method


@pytest.mark.slow
def test_the_benchmark_runs_and_finds_the_same_game(tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, "-m", "benchmarks.polarising", "--quick", "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=300)
    result = json.loads(out.read_text())
    assert len(result["same_game"]) == 5
    assert all(abs(check["standard_errors_off"]) < 4 for check in result["same_game"])
    assert all(row["steps_per_s"] > 0 for row in result["measurements"])
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert "exists" in again.stderr


@pytest.mark.slow
def test_the_rewiring_benchmark_runs_and_finds_the_same_game(tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, "-m", "benchmarks.rewiring", "--quick", "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=300)
    result = json.loads(out.read_text())
    players = {check["player"] for check in result["same_game"]}
    assert players == {"Numba, one core", "Python + NetworkX"}
    assert all(abs(check["standard_errors_off"]) < 4 for check in result["same_game"])
    assert all(row["steps_per_s"] > 0 for row in result["measurements"])
    memory = result["memory_bytes"]
    assert memory["alias"] == memory["state"], "the carried state is updated in place"


@pytest.mark.slow
def test_the_benchmark_of_preferences_runs_and_finds_the_same_game(tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, "-m", "benchmarks.preference", "--quick", "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=600)
    result = json.loads(out.read_text())
    assert [abs(one["standard_errors"]) < 4 for one in result["agreement"]] == [True, True]
    rows = {(row["by"], row["what"]) for row in result["environment"]}
    assert rows == {
        (by, what)
        for by in ("Python + NumPy", "NumPy, many users", "jaxrec")
        for what in ("without inference", "with inference")
    }
    assert all(row["steps_per_s"] > 0 for row in result["environment"])
    assert result["condition"]["seconds"] > 0


@pytest.mark.slow
def test_the_benchmark_of_ppo_runs(tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, "-m", "benchmarks.ppo", "--quick", "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=600)
    result = json.loads(out.read_text())
    assert [row["by"] for row in result["cartpole"]] == ["jaxrec", "rejax"]
    assert all(row["steps_per_s"] > 0 and min(row["returns"]) > 8 for row in result["cartpole"])
    assert [row["network"] for row in result["societies"]] == ["mlp", "gat"]
    assert all(row["steps_per_s"] > 0 for row in result["societies"])


def test_figures_name_the_commit_at_which_their_benchmark_began(monkeypatch, tmp_path):
    """Not one that was made while it ran."""
    monkeypatch.setattr(command_line, "commit", lambda: "first")
    out = tmp_path / "figures.json"

    def run(options):
        command_line.write({"manifest": {"commit": "later", "started": "later", "command": []}}, options.out)

    command_line.main("some", command_line.Options, run, ["--out", str(out)])
    about = json.loads(out.read_text())["manifest"]
    assert about["commit"] == "first"
    assert about["started"].startswith("20")


def test_each_commit_asks_of_xla_what_it_asks_for(monkeypatch, tmp_path):
    """Not what the process that starts both has asked for in the meantime."""
    given = {}
    monkeypatch.setattr(before.subprocess, "Popen", lambda argv, env, **_: given.update(env))
    monkeypatch.setenv("XLA_FLAGS", f"{before.GIVEN} --xla_of_today")
    before.Worker(tmp_path, quick=True)
    assert given["XLA_FLAGS"] == before.GIVEN


def test_a_program_that_fails_in_a_later_turn_is_said_to_and_ends_nothing():
    class Worker:
        def __init__(self, *answers):
            self.answers = iter(answers)

        def ask(self, name):
            return next(self.answers)

    workers = {"before": Worker(2.0, 1.0, 1.0), "now": Worker(2.0, 0.5, "TrainingError: NaN")}
    found = before.measure("fit", workers, 2)
    assert found == {"program": "fit", "failed": {"now": "TrainingError: NaN"}}
    assert before.cells(before.row(found, 100)) == ("fit", "", "TrainingError: NaN", "", "", "", "")


@pytest.mark.slow
def test_two_commits_run_in_turn_and_an_unknown_one_is_refused(tmp_path):
    out, named = tmp_path / "speed.json", ("rollout, Pol", "Q-learning, as")
    command = [sys.executable, "-m", "benchmarks.before", "--quick", "--repeats", "2"]
    measured = [*command, "--programs", *named, "--out", str(out)]
    subprocess.run(measured, check=True, cwd=ROOT, capture_output=True, timeout=600)
    rows = json.loads(out.read_text())["measurements"]
    assert [row["program"] for row in rows] == ["rollout, PolarisingUsers", "Q-learning, as published"]
    for row in rows:
        assert [len(row["runs_s"][tree]) for tree in ("before", "now")] == [2, 2]
        ratios = np.array(row["runs_s"]["before"]) / np.array(row["runs_s"]["now"])
        np.testing.assert_allclose(row["faster"]["value"], np.exp(np.log(ratios).mean()))
        assert min(row["compile_s"].values()) > 0
    unknown = subprocess.run([*command, "--commit", "no-such"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert unknown.returncode != 0
    assert "no-such" in unknown.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "figures"), [("collection", ("collection_us",)), ("generators", ("steps_per_s", "compile_s", "runs_s"))]
)
def test_benchmarks_without_a_rival_run(name, figures, tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=900)
    rows = json.loads(out.read_text())["measurements"]
    assert rows
    for found in (jax.tree.leaves([row[figure] for row in rows]) for figure in figures):
        assert np.isfinite(found).all()
        assert np.mean(found) > 0  # each is a difference between two runs, or a time


def test_the_rewiring_benchmark_plays_whole_runs():
    """As the benchmark itself does in the slow tests: what it calls of the simulator must stay callable."""
    ends = rewiring.jaxrec_runs(40, 2, 2 * BLOCK, 0, Method("xoshiro", "xla"))
    assert [each.shape for each in ends] == [(2,)] * 5
    assert (ends.max_degree >= rewiring_rivals.DEGREE).all()
    assert (ends.degree_variance >= 0).all()
    mean, least = rewiring_rivals.DEGREE, 1  # Bhatia & Davis (2000): of another mean the variance is beyond the bound
    assert (ends.degree_variance <= (ends.max_degree - mean) * (mean - least) + 1e-3).all()


def test_the_rewiring_benchmark_finds_out_who_plays_another_game(monkeypatch):
    size = rewiring.sizes(rewiring.Options(quick=True), "cpu")
    runs = rewiring_rivals.Ends(*np.random.default_rng(0).normal(size=(5, 50)))
    shifted = runs._replace(requests=runs.requests + 1)
    monkeypatch.setattr(rewiring, "jaxrec_runs", lambda *_: runs)
    for player in ("numba_runs", "plain_runs"):
        monkeypatch.setattr(rewiring_rivals, player, lambda *_: runs)
    assert len(rewiring.same_game(size, 0)) == 10
    monkeypatch.setattr(rewiring_rivals, "plain_runs", lambda *_: shifted)
    with pytest.raises(jaxrec.InputError, match=r"NetworkX does not play the game of jaxrec: .* requests"):
        rewiring.same_game(size, 0)


@pytest.mark.slow
def test_the_tables_of_the_fast_rewiring_rival_stay_true():
    society = rewiring_rivals.numba_start(60, 0)
    assert set(society.degree) == {30}
    (counts,) = rewiring_rivals.numba_advance([society], 5_000, 0)
    assert counts.opportunities >= counts.requests >= counts.rewires > 0
    tied = society.place >= 0
    np.testing.assert_array_equal(tied, tied.T)
    assert tied.sum() == 60 * 30
    assert not tied.diagonal().any()
    np.testing.assert_array_equal(tied.sum(axis=1), society.degree)
    np.testing.assert_array_equal(tied @ society.cooperates, society.friends)
    for user in range(60):
        near = society.near[user, : society.degree[user]]
        np.testing.assert_array_equal(society.place[user, near], np.arange(len(near)))


@pytest.mark.slow
def test_parallel_learning_is_no_worse_than_a_sequential_program(polarising):
    """The published settings with 256 users at once, against the same number of episodes one after the other."""
    env, params = polarising
    episodes = 1_000_000
    table = np.zeros((env.num_observations, 3), np.float32)
    rivals.numba_learning(episodes, 0, 0.1, table)
    agent = QLearning(env, episodes * 30, num_envs=256, step_size=GeometricStep(0.45, 0.06))
    state, _ = jax.jit(agent.train)(jax.random.key(0), params)

    def clicks(q):
        returns = jaxrec.rollout(env, TabularPolicy(q, env), jax.random.key(1), 200_000, 30, params).episode_return
        return float(returns.mean()), float(returns.std() / np.sqrt(returns.size))

    (ours, error), (theirs, other_error) = clicks(state.q), clicks(jnp.asarray(table))
    assert ours > theirs - 4 * np.hypot(error, other_error), (ours, theirs)


@pytest.mark.slow
def test_the_benchmark_of_user_models_runs_and_does_the_same_both_ways(tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, "-m", "benchmarks.estimation", "--quick", "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=900)
    rows = json.loads(out.read_text())["measurements"]
    assert {row["what"] for row in rows} == {
        "learning future preferences", "learning initial preferences", "learning counterfactual preferences",
        "simulating",
    }  # fmt: skip
    assert all(row["steps_per_s"] > 0 for row in rows)


@pytest.mark.slow
def test_the_benchmark_of_scaling_runs(tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, "-m", "benchmarks.scaling", "--quick", "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=600)
    rows = json.loads(out.read_text())["measurements"]
    assert [row["devices"] for row in rows] == [1, 2, 1, 2]
    assert [row["num_envs"] / row["devices"] for row in rows] == [64, 64, 4, 4]
    assert all(row["steps_per_s"] > 0 and row["efficiency"] > 0 for row in rows)
    assert all(row["efficiency"] == row["of_cores"] == 1 for row in rows if row["devices"] == 1)
