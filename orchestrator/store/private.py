"""The store's directory and files belong to one account and nobody else reads them."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.errors import PasInfraError


def private_directory(directory: Path) -> None:
    """Make sure that `directory` exists with mode 0700.

    Raises PasInfraError when it cannot be created, is open to others, or is another account's.
    """
    with _explained(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        found = directory.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise PasInfraError(
            "the store's directory is not a directory",
            where=directory,
            next_step="move what is there out of the way",
        )
    _demand_private(directory, found, 0o700)


def private_file(path: Path) -> None:
    """Make sure that `path` exists, a regular file of mode 0600.

    Raises PasInfraError when it cannot be created, is open to others, or is another account's.
    """
    with _explained(path):
        # An existing file is not opened: SQLite loses its POSIX locks when its process closes
        # any descriptor of the database (https://sqlite.org/howtocorrupt.html, 2.2).
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise PasInfraError(
            "a file of the store is not a regular file",
            where=path,
            next_step="move what is there out of the way",
        )
    _demand_private(path, found, 0o600)


def open_private(path: Path) -> int:
    """Open a private file to read and write; returns its descriptor, which is close-on-exec.

    Raises PasInfraError as `private_file` does.
    """
    private_file(path)
    with _explained(path):
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)


def replace_private(path: Path, content: bytes) -> None:
    """Put a private file in the place of what is there, at once and down to the disk.

    A cut leaves the former one, and perhaps `.NAME.new` beside it. Raises as `private_file` does.
    """
    beside = path.with_name(f".{path.name}.new")
    with os.fdopen(open_private(beside), "r+b") as opened:
        opened.truncate()
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    beside.rename(path)
    keep_names(path.parent)


def keep_names(directory: Path) -> None:
    """Bring the names in a directory down to the disk, after one was changed or removed."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _demand_private(path: Path, found: os.stat_result, mode: int) -> None:
    # Root too: what root writes into another account's store would lock that account out.
    if found.st_uid != os.geteuid():
        raise PasInfraError(
            f"the store belongs to uid {found.st_uid}, this command runs as uid {os.geteuid()}",
            where=path,
            next_step="run pas-infra as the account that owns the store",
        )
    if stat.S_IMODE(found.st_mode) != mode:
        raise PasInfraError(
            f"the store's mode is {stat.S_IMODE(found.st_mode):04o}, it must be {mode:04o}: "
            "no other account may read or change it",
            where=path,
            next_step=f"find out who changed it, then: chmod {mode:04o} {path}",
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PasInfraError(
            f"the store cannot be used: {error.strerror}",
            where=path,
            next_step="check the path, and who owns the directories above it",
        ) from error
