"""The lock of an environment: one run at a time changes its hosts.

The kernel holds it (flock), so it goes with the process however that dies; the file's content only
says who it is.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from orchestrator.errors import Locked, PasInfraError
from orchestrator.operator import control_node_name
from orchestrator.store.private import open_private, private_directory
from orchestrator.store.timestamps import local_time, timestamp

LOCK_NAME = "lock"

# Close-on-exec does not cover a child that forks without exec (multiprocessing).
_held: set[int] = set()


def _let_go_in_child() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


@dataclass(frozen=True)
class EnvironmentLock:
    """Who holds the lock of an environment; `since` is ISO 8601 in UTC."""

    pid: int
    user: str
    host: str
    command: str
    since: str

    @classmethod
    @contextmanager
    def acquire(cls, directory: Path, command: str, *, who: str, now: datetime) -> Iterator[Self]:
        """Hold the lock of the environment whose store lies in `directory`.

        Raises Locked, at once, when another process (or this one) holds it; PasInfraError when the
        directory or the lock file cannot be used.
        """
        private_directory(directory)
        path = directory / LOCK_NAME
        holder = cls(
            pid=os.getpid(),
            user=who,
            host=control_node_name(),
            command=command,
            since=timestamp(now),
        )
        descriptor = open_private(path)
        _held.add(descriptor)
        try:
            _take(descriptor, path)
            _write(descriptor, json.dumps(asdict(holder)))
            try:
                yield holder
            finally:
                if descriptor in _held:  # else a forked child leaves the block: not its lock
                    _write(descriptor, "")
        finally:
            if descriptor in _held:
                _held.discard(descriptor)
                os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _locked(path, _read(descriptor)) from None
    except OSError as error:
        raise PasInfraError(
            f"the environment cannot be locked: {error.strerror}",
            where=path,
            next_step="keep the store on a local file system (see docs/reference/history.md)",
        ) from error


def _write(descriptor: int, content: str) -> None:
    encoded = content.encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, encoded, 0)


def _read(descriptor: int) -> EnvironmentLock | None:
    """Read the holder; None in the instant before it has written its name."""
    try:
        return EnvironmentLock(**json.loads(os.pread(descriptor, 65536, 0)))
    except (ValueError, TypeError):
        return None


def _locked(path: Path, holder: EnvironmentLock | None) -> Locked:
    if holder is None:
        return Locked(
            "another run has just taken the lock of this environment",
            where=path,
            next_step="wait until it ends (`pas-infra history` shows it), then try again",
        )
    return Locked(
        f"{holder.user} holds this environment since {local_time(holder.since)}: "
        f"`{holder.command}` (pid {holder.pid} on {holder.host})",
        where=path,
        next_step=(
            f"wait until it ends, or stop it in order with Ctrl-C (kill -INT {holder.pid}), "
            "then try again"
        ),
    )
