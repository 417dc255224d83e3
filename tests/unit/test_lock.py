"""The lock of an environment, with real processes: that is where locks go wrong."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import Locked, PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.store import EnvironmentLock

NOW = datetime(2026, 3, 1, 22, 15, 30, tzinfo=UTC)

HOLDER = """
import os, signal, subprocess, sys
from datetime import UTC, datetime
from pathlib import Path
from orchestrator.store import EnvironmentLock
now = datetime(2026, 3, 1, 22, 15, 30, tzinfo=UTC)
with EnvironmentLock.acquire(Path(sys.argv[1]), "apply --yes", who="alice", now=now):
    orphan = 0
    if sys.argv[2] == "exec":
        orphan = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL).pid
    elif sys.argv[2] == "fork":
        child_runs, said = os.pipe()
        orphan = os.fork()
        if orphan == 0:
            os.close(1)
            os.write(said, b".")
            signal.pause()
        os.read(child_runs, 1)
    print(orphan, flush=True)
    signal.pause()
"""


@contextmanager
def holder(directory: Path, child: str = "none") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that holds the lock, and the pid of a child of its own (0: none)."""
    orphan = 0
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory), child], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            orphan = int(process.stdout.readline())
            yield process, orphan
        finally:
            process.kill()
            if orphan:
                os.kill(orphan, signal.SIGKILL)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lab"


@pytest.fixture
def in_paris() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


def take(directory: Path) -> None:
    with EnvironmentLock.acquire(directory, "plan", who="bob", now=NOW):
        pass


def test_the_lock_says_who_holds_it(directory: Path) -> None:
    with EnvironmentLock.acquire(directory, "apply --yes", who="alice", now=NOW) as lock:
        content = json.loads((directory / "lock").read_text())
        assert content == {
            "pid": os.getpid(),
            "user": "alice",
            "host": lock.host,
            "command": "apply --yes",
            "since": "2026-03-01T22:15:30Z",
        }
        assert stat.S_IMODE((directory / "lock").stat().st_mode) == 0o600
    assert (directory / "lock").read_text() == ""


@pytest.mark.usefixtures("in_paris")
def test_a_second_run_is_refused_at_once_and_told_by_whom(directory: Path) -> None:
    with holder(directory) as (process, _):
        started = time.monotonic()
        with pytest.raises(Locked) as caught:
            take(directory)
        assert time.monotonic() - started < 1
        error = caught.value
        assert error.exit_code is ExitCode.LOCKED
        assert "alice holds this environment since 2026-03-01 23:15:30 CET" in error.what
        assert f"`apply --yes` (pid {process.pid} on " in error.what
        assert error.where == str(directory / "lock")
        assert f"kill -INT {process.pid}" in str(error.next_step)


def test_the_refused_run_leaves_the_holder_its_name_and_its_lock(directory: Path) -> None:
    with holder(directory):
        for _ in range(2):
            with pytest.raises(Locked, match="alice"):
                take(directory)


def test_one_process_does_not_take_the_lock_twice(directory: Path) -> None:
    with (
        EnvironmentLock.acquire(directory, "apply", who="alice", now=NOW),
        pytest.raises(Locked, match="alice"),
    ):
        take(directory)
    take(directory)


def test_the_lock_is_free_after_an_error(directory: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        EnvironmentLock.acquire(directory, "apply", who="alice", now=NOW),
    ):
        raise RuntimeError
    take(directory)


@pytest.mark.parametrize("child", ["none", "exec", "fork"])
def test_a_killed_holder_does_not_block_even_when_its_child_lives_on(
    directory: Path, child: str
) -> None:
    with holder(directory, child) as (process, orphan):
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
        assert json.loads((directory / "lock").read_text())["user"] == "alice", "left behind"
        if orphan:
            os.kill(orphan, 0)
        take(directory)


def test_a_lock_file_that_names_a_living_process_does_not_block(directory: Path) -> None:
    with holder(directory) as (process, _):
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    content = json.loads((directory / "lock").read_text())
    (directory / "lock").write_text(json.dumps({**content, "pid": os.getpid()}))
    take(directory)


def test_a_forked_child_that_leaves_the_block_does_not_free_the_lock(directory: Path) -> None:
    lock = EnvironmentLock.acquire(directory, "apply", who="alice", now=NOW)
    with lock:
        child = os.fork()
        if child == 0:
            try:
                lock.__exit__(None, None, None)
            except BaseException:  # noqa: BLE001 - nothing may unwind into the child's pytest
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with pytest.raises(Locked, match="alice"):
            take(directory)


def test_the_instant_before_the_holder_is_named_is_still_locked(directory: Path) -> None:
    with holder(directory):
        (directory / "lock").write_text("")
        with pytest.raises(Locked, match="another run has just taken the lock"):
            take(directory)


def test_a_lock_file_open_to_others_is_refused(directory: Path) -> None:
    take(directory)
    (directory / "lock").chmod(0o666)
    with pytest.raises(PasInfraError, match="mode is 0666"):
        take(directory)
