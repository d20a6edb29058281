"""Every agent killed at random moments, again and again: what goes on ends as if nothing had happened."""

import json
import multiprocessing
import random
import shutil
import signal
import time

import orbax.checkpoint as ocp
import pytest
import survivor
from run_folders import assert_same

from jaxrec.training.checkpoints import KEPT

KILLS = 50
CHUNKS = survivor.LearnerConfig.num_chunks
FORKS = multiprocessing.get_context("forkserver")  # of a process that has imported what takes seconds, and nothing else
FORKS.set_forkserver_preload(["survivor", "orbax.checkpoint"])


def begin(agent, run, cache=None):
    """A process that begins a run, or goes on with it."""
    if run.exists() and not (run / "manifest.json").exists():  # killed between the two
        shutil.rmtree(run)
    which = ("--resume", str(run)) if run.exists() else ("--preset", agent, "--out", str(run))
    process = FORKS.Process(target=survivor.command, args=(["run", "learners", *which], cache))
    process.start()
    return process


def seconds_of(process):
    """Of a process that is let alone."""
    started = time.perf_counter()
    process.join()
    assert process.exitcode == 0
    return time.perf_counter() - started


def is_complete(run):
    manifest = run / "manifest.json"
    return manifest.exists() and json.loads(manifest.read_text())["status"] == "complete"


def checkpoints_read(run):
    """How many checkpoints there are; each must be readable, but for older ones that were being removed."""
    count = 0
    for folder in run.glob("checkpoints/*"):
        with ocp.CheckpointManager(folder) as manager:
            for step in sorted(manager.all_steps())[-KEPT:]:
                parts = ocp.args.Composite(
                    state=ocp.args.StandardRestore(), about=ocp.args.JsonRestore(), history=ocp.args.JsonRestore()
                )
                found = manager.restore(step, args=parts)
                assert found["state"]
                assert found["history"]["chunks"][-1]["updates"] == step
                count += 1
    return count


def await_moment(process, run, draw, usual):
    """Waits for a moment to kill: of the time that a whole run takes, or soon after any chunk; None: for the end."""
    if usual is None or draw.random() < 0.5:
        process.join(None if usual is None else draw.uniform(0, usual))
        return
    metrics, lines = run / "metrics.jsonl", draw.randint(1, CHUNKS)
    metrics.unlink(missing_ok=True)  # the lines of the process before
    while process.is_alive() and not (metrics.exists() and metrics.read_text().count("\n") >= lines):
        time.sleep(0.005)
    process.join(draw.uniform(0, 0.3))


@pytest.mark.slow
@pytest.mark.parametrize("agent", survivor.AGENTS)
def test_agents_killed_at_any_moment_go_on_bit_for_bit(agent, tmp_path, capsys):
    """Killed 50 times: at its start, while it compiles, computes and writes checkpoints and results."""
    draw, cache = random.Random(agent), tmp_path / "cache"
    whole, warm = tmp_path / "whole", tmp_path / "warm"
    seconds_of(begin(agent, whole))
    seconds_of(begin(agent, tmp_path / "filling", cache))
    usual = seconds_of(begin(agent, warm, cache))
    assert_same(warm, whole)
    kills, runs, read, started = 0, 0, 0, time.perf_counter()
    while kills < KILLS:
        run = tmp_path / f"run{runs}"
        while not is_complete(run):
            afresh, begun = not run.exists(), time.perf_counter()
            process = begin(agent, run, cache)
            await_moment(process, run, draw, usual if kills < KILLS else None)
            if afresh and not process.is_alive():  # quicker than the first ones: the machine does other work as well
                usual = min(usual, time.perf_counter() - begun)
            process.kill()
            process.join()
            assert process.exitcode in (0, -signal.SIGKILL)
            kills += process.exitcode != 0
            read += checkpoints_read(run)
        assert_same(run, whole)
        runs += 1
        with capsys.disabled():
            seconds = time.perf_counter() - started
            print(f"\n{agent}: {kills} kills, {runs} runs the same, {read} checkpoints read, {seconds:.0f} s", end="")
