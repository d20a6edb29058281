"""Files that no reader ever finds half-written, and what readers of others meet."""

import contextlib
import lzma
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial"  # the suffix of temporary files, which a killed process leaves

DAMAGED = (
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile,
    zlib.error, lzma.LZMAError, RuntimeError,  # where a wrong byte names another compression, or a password
)  # fmt: skip
"""What reading an archive of arrays raises, of which some bytes are not what was written."""


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that no reader ever finds half-written."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """A context in which a system error without a file name, such as a full disk, gets the name `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:  # an error of the system
            error.filename = error.filename or str(path)
        raise


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path next to `path`, which replaces `path` at the end and is deleted after an error."""
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
