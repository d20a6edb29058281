"""What goes wrong outside: full disks, folders that cannot be written, numbers that are none."""

import contextlib
import gc
import json
import signal
import time

import jax
import jax.numpy as jnp
import pytest
import survivor
from probes import Chain

import jaxrec
from jaxrec.agents import QLearning
from jaxrec.cli import main
from jaxrec.experiments import STUDIES
from jaxrec.runtime import atomic_files
from jaxrec.training import TrainingError, checkpoints, fit

resource = pytest.importorskip("resource")


@pytest.fixture(autouse=True)
def among_the_studies(monkeypatch):
    monkeypatch.setitem(STUDIES, "survivor", survivor.STUDY)


@contextlib.contextmanager
def no_file_longer_than(size):
    """Of this process, all its threads and libraries, for real: a write beyond fails as one to a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


def said(capsys, *argv):
    """(exit code, the line on stderr) of `jaxrec`."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in argv])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("jaxrec: ")]
    assert len(lines) == 1
    return stop.value.code, lines[0]


def content(run):
    results, metrics = run / "results.json", run / "metrics.jsonl"
    return json.loads(results.read_text()), metrics.read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the run gives that nothing happened to."""
    return content(survivor.STUDY.run("quick", out=tmp_path_factory.mktemp("runs") / "whole"))


@pytest.mark.parametrize("kind", ["metrics", "report"])
def test_a_run_on_a_full_disk_says_so_in_one_line_and_goes_on_later(kind, tmp_path, capsys, monkeypatch, whole):
    run, limit = tmp_path / "run", contextlib.ExitStack()
    at = {"metrics": (0, 4), "report": (2, 0)}[kind]

    def fill(*now):
        if now == at:
            limit.enter_context(no_file_longer_than(300))

    with monkeypatch.context() as patch, limit:
        patch.setattr(survivor, "after", fill)
        code, line = said(capsys, "run", "survivor", "--out", run)
    assert code == 2
    assert f"; to go on: jaxrec run survivor --resume {run}" in line
    assert "File too large" in line
    assert json.loads((run / "manifest.json").read_text())["status"] == "running", "what was written before stays"
    main(["run", "survivor", "--resume", str(run)])
    assert content(run) == whole


# orbax leaves coroutines to the collector
coroutines_left = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@coroutines_left
def test_a_full_disk_while_a_checkpoint_is_written_in_the_background(tmp_path):
    state = {"a": jax.random.normal(jax.random.key(0), (100_000,))}
    kept = checkpoints.Checkpoints(tmp_path, "numbers")
    kept.save(checkpoints.Training(1, state, None, []))
    kept.latest()
    with no_file_longer_than(50_000):
        kept.save(checkpoints.Training(2, state, None, []))
        with pytest.raises(OSError, match=r"no checkpoint can be written in '.*': ValueError: .*"):
            kept.latest()
    kept.save(checkpoints.Training(3, state, None, []))
    kept.close()
    kept = checkpoints.Checkpoints(tmp_path, "numbers")
    assert kept.restore(checkpoints.Training(0, state, None, [])).updates == 3
    kept.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3"]
    del kept
    gc.collect()


@coroutines_left
def test_what_was_kept_before_the_disk_was_full_is_gone_on_from(tmp_path):
    agent, params, keys = QLearning(Chain(), 384, 4, 8), jaxrec.batched(Chain().default_params, 2), jax.random.key(0)
    keys, limit = jax.random.split(keys, 2), contextlib.ExitStack()
    expected = fit(agent, keys, params, 4, checkpoints=tmp_path / "whole").q

    def fill(updates, metrics):
        if updates == 12:
            while not (tmp_path / "run" / "9").exists():
                time.sleep(0.01)
            limit.enter_context(no_file_longer_than(200))

    def train(told=None):
        return fit(agent, keys, params, 4, checkpoints=tmp_path / "run", checkpoint_seconds=0, on_metrics=told)

    with limit, pytest.raises(OSError, match="File too large"):
        train(fill)
    assert not list((tmp_path / "run").glob("*.npz*"))
    told = []
    assert (train(lambda updates, metrics: told.append(updates)).q == expected).all()
    assert told == [3, 6, 9, 12]
    assert not list((tmp_path / "run").glob(f"*{atomic_files.PARTIAL}"))
    gc.collect()


def test_a_folder_that_cannot_be_made_or_written(tmp_path, capsys, monkeypatch):
    code, line = said(capsys, "run", "survivor", "--out", "/proc/nowhere/run")
    assert code == 2
    assert "out='/proc/nowhere/run' cannot be made: " in line

    def refuse(path, content):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr("jaxrec.experiments.runs.folder.write_atomically", refuse)
    code, line = said(capsys, "run", "survivor", "--out", tmp_path / "run")
    assert (code, line) == (2, f"jaxrec: [Errno 30] Read-only file system: '{tmp_path / 'run' / 'manifest.json'}'")


class Diverges(survivor.Walk):
    """After six updates its reward is no number."""

    def advance(self, state, params, first, last):
        state, metrics = super().advance(state, params, first, last)
        return state, metrics | {"reward": jnp.where(last > 6, jnp.nan, metrics["reward"])}


def test_a_training_that_diverges_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(survivor, "Walk", Diverges)
    code, line = said(capsys, "run", "survivor", "--out", tmp_path / "run")
    assert code == 2
    good = tmp_path / "run" / "checkpoints" / "001-Walk-slope-1-0" / "6"
    assert (
        f"reward of runs [0, 1, 2] was not finite in updates 6 ... 7: [nan nan nan]; last good checkpoint: {good}; "
        in line
    )
    assert line.endswith("which comes to the same, as all follows from the settings: begin a run with others")
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"].startswith("failed: TrainingError")
    with pytest.raises(TrainingError):
        survivor.STUDY.resume(tmp_path / "run")
