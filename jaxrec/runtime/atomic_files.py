"""Files that are never seen half-written."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial"  # how temporary names end: a process that is killed leaves them


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that is never seen half-written."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Within, an error that does not name its file, such as that of a full disk, names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:  # one of the system; others say what they say
            error.filename = error.filename or str(path)
        raise


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place at the end, or goes if something failed."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    os.close(descriptor)
    temporary = Path(name)
    try:
        with naming(path):
            yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
