"""The benchmark runs, and its rivals, which share no code with jaxrec, play and learn the same game."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from benchmarks import polarising_rivals as rivals
from jaxrec.agents import GeometricStep, QLearning, TabularPolicy

ROOT = Path(__file__).parents[1]


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
