import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.errors import PasInfraError
from orchestrator.history import list_runs, show_run
from orchestrator.records import (
    CheckResult,
    HostRecap,
    RunStatus,
    TaskResult,
    TaskStatus,
    Verdict,
)
from orchestrator.store import RunCounts, Store

NOW = datetime(2026, 3, 1, 22, 15, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lab", "lab") as opened:
        yield opened


def begin(store: Store, command: str = "apply", *, pid: int | None = None) -> int:
    return store.begin(
        command,
        who="alice",
        control_node="admin1",
        pid=os.getpid() if pid is None else pid,
        commit="",
        options={},
        now=NOW,
    )


def task(host: str, role: str, status: TaskStatus) -> TaskResult:
    return TaskResult(host, role, f"{role} {status}", "command", status)


def test_the_list_tells_duration_and_counts(store: Store) -> None:
    plan, apply = begin(store, "plan"), begin(store)
    store.add_results(plan, [task("rbx7", "ssh", TaskStatus.CHANGED)])
    store.finish(plan, RunStatus.FINDINGS, "", NOW + timedelta(minutes=2))
    newest, oldest = list_runs(store, limit=10, command=None, now=NOW)
    assert (newest.run.id, newest.duration, newest.counts) == (apply, None, RunCounts())
    assert (oldest.run.id, oldest.duration) == (plan, 120.0)
    assert oldest.counts == RunCounts(changed_tasks=1)
    assert [s.run.id for s in list_runs(store, limit=1, command=None, now=NOW)] == [apply]
    assert [s.run.id for s in list_runs(store, limit=9, command="plan", now=NOW)] == [plan]


def test_a_run_that_died_shows_as_broken(store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        dead = begin(store, pid=process.pid)
        assert show_run(store, "last", command=None, now=NOW).summary.run.status == "running"
        process.send_signal(signal.SIGKILL)
    assert show_run(store, str(dead), command=None, now=NOW).summary.run.status == "broken"
    (summary,) = list_runs(store, limit=10, command=None, now=NOW)
    assert (summary.run.status, summary.duration) == (RunStatus.BROKEN, None)


def test_the_list_too_notices_a_run_that_died(store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        begin(store, pid=process.pid)
    (summary,) = list_runs(store, limit=10, command=None, now=NOW)
    assert summary.run.status is RunStatus.BROKEN


def test_the_detail_keeps_what_matters(store: Store) -> None:
    run_id = begin(store)
    store.add_results(run_id, [task("rbx7", "ssh", status) for status in TaskStatus])
    store.add_results(
        run_id,
        [
            task("rbx7", "ssh", TaskStatus.CHANGED),
            task("sysfab", "ssh", TaskStatus.CHANGED),
            task("sysfab", "", TaskStatus.CHANGED),
        ],
    )
    store.add_checks(run_id, [CheckResult("rbx7", f"t::{v}", "", (), v) for v in Verdict])
    store.set_recap(run_id, {"rbx7": HostRecap(changed=2)})
    detail = show_run(store, "last", command=None, now=NOW)
    statuses = [result.status for result in detail.notable]
    silent = {TaskStatus.OK, TaskStatus.SKIPPED, TaskStatus.BLIND}
    assert set(TaskStatus) - set(statuses) == silent
    assert statuses.count(TaskStatus.CHANGED) == 4
    assert detail.changes == {"": {"sysfab": 1}, "ssh": {"rbx7": 2, "sysfab": 1}}
    assert [f.verdict for f in detail.findings] == [v for v in Verdict if v is not Verdict.HOLDS]
    assert detail.checks == len(Verdict)
    assert detail.recap == {"rbx7": HostRecap(changed=2)}


def test_last_is_the_last_of_a_command(store: Store) -> None:
    plan, apply = begin(store, "plan"), begin(store, "apply")
    assert show_run(store, "last", command=None, now=NOW).summary.run.id == apply
    assert show_run(store, "last", command="plan", now=NOW).summary.run.id == plan
    assert show_run(store, str(plan), command=None, now=NOW).summary.run.id == plan


@pytest.mark.parametrize(
    ("which", "command", "message"),
    [
        ("9", None, "there is no run 9 in the history of lab"),
        ("latest", None, "'latest' names no run"),
        ("-1", None, "'-1' names no run"),
        ("²", None, "'²' names no run"),
        ("99999999999999999999", None, "'99999999999999999999' names no run"),
        ("last", None, "lab has no run yet"),
        ("last", "drift", "lab has no run of `drift` yet"),
    ],
)
def test_a_run_that_is_not_there(
    store: Store, which: str, command: str | None, message: str
) -> None:
    with pytest.raises(PasInfraError, match=message) as caught:
        show_run(store, which, command=command, now=NOW)
    assert "pas-infra" in str(caught.value.next_step)
