"""Logs go to Minari and back."""

import numpy as np
import pytest

import jaxrec
from jaxrec.estimation import Logs
from jaxrec.offline.minari_datasets import read_minari, write_minari

minari = pytest.importorskip("minari")
LOGS = Logs(
    valid=np.array([[True, True, True], [True, False, False]]),
    policy=np.array([1, 0], np.int32),
    policies=("first", "second"),
    actions=np.array([[2, 0, 1], [1, 0, 0]], np.int32),
    propensities=np.array([[0.5, np.nan, 0.25], [1.0, 1.0, 1.0]], np.float32),
    rewards=np.array([[1.0, -0.5, 2.0], [0.25, 0.0, 0.0]], np.float32),
    observations=np.array([[[0, 4], [1, 5], [2, 6]], [[0, 9], [0, 0], [0, 0]]], np.int32),
)


@pytest.mark.filterwarnings("ignore")  # Minari warns of metadata that only documentation needs
@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_what_is_written_is_read_back(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    logs = LOGS.replace(observations=LOGS.observations.astype(kind))
    written = write_minari("jaxrec/test-v0", logs, 3)
    assert (written.total_episodes, written.total_steps) == (2, 4)
    assert [episode.terminations.tolist() for episode in written] == [[False, False, True], [True]]
    read = read_minari("jaxrec/test-v0")
    assert read.policies == logs.policies
    for name in ("valid", "policy", "actions", "propensities", "rewards", "observations"):
        np.testing.assert_array_equal(getattr(read, name), getattr(logs, name))
        assert getattr(read, name).dtype == getattr(logs, name).dtype


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises(jaxrec.InputError, match=r"logs.actions must be within \[0, 1\], got 2"):
        write_minari("jaxrec/test-v0", LOGS, 2)
    with pytest.raises(jaxrec.InputError, match="names without commas"):
        write_minari("jaxrec/test-v0", LOGS.replace(policies=("a,b", "c")), 3)
    with pytest.raises(jaxrec.InputError, match="logs must have rewards for a Minari dataset"):
        write_minari("jaxrec/test-v0", LOGS.replace(rewards=None), 3)
