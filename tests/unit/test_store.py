import multiprocessing
import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from orchestrator.errors import PasInfraError
from orchestrator.records import (
    CheckResult,
    HostRecap,
    RunStatus,
    TaskResult,
    TaskStatus,
    Verdict,
)
from orchestrator.store import RunCounts, Store
from orchestrator.store.schema import MIGRATIONS

NOW = datetime(2026, 3, 1, 22, 15, 30, 999_999, tzinfo=UTC)

TASK = TaskResult(
    host="rbx7",
    role="ssh",
    task="Forbid root's login",
    action="ansible.builtin.template",
    status=TaskStatus.CHANGED,
    measures=("6.2.1", "5.5.2"),
    diff="--- before\n+++ after\n@@ -1 +1 @@\n-PermitRootLogin yes\n+PermitRootLogin no\n",
    message="",
    duration=0.25,
    path="roles/ssh/tasks/main.yml:12",
    handler=True,
)
CHECK = CheckResult(
    host="rbx7",
    check="test_ssh.py::test_root_cannot_log_in",
    title="root cannot log in",
    measures=("6.2.1",),
    verdict=Verdict.FAILS,
    message="permitrootlogin is yes",
    duration=0.5,
)


def begin(store: Store, command: str = "apply", *, pid: int | None = None) -> int:
    return store.begin(
        command,
        who="alice",
        control_node="admin1",
        pid=os.getpid() if pid is None else pid,
        commit="0123abc",
        options={"limit": ["rbx7"], "yes": True},
        now=NOW,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "lab"


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    with Store.open(directory, "lab") as opened:
        yield opened


def test_a_run_is_read_back_as_it_was_recorded(store: Store) -> None:
    run_id = begin(store)
    running = store.run(run_id)
    assert (running.command, running.environment) == ("apply", "lab")
    assert (running.who, running.control_node, running.pid) == ("alice", "admin1", os.getpid())
    assert running.commit == "0123abc"
    assert running.options == {"limit": ["rbx7"], "yes": True}
    assert (running.started, running.ended) == ("2026-03-01T22:15:30Z", None)
    assert (running.status, running.message) == (RunStatus.RUNNING, "")

    store.finish(run_id, RunStatus.FAILED, "a task failed", NOW + timedelta(seconds=61))
    ended = store.run(run_id)
    assert (ended.status, ended.message) == (RunStatus.FAILED, "a task failed")
    assert ended.ended == "2026-03-01T22:16:31Z"


def test_times_are_kept_in_utc(store: Store) -> None:
    paris = timezone(timedelta(hours=1))
    run_id = store.begin(
        "plan",
        who="a",
        control_node="c",
        pid=1,
        commit="",
        options={},
        now=datetime(2026, 1, 1, 0, 30, tzinfo=paris),
    )
    assert store.run(run_id).started == "2025-12-31T23:30:00Z"


def test_results_checks_and_recap_are_read_back_unchanged_and_in_order(store: Store) -> None:
    run_id = begin(store)
    plain = TaskResult("sysfab", "", "Gather", "setup", TaskStatus.OK)
    censored = TaskResult("rbx7", "time", "Key", "copy", TaskStatus.FAILED, censored=True)
    store.add_results(run_id, [TASK, plain])
    store.add_results(run_id, iter([censored]))
    store.add_results(run_id, [])
    store.add_checks(run_id, [CHECK])
    recap = {"rbx7": HostRecap(ok=3, changed=1), "sysfab": HostRecap(unreachable=1)}
    store.set_recap(run_id, {"rbx7": HostRecap(ok=99), "gone": HostRecap()})
    store.set_recap(run_id, recap)
    assert store.results(run_id) == [TASK, plain, censored]
    assert store.checks(run_id) == [CHECK]
    assert store.recap(run_id) == recap


def test_runs_do_not_see_each_other(store: Store) -> None:
    first, second = begin(store), begin(store)
    store.add_results(first, [TASK])
    store.add_checks(second, [CHECK])
    assert store.results(second) == []
    assert store.checks(first) == []
    assert store.recap(first) == {}


def test_bytes_that_are_no_text_do_not_stop_a_run(store: Store) -> None:
    run_id = begin(store)
    store.add_results(run_id, [TaskResult("h", "", "t", "a", TaskStatus.OK, message="caf\udce9 é")])
    store.finish(run_id, RunStatus.FAILED, "\udcff", NOW)
    assert store.results(run_id)[0].message == "caf\\udce9 é"
    assert store.run(run_id).message == "\\udcff"


def test_runs_are_listed_newest_first(store: Store) -> None:
    ids = [begin(store, command) for command in ("plan", "apply", "verify", "apply")]
    assert [run.id for run in store.runs(10)] == ids[::-1]
    assert [run.id for run in store.runs(2)] == [ids[3], ids[2]]
    assert [run.id for run in store.runs(10, "apply")] == [ids[3], ids[1]]
    assert store.runs(10, "drift") == []


def test_counts_tell_changes_and_failures_apart(store: Store) -> None:
    first, second = begin(store), begin(store)
    store.add_results(
        first,
        [
            TaskResult("h", "r", "t", "a", status)
            for status in (*TaskStatus, TaskStatus.CHANGED)  # each once, changed twice
        ],
    )
    store.add_checks(
        first, [CheckResult("h", "c", "t", (), verdict) for verdict in (*Verdict, Verdict.FAILS)]
    )
    counts = store.counts([second, first])
    assert counts[first] == RunCounts(changed_tasks=2, failed_tasks=2, failed_checks=2)
    assert counts[second] == RunCounts()


def test_an_unknown_run_is_an_error_that_says_what_to_do(store: Store) -> None:
    for use in (
        lambda: store.run(7),
        lambda: store.results(7),
        lambda: store.checks(7),
        lambda: store.recap(7),
        lambda: store.add_results(7, [TASK]),
        lambda: store.add_checks(7, [CHECK]),
        lambda: store.set_recap(7, {}),
        lambda: store.finish(7, RunStatus.OK, "", NOW),
    ):
        with pytest.raises(PasInfraError, match="no run 7 in the history of lab") as caught:
            use()
        assert "pas-infra history --env lab" in str(caught.value.next_step)


def test_a_run_ends_once(store: Store) -> None:
    run_id = begin(store)
    store.finish(run_id, RunStatus.OK, "", NOW)
    with pytest.raises(PasInfraError, match=r"already ended \(ok"):
        store.finish(run_id, RunStatus.FAILED, "", NOW)
    assert store.run(run_id).status is RunStatus.OK


def test_a_batch_is_saved_whole_or_not_at_all(store: Store) -> None:
    run_id = begin(store)
    unfit = TaskResult("h", "r", "t", "a", TaskStatus.OK, duration=float("nan"))
    with pytest.raises(sqlite3.IntegrityError):
        store.add_results(run_id, [TASK, unfit])
    assert store.results(run_id) == []
    store.add_results(run_id, [TASK])
    assert store.results(run_id) == [TASK]


def test_the_id_of_a_deleted_run_never_comes_back(store: Store) -> None:
    run_id = begin(store)
    store.add_results(run_id, [TASK])
    with sqlite3.connect(store.path) as other:
        other.execute("PRAGMA foreign_keys = ON")
        other.execute("DELETE FROM runs")
        assert other.execute("SELECT count(*) FROM results").fetchone() == (0,)
    assert begin(store) > run_id


def test_directory_and_files_are_private(store: Store, directory: Path) -> None:
    begin(store)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert modes == dict.fromkeys(
        ("pas-infra.sqlite", "pas-infra.sqlite-wal", "pas-infra.sqlite-shm"), 0o600
    )


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o022])
def test_the_umask_does_not_matter(directory: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        for _ in range(2):
            with Store.open(directory, "lab") as store:
                begin(store)
    finally:
        os.umask(before)
    assert stat.S_IMODE((directory / "pas-infra.sqlite").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "mode", "remedy"),
    [
        (".", 0o755, "chmod 0700"),
        (".", 0o710, "chmod 0700"),
        ("pas-infra.sqlite", 0o644, "chmod 0600"),
        ("pas-infra.sqlite", 0o000, "chmod 0600"),
    ],
)
def test_wrong_permissions_are_refused_with_the_remedy(
    directory: Path, name: str, mode: int, remedy: str
) -> None:
    Store.open(directory, "lab").close()
    target = directory / name
    target.chmod(mode)
    with pytest.raises(PasInfraError, match=f"mode is {mode:04o}") as caught:
        Store.open(directory, "lab")
    assert f"{remedy} {target}" in str(caught.value.next_step)
    assert caught.value.where == str(target)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", [".", "pas-infra.sqlite"])
