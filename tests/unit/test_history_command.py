"""`pas-infra history` as it is typed, over a real store."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.cli import run
from orchestrator.records import (
    CheckResult,
    HostRecap,
    RunStatus,
    TaskResult,
    TaskStatus,
    Verdict,
)
from orchestrator.store import Store

STARTED = datetime(2026, 3, 1, 22, 15, 30, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIFF = (
    "--- before\n+++ after\n@@ -1 +1 @@\n-PermitRootLogin [bold]yes[/bold]\n+PermitRootLogin no\n"
)


@pytest.fixture(autouse=True)
def in_paris_off_a_terminal() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        patch.delenv("COLUMNS", raising=False)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    directory = tmp_path / "lab"
    environment = SimpleNamespace(name="lab", store_directory=directory)
    # Only where the store lies; loading an environment has tests of its own.
    monkeypatch.setattr("orchestrator.environment.load_environment", lambda _: environment)
    with Store.open(directory, "lab") as opened:
        yield opened


def record(store: Store, command: str, status: RunStatus, seconds: int, message: str = "") -> int:
    run_id = store.begin(
        command,
        who="alice",
        control_node="admin1",
        pid=os.getpid(),
        commit=f"{COMMIT}+dirty",
        options={"limit": "rbx7"},
        now=STARTED,
    )
    store.add_results(
        run_id,
        [
            TaskResult(
                "rbx7", "ssh", "Set [sshd]", "copy", TaskStatus.CHANGED, ("6.2.1",), diff=DIFF
            ),
            TaskResult("rbx7", "", "Gather", "setup", TaskStatus.OK),
            TaskResult("sysfab", "time", "Key", "copy", TaskStatus.FAILED, censored=True),
        ],
    )
    store.add_checks(
        run_id,
        [
            CheckResult(
                "rbx7", "t.py::a", "root is out", ("6.2.1",), Verdict.FAILS, "two\n\x1b]0;lines"
            ),
            CheckResult("rbx7", "t.py::b", "clock is right", (), Verdict.HOLDS),
        ],
    )
    store.set_recap(run_id, {"rbx7": HostRecap(ok=41, changed=1)})
    store.finish(run_id, status, message, STARTED + timedelta(seconds=seconds))
    return run_id


def test_the_table_of_runs(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    record(store, "plan", RunStatus.FINDINGS, 59)
    record(store, "apply", RunStatus.FAILED, 3 * 3600 + 125)
    assert run(["history"]) == 0
    out, err = capsys.readouterr()
    header, newest, oldest = (line.split() for line in out.splitlines())
    assert header == [
        "run",
        "started",
        "command",
        "who",
        "commit",
        "status",
        "changed",
        "failed",
        "duration",
    ]
    when = ["2026-03-01", "23:15"]
    commit = "01234567+dirty"
    assert newest == [
        "2",
        *when,
        "apply",
        "alice",
        commit,
        "failed",
        *["1", "2", "3", "h", "02", "min"],
    ]
    assert oldest == ["1", *when, "plan", "alice", commit, "findings", *["1", "2", "59", "s"]]
    assert err == ""
    assert "\x1b" not in out


def test_limit_and_command_narrow_the_table(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("plan", "apply", "plan"):
        record(store, command, RunStatus.OK, 1)
    assert run(["history", "--json", "--limit", "1"]) == 0
    assert [found["id"] for found in json.loads(capsys.readouterr().out)] == [3]
    assert run(["history", "--json", "--command", "apply"]) == 0
    assert [found["id"] for found in json.loads(capsys.readouterr().out)] == [2]


def test_the_detail_of_a_run(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    record(store, "apply", RunStatus.FAILED, 61, "sysfab: a task failed")
    assert run(["history", "last"]) == 0
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for expected in (
        "run 1: apply on lab, failed",
        "sysfab: a task failed",
        "started 2026-03-01 23:15:30 CET, ended 2026-03-01 23:16:31 CET: 1 min 01 s",
        f"by alice on admin1 (pid {os.getpid()})",
        f"commit {COMMIT}+dirty",
        "options limit=rbx7",
        "rbx7 41 1 0 0 0 0 0",
        "ssh 1 rbx7 (1)",
        "rbx7 changed ssh : Set [sshd] [6.2.1]",
        "-PermitRootLogin [bold]yes[/bold]",
        "+PermitRootLogin no",
        "sysfab failed time : Key",
        "(its output is secret and was not kept)",
        "Checks that do not hold (1 of 2)",
        "rbx7 fails root is out [6.2.1]",
        "two",
        r"\x1b]0;lines",
    ):
        assert expected in lines
    assert "Gather" not in out
    assert "clock is right" not in out


def test_json_carries_the_same(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    record(store, "apply", RunStatus.FAILED, 61)
    assert run(["history", "1", "--json"]) == 0
    detail = json.loads(capsys.readouterr().out)
    assert detail["status"] == "failed"
    assert detail["started"] == "2026-03-01T22:15:30Z"
    assert detail["duration"] == 61
    assert (detail["changed_tasks"], detail["failed_tasks"], detail["failed_checks"]) == (1, 1, 1)
    assert detail["options"] == {"limit": "rbx7"}
    assert detail["changes"] == {"ssh": {"rbx7": 1}}
    assert detail["recap"]["rbx7"]["ok"] == 41
    assert [result["diff"] for result in detail["results"]] == [DIFF, ""]
    assert [finding["check"] for finding in detail["findings"]] == ["t.py::a"]


def test_no_run_yet_is_no_error(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "lab has no run yet\n")
    assert run(["history", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_unknown_run_is_an_error(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "12"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "there is no run 12" in err
    assert "pas-infra history" in err
