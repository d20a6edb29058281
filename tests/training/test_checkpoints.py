"""Checkpoints that break on the disk, and those that a run needs no more."""

import contextlib
import itertools
import shutil
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import survivor

import jaxrec
from jaxrec import InputError
from jaxrec.environment import EnvParams
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.runtime import interruption
from jaxrec.training import checkpoints, fit
from jaxrec.training.checkpoints import KEPT, Checkpoints, Training

KEYS = jax.random.split(jax.random.key(0), 2)


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """The folder of a training of 12 updates, with the checkpoints of 10 and 12, and where it ended."""
    folder = tmp_path_factory.mktemp("walked")
    return folder, walk(folder)


def walk(folder, told=None):
    note = None if told is None else lambda updates, metrics: told.append((updates, metrics["reward"].tolist()))
    agent, params = survivor.Walk(), jaxrec.batched(EnvParams(), len(KEYS))
    return fit(agent, KEYS, params, 6, on_metrics=note, checkpoints=folder, checkpoint_seconds=0)


def steps(folder):
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path):
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 3, min(len(content) // 3 + 9, len(content))):
        content[at] ^= 0x55
    path.write_bytes(content)


def remove(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def same(state, other):
    np.testing.assert_array_equal(state["at"], other["at"])
    np.testing.assert_array_equal(jax.random.key_data(state["key"]), jax.random.key_data(other["key"]))


PARTS = ["about/metadata", "history/metadata", "state/_METADATA", "state/manifest.ocdbt"]
HARM = [(harm, part) for harm in (halve, garble, remove, empty) for part in PARTS]


@pytest.mark.parametrize(
    ("harm", "part"),
    [
        pytest.param(*each, marks=() if number % 5 == 0 or number == 4 else pytest.mark.slow)
        for number, each in enumerate(HARM)
    ],
)
# Where a read fails, a future of tensorstore that orbax no longer waits for may still call the loop it has closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_one_before_is_gone_on_from(harm, part, walked, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(walked[0], folder)
    assert steps(folder) == [10, 12]
    harm(folder / "12" / part)
    told = []
    with pytest.warns(UserWarning, match=r"checkpoint 12 in .* cannot be read: .*the training goes on from 10"):
        state = walk(folder, told)
    same(state, walked[1])
    assert [updates for updates, _ in told] == [2, 4, 6, 8, 10, 12]
    assert steps(folder) == [10, 12], "written anew"
    assert (folder / "unreadable-12").is_dir()
    same(walk(folder), walked[1])


def test_bits_that_orbax_does_not_miss(tmp_path):
    """Whatever bit of the numbers changes, no other number comes back."""
    state = {"a": jax.random.normal(jax.random.key(0), (5000,))}
    kept = Checkpoints(tmp_path / "whole", "numbers")
    for updates in (1, 2):
        kept.save(Training(updates, {"a": updates * state["a"]}, None, [(updates, {"reward": np.arange(2.0)})]))
    kept.close()
    files = [path for path in (tmp_path / "whole" / "2" / "state").rglob("*") if path.is_file()]
    data = max(files, key=lambda path: path.stat().st_size)
    undetected = 0
    for number, at in enumerate(np.linspace(0, data.stat().st_size - 1, 8).astype(int)):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        harmed = folder / data.relative_to(tmp_path / "whole")
        content = bytearray(harmed.read_bytes())
        content[at] ^= 1
        harmed.write_bytes(content)
        kept = Checkpoints(folder, "numbers")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            updates, restored, *_ = kept.restore(Training(0, state, None, []))
        kept.close()
        undetected += any("what was written is not what is there" in str(each.message) for each in told)
        np.testing.assert_array_equal(restored["a"], updates * state["a"])
    assert undetected > 0, "the checksum sees what orbax does not"


def test_where_none_can_be_read_it_says_so(walked, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(walked[0], folder)
    for step in steps(folder):
        halve(folder / str(step) / "about/metadata")
    with pytest.raises(InputError, match=r"no checkpoint in '.*copy' can be read: remove them .*12: .*; 10: "):
        walk(folder)
    assert steps(folder) == [10, 12], "nothing is put aside"


def test_the_same_may_break_again(walked, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(walked[0], folder)
    for _ in range(2):
        halve(folder / "12" / "about/metadata")
        with pytest.warns(UserWarning, match="checkpoint 12"):
            walk(folder)
    assert {path.name for path in folder.iterdir()} == {"10", "12", "unreadable-12", "unreadable-12-1"}


def test_of_another_training_is_not_broken(walked):
    agent, params = survivor.Walk(0.5), jaxrec.batched(EnvParams(), len(KEYS))
    with pytest.raises(InputError, match="are of another training"):
        fit(agent, KEYS, params, checkpoints=walked[0])
    assert steps(walked[0]) == [10, 12]
    assert len(steps(walked[0])) == KEPT


def test_what_was_given_up_goes_though_it_is_still_being_written(walked, tmp_path):
    folder, left = tmp_path / "run", tmp_path / "run" / "4.orbax-checkpoint-tmp" / "state"
    left.mkdir(parents=True)
    (left / "first").touch()

    def write(seconds=0.3):
        until = time.monotonic() + seconds
        with contextlib.suppress(FileNotFoundError):  # `left` is gone
            for number in itertools.takewhile(lambda _: time.monotonic() < until, itertools.count()):
                (left / str(number)).touch()

    with ThreadPoolExecutor() as threads:
        writes = [threads.submit(write) for _ in range(4)]
        same(walk(folder), walked[1])
    assert all(write.exception() is None for write in writes)
    assert not list(folder.glob("*tmp*"))


def test_a_complete_run_keeps_policies_alone(tmp_path):
    run = RunFolder.create(tmp_path / "run", "walk")
    training = run.path / "checkpoints" / "001-walk"
    for name in ("10/state/d/1", "10/about/metadata", "unreadable-12/x", "policy.npz", "future/6/state"):
        (training / name).parent.mkdir(parents=True, exist_ok=True)
        (training / name).write_text(name)
    (run.path / "checkpoints" / "002-model" / "4").mkdir(parents=True)
    (run.path / "report.md").write_text("")
    run.remove_states()
    left = sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*"))
    assert left == ["checkpoints", "checkpoints/001-walk", "checkpoints/001-walk/policy.npz", "report.md"]


def test_states_go_when_the_run_is_complete_and_not_before(tmp_path, monkeypatch):
    run = tmp_path / "run"

    def stop(training, updates):
        if (training, updates) == (2, 0):
            raise interruption.Interrupted(15)

    with monkeypatch.context() as patch:
        patch.setattr(survivor, "after", stop)
        with pytest.raises(interruption.Interrupted):
            survivor.STUDY.run(out=run)
    assert len(list(run.glob("checkpoints/*/12/state"))) == 2
    survivor.STUDY.resume(run)
    assert not (run / "checkpoints").exists()
    about = RunFolder.open(run).manifest()
    assert about["status"] == "complete"


def test_a_crash_before_they_went_harms_nothing(tmp_path, monkeypatch):
    def crash(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "remove_states", crash)
    with pytest.raises(KeyboardInterrupt):
        survivor.STUDY.run(out=tmp_path / "run")
    assert RunFolder.open(tmp_path / "run").manifest()["status"] == "complete"
    with pytest.raises(InputError, match="is complete"):
        survivor.STUDY.resume(tmp_path / "run")


@pytest.mark.parametrize(("took", "kept"), [(0.0, [2, 4, 6, 8, 10, 12]), (0.1, [2, 6, 10, 12]), (1.0, [2, 12])])
def test_keeping_takes_a_twentieth_of_the_time_at_most_but_for_the_last(took, kept, tmp_path, monkeypatch):
    """Six chunks of a second each; keeping a state takes `took` seconds."""
    clock, saved = [0.0], []

    def save(self, training):
        saved.append(training.updates)
        clock[0] += took

    def tick(*_):
        clock[0] += 1.01  # not on the edge

    monkeypatch.setattr(Checkpoints, "save", save)
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    params = jaxrec.batched(EnvParams(), len(KEYS))
    fit(survivor.Walk(), KEYS, params, 6, on_metrics=tick, checkpoints=tmp_path / "run", checkpoint_seconds=0.25)
    assert saved == kept
