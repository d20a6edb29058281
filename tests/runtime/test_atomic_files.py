"""Files are written whole or not at all."""

import pytest

from jaxrec.experiments.runs import folder
from jaxrec.experiments.runs.folder import RunFolder


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