def test_a_store_of_another_account_is_refused(directory: Path, name: str) -> None:
    Store.open(directory, "lab").close()
    os.chown(directory / name, 4242, -1)
    with pytest.raises(PasInfraError, match="belongs to uid 4242"):
        Store.open(directory, "lab")


def test_what_is_no_directory_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PasInfraError, match="not a directory"):
        Store.open(tmp_path / "file", "lab")
    with pytest.raises(PasInfraError, match="cannot be used"):
        Store.open(tmp_path / "file" / "below", "lab")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "pas-infra.sqlite").symlink_to(tmp_path / "file")
    with pytest.raises(PasInfraError, match="not a regular file"):
        Store.open(private, "lab")


def test_a_file_that_is_no_database_is_refused(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True)
    path = directory / "pas-infra.sqlite"
    path.write_text("notes\n" * 1000)
    path.chmod(0o600)
    with pytest.raises(PasInfraError, match="file is not a database") as caught:
        Store.open(directory, "lab")
    assert "backup" in str(caught.value.next_step)
    assert path.read_text().startswith("notes"), "the damaged file is evidence"


def test_a_damaged_page_is_an_error_that_says_so(directory: Path) -> None:
    with Store.open(directory, "lab") as store:
        run_id = begin(store)
        store.add_results(run_id, [TASK] * 200)
    path = directory / "pas-infra.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with Store.open(directory, "lab") as store, pytest.raises(PasInfraError) as caught:
        store.results(run_id)
    assert "malformed" in caught.value.what
    assert "backup" in str(caught.value.next_step)


