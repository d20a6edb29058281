"""Studies of the papers, made small, that are interrupted again and again."""

import dataclasses
import os
import signal

import pytest
import survivor
from run_folders import assert_same, child, status, wait_for_lines

from jaxrec.agents import PPOSettings, QLearningSettings
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.audit import AuditConfig
from jaxrec.experiments.audits.settings import AuditsConfig
from jaxrec.experiments.polarising.mitigations.settings import MitigationsConfig
from jaxrec.experiments.polarising.tampering.settings import TamperingConfig
from jaxrec.experiments.preference.models import UserModelSettings
from jaxrec.experiments.preference.offline.settings import OfflineConfig
from jaxrec.experiments.preference.shift.study import ShiftConfig
from jaxrec.experiments.preference.simulation.study import SimulationConfig
from jaxrec.experiments.rewiring.learning.study import LearningConfig
from jaxrec.experiments.rewiring.market.study import MarketConfig
from jaxrec.experiments.runs.metrics_log import FolderLog
from jaxrec.experiments.sweep import SweepConfig
from jaxrec.experiments.train import TrainConfig
from jaxrec.runtime import interruption


@pytest.fixture(autouse=True)
def among_the_studies(monkeypatch):
    monkeypatch.setitem(STUDIES, "survivor", survivor.STUDY)


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    """Also where the tests run in the background of a shell, which has SIGINT ignored there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


SMALL = PPOSettings(num_envs=8, num_steps=10, num_minibatches=2)
REAL = {
    "preference-shift": ShiftConfig(
        seeds=2, steps=640, ppo=SMALL, hidden_size=8, eval_episodes=8, num_chunks=4
    ),
    "preference-simulation": SimulationConfig(
        seeds=2, users=40, training_users=30, model=UserModelSettings(num_epochs=4, batch_size=10), steps=640,
        ppo=SMALL, hidden_size=8, eval_episodes=8, num_chunks=4,
    ),
    "rewiring-learning": LearningConfig(
        seeds=2, users=(10, 30), networks=("mlp",), steps=(512, 512), num_envs=8, num_steps=(16,), num_minibatches=2,
        warm_start=True, evaluation_users=(10,), evaluation_episodes=(8,), num_chunks=4,
    ),
    "rewiring-market": MarketConfig(
        seeds=2, users=(10,), markets=("local", "duel"), rewards=("engagement",), exclusive=(False,), steps=(512,),
        num_envs=8, num_steps=16, num_minibatches=2, evaluation_users=(10,), evaluation_episodes=(8,), bait_episodes=4,
        num_chunks=4,
    ),
    "audit": AuditConfig(
        args=("horizon=4",), seeds=2, timesteps=4000, q_learning=QLearningSettings(num_envs=100, num_steps=4),
        evaluation_episodes=20, num_chunks=5,
    ),
    "train": TrainConfig(
        args=("horizon=4",), seeds=2, timesteps=4000, q_learning=QLearningSettings(num_envs=100, num_steps=4),
        evaluation_episodes=20, num_chunks=5,
    ),
    "sweep": SweepConfig(
        args=("horizon=4",), seeds=2, timesteps=4000, q_learning=QLearningSettings(num_envs=100, num_steps=4),
        evaluation_episodes=20, num_chunks=5, over=("gamma=0,0.9", "num_steps=4,8", "params.influence=0,1"),
    ),
    "audits": AuditsConfig(
        cases=("polarising-table", "polarising-bandit", "preference-mlp"), seeds=2, horizon=4, table_timesteps=4000,
        ppo_timesteps=640, q_learning=QLearningSettings(num_envs=100, num_steps=4), ppo=SMALL, hidden_size=8,
        evaluation_episodes=20, num_chunks=4,
    ),
    "offline": OfflineConfig(
        seeds=2, users=(20, 40), explorations=(0.2, 1.0), thresholds=(0.05,), pessimisms=(1.0,), resamples=3
    ),
    "mitigations": MitigationsConfig(
        weights=(0.0, 1.0), gammas=(0.0,), seeds=1, episodes=1000, q_learning=QLearningSettings(num_envs=200),
        evaluation_episodes=20, num_chunks=5,
    ),
    "tampering": TamperingConfig(
        seeds=2, episodes=1000, q_learning=QLearningSettings(num_envs=200), evaluation_episodes=60, num_chunks=5
    ),
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


def arguments(settings, within=""):
    """The settings of a configuration as options of the command line."""
    for name, value in settings.items():
        option = within + name.replace("_", "-")
        if isinstance(value, dict):
            yield from arguments(value, f"{option}.")
        elif isinstance(value, bool):
            yield f"--{option}" if value else f"--{within}no-{name.replace('_', '-')}"
        else:
            yield from (f"--{option}", *map(str, value if isinstance(value, tuple) else (value,)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["preference-shift", "preference-simulation"])
def test_real_studies_go_on_in_other_processes(name, tmp_path):
    """Killed in a later training, then asked to stop, then left alone; what each training is, is told the same way."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    settings = [*arguments(dataclasses.asdict(REAL[name]))]
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
