"""The files that are handed to somebody: where they lie, and that nobody else here reads them."""

import tempfile
from pathlib import Path

from orchestrator.errors import PasInfraError


def make_directory(directory: Path, what: str) -> Path:
    """Make a directory for files, or raise PasInfraError, before there is any: `what` they are."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise PasInfraError(
            f"no {what} can be written there: {error.strerror}",
            where=directory,
            next_step="name a directory that takes your files: --output DIR",
        ) from error
    return directory


def put(file: Path, content: bytes) -> None:
    """Write a file all at once; nobody else on this machine reads it."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".being-", delete=False) as beside:
        try:
            beside.write(content)
            beside.flush()
            Path(beside.name).replace(file)
        except BaseException:
            Path(beside.name).unlink()
            raise