def test_a_newer_store_is_refused_and_left_alone(directory: Path) -> None:
    Store.open(directory, "lab").close()
    path = directory / "pas-infra.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(PasInfraError, match="a newer pas-infra wrote the store") as caught:
        Store.open(directory, "lab")
    assert "upgrade" in str(caught.value.next_step)
    assert path.read_bytes() == before


def test_migrations_apply_in_order_and_only_once(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(directory, "lab") as store:
        run_id = begin(store)
    later = (
        *MIGRATIONS,
        ("ALTER TABLE runs ADD COLUMN note TEXT",),
        ("UPDATE runs SET note = 'migrated'", "CREATE INDEX notes ON runs (note)"),
    )
    monkeypatch.setattr("orchestrator.store.database.MIGRATIONS", later)
    for _ in range(2):
        with Store.open(directory, "lab") as store:
            assert store.run(run_id).command == "apply"
    connection = sqlite3.connect(directory / "pas-infra.sqlite")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
    assert connection.execute("SELECT note FROM runs").fetchall() == [("migrated",)]
    connection.close()


def test_a_migration_that_fails_changes_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(directory, "lab").close()
    later = (*MIGRATIONS, ("ALTER TABLE runs ADD COLUMN note TEXT",), ("SELECT nonsense",))
    monkeypatch.setattr("orchestrator.store.database.MIGRATIONS", later)
    with pytest.raises(PasInfraError, match="nonsense"):
        Store.open(directory, "lab")
    monkeypatch.undo()
    connection = sqlite3.connect(directory / "pas-infra.sqlite")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    connection.close()
    assert "note" not in columns


def _write_a_run(barrier: Barrier, directory: Path) -> None:
    barrier.wait()
    with Store.open(directory, "lab") as store:
        run_id = begin(store)
        for number in range(5):
            store.add_results(run_id, [replace(TASK, task=str(number))])


@pytest.mark.parametrize("attempt", range(5))
def test_processes_create_and_write_one_store_at_the_same_time(
    directory: Path, attempt: int
) -> None:
    forking = multiprocessing.get_context("fork")
    barrier = forking.Barrier(8)
    writers = [forking.Process(target=_write_a_run, args=(barrier, directory)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=30)
    assert [writer.exitcode for writer in writers] == [0] * 8
    with Store.open(directory, "lab") as store:
        runs = store.runs(10)
        assert len(runs) == 8
        for run in runs:
            assert [r.task for r in store.results(run.id)] == [str(n) for n in range(5)]
