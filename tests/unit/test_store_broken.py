"""Runs that died: told from living ones by their process, however that ended."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.records import RunStatus, TaskResult, TaskStatus
from orchestrator.store import Store
from orchestrator.store.process import process_identity, still_runs

NOW = datetime(2026, 3, 1, 22, 15, 30, tzinfo=UTC)

RUN = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from orchestrator.records import TaskResult, TaskStatus
from orchestrator.store import Store
store = Store.open(Path(sys.argv[1]), "lab")
run_id = store.begin("apply", who="w", control_node="c", pid=os.getpid(), commit="",
                     options={}, now=datetime.now(UTC))
store.add_results(run_id, [TaskResult("h", "r", "saved", "a", TaskStatus.CHANGED)])
print(run_id, flush=True)
signal.pause()
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lab", "lab") as opened:
        yield opened


@contextmanager
def running(store: Store) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process in the middle of a run, and the run's id."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(store.path.parent)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def begin(store: Store, pid: int) -> int:
    return store.begin("apply", who="w", control_node="c", pid=pid, commit="", options={}, now=NOW)


def test_a_killed_run_is_broken_and_keeps_what_it_saved(store: Store) -> None:
    with running(store) as (process, run_id):
        assert store.mark_broken(NOW) == []
        assert store.run(run_id).status is RunStatus.RUNNING
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
        assert store.mark_broken(NOW) == [run_id]
    run = store.run(run_id)
    assert run.status is RunStatus.BROKEN
    assert run.ended is None
    assert "noticed at 2026-03-01T22:15:30Z" in run.message
    saved = TaskResult("h", "r", "saved", "a", TaskStatus.CHANGED)
    assert store.results(run_id) == [saved]
    assert store.mark_broken(NOW) == []


def test_a_killed_run_whose_parent_does_not_reap_it_is_broken(store: Store) -> None:
    with running(store) as (process, run_id):
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert store.mark_broken(NOW) == [run_id]


def test_a_pid_used_again_does_not_hide_a_dead_run(store: Store) -> None:
    with running(store) as (process, run_id):
        boot, start = process_identity(process.pid).split(":")
        with sqlite3.connect(store.path) as other:  # the pid's earlier owner had begun this run
            other.execute("UPDATE runs SET process = ?", (f"{boot}:{int(start) - 1}",))
        assert store.mark_broken(NOW) == [run_id]


def test_a_run_from_before_a_reboot_is_broken() -> None:
    boot, start = process_identity(os.getpid()).split(":")
    assert still_runs(os.getpid(), f"{boot}:{start}")
    assert not still_runs(os.getpid(), f"another-boot:{start}")


def test_the_holder_of_the_lock_knows_which_runs_are_dead(store: Store) -> None:
    with running(store) as (_, run_id):
        assert store.mark_broken(NOW, locked_commands=("drift",)) == []
        assert store.mark_broken(NOW, locked_commands=("apply", "drift")) == [run_id]


def test_the_own_run_is_never_broken(store: Store) -> None:
    own = begin(store, os.getpid())
    assert store.mark_broken(NOW, locked_commands=("apply",)) == []
    assert store.run(own).status is RunStatus.RUNNING


def test_a_run_that_has_ended_is_left_alone(store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        run_id = begin(store, process.pid)
    store.finish(run_id, RunStatus.FAILED, "said so", NOW)
    assert store.mark_broken(NOW, locked_commands=("apply",)) == []
    assert store.run(run_id).message == "said so"


def test_a_run_taken_for_dead_can_still_say_how_it_ended(store: Store) -> None:
    with running(store) as (_, run_id):
        store.mark_broken(NOW, locked_commands=("apply",))
        store.finish(run_id, RunStatus.OK, "", NOW)
        assert store.run(run_id).status is RunStatus.OK
