"""The private directory of a run: fresh, 0700, in memory where the machine has such a place."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "pas-infra-run-"


@contextmanager
def private_directory() -> Iterator[Path]:
    """A directory that nobody else can read and that is gone when the run ends.

    What a killed run left behind is removed by the next one.
    """
    parent = _parent()
    _sweep(parent)
    # Never below /var: ssh's control sockets lie here, and a socket's path has 108 bytes at most.
    path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _parent() -> Path:
    for candidate in (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):  # noqa: S108 - mkdtemp below
        if candidate and os.access(candidate, os.W_OK | os.X_OK) and _may_execute(candidate):
            return Path(candidate)
    return Path(tempfile.gettempdir())


def _may_execute(directory: str) -> bool:
    # Ansible would take a password script on a noexec mount for the password itself.
    return not os.statvfs(directory).f_flag & os.ST_NOEXEC


def _sweep(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        if path.stat().st_uid == os.getuid() and not Path("/proc", pid).exists():
            shutil.rmtree(path, ignore_errors=True)
