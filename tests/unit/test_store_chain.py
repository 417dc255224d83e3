"""The hash chain: appended as runs end, recomputed here as an auditor would, kept by migrations."""

import hashlib
import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
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
from orchestrator.store import Store, database
from orchestrator.store.chain import FIRST, Chained, Link, canonical, parse_canonical
from orchestrator.store.links import RECORDED
from orchestrator.store.schema import MIGRATIONS

NOW = datetime(2026, 3, 1, 22, 15, 30, tzinfo=UTC)
BEFORE_THE_CHAIN = next(
    n for n, statements in enumerate(MIGRATIONS) if any("TABLE links" in s for s in statements)
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lab"


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    with Store.open(directory, "lab") as opened:
        yield opened


def begin(store: Store, command: str = "apply", pid: int | None = None) -> int:
    return store.begin(
        command,
        who="élise",
        control_node="admin1",
        pid=os.getpid() if pid is None else pid,
        commit="0123abc",
        options={"yes": True, "limit": ["rbx7"]},
        now=NOW,
    )


def dead() -> int:
    with subprocess.Popen(["true"]) as gone:
        return gone.pid


def test_a_record_and_its_link_are_these_bytes(store: Store) -> None:
    run = begin(store, "verify")
    store.add_checks(
        run, [CheckResult("rbx7", "t.py::a", "é", ("6.2.1",), Verdict.FAILS, "no", 0.5)]
    )
    store.set_recap(run, {"rbx7": HostRecap(ok=3)})
    store.finish(run, RunStatus.FINDINGS, "", NOW + timedelta(minutes=1))
    (link,) = store.chain.links()
    check = (
        r'{"check":{"duration":0.5,"host":"rbx7","measures":["6.2.1"],"message":"no",'
        r'"name":"t.py::a","title":"\u00e9","verdict":"fails"}}'
    )
    recap = (
        '{"recap":{"changed":0,"failed":0,"host":"rbx7","ignored":0,"ok":3,"rescued":0,'
        '"skipped":0,"unreachable":0}}'
    )
    sums = "".join(hashlib.sha256(line.encode()).hexdigest()[:8] for line in (check, recap))
    with closing(sqlite3.connect(store.path)) as other:
        process = other.execute("SELECT process FROM runs").fetchone()[0]
    first = (
        f'{{"lines":"{sums}","run":{{"command":"verify","control_node":"admin1",'
        '"ended":"2026-03-01T22:16:30Z","environment":"lab","git_commit":"0123abc","id":1,'
        '"message":"","options":{"limit":["rbx7"],"yes":true},'
        f'"pid":{os.getpid()},"process":"{process}","started":"2026-03-01T22:15:30Z",'
        r'"status":"findings","who":"\u00e9lise"}}'
    )
    record = f"{first}\n{check}\n{recap}\n"
    assert store.chain.record(link) == record
    text = (
        "pas-infra-chain-1 1 1 findings 2026-03-01T22:16:30Z ended "
        f"{hashlib.sha256(record.encode()).hexdigest()} {'0' * 64}"
    )
    assert link.line == f"{hashlib.sha256(text.encode()).hexdigest()} {text}"
    assert Link.parse(link.line) == link


def test_each_link_follows_the_one_before_it(store: Store) -> None:
    for command in ("plan", "apply", "verify"):
        store.finish(begin(store, command), RunStatus.OK, "", NOW)
    links = store.chain.links()
    assert [(link.position, link.run, link.how) for link in links] == [
        (n, n, Chained.ENDED) for n in (1, 2, 3)
    ]
    assert [link.previous for link in links] == [FIRST, links[0].sha256, links[1].sha256]
    assert store.chain.links(after=2) == links[2:]


def test_a_run_that_goes_on_has_no_link(store: Store) -> None:
    begin(store)
    assert store.chain.links() == []
    numbers = store.chain.run_numbers()
    assert (numbers.begun, numbers.running, numbers.unchained) == (1, (1,), ())


def test_a_run_that_died_is_chained_when_it_is_noticed(store: Store) -> None:
    run = begin(store, pid=dead())
    store.mark_broken(NOW + timedelta(hours=1))
    (link,) = store.chain.links()
    assert (link.run, link.status, link.how) == (run, "broken", Chained.NOTICED)
    assert link.chained == "2026-03-01T23:15:30Z"
    assert '"ended"' not in str(store.chain.record(link)), "what is NULL is left out"


def test_a_run_that_was_taken_for_dead_and_ended_has_two_links(store: Store) -> None:
    run = begin(store, pid=dead())
    store.mark_broken(NOW)
    store.add_results(run, [TaskResult("h", "r", "late", "a", TaskStatus.OK)])
    store.finish(run, RunStatus.OK, "", NOW)
    assert [(link.run, link.status) for link in store.chain.links()] == [(1, "broken"), (1, "ok")]


def test_a_run_and_its_link_end_together_or_not_at_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(text: str) -> str:
        raise MemoryError(text)

    run = begin(store)
    monkeypatch.setattr("orchestrator.store.links.sha256_of", fails)
    with pytest.raises(MemoryError):
        store.finish(run, RunStatus.OK, "", NOW)
    assert store.run(run).status is RunStatus.RUNNING
    assert store.chain.links() == []


def test_nothing_is_added_to_a_run_that_has_ended(store: Store) -> None:
    run = begin(store)
    store.finish(run, RunStatus.OK, "", NOW)
    (link,) = store.chain.links()
    before = store.chain.record(link)
    adding: list[Callable[[], None]] = [
        lambda: store.add_results(run, [TaskResult("h", "r", "t", "a", TaskStatus.OK)]),
        lambda: store.set_results(run, []),
        lambda: store.add_checks(run, []),
        lambda: store.set_recap(run, {}),
    ]
    for add in adding:
        with pytest.raises(PasInfraError, match="has already ended"):
            add()
    assert store.chain.record(link) == before


def test_what_hosts_print_does_not_keep_a_run_from_ending(store: Store) -> None:
    run = store.begin(
        "apply", who="a", control_node="c", pid=1, commit="", options={"file": "caf\udce9"}, now=NOW
    )
    store.add_results(
        run, [TaskResult("h", "r", "\udcff\0\n\u2028", "a", TaskStatus.OK, duration=float("inf"))]
    )
    store.finish(run, RunStatus.OK, "\ud800", NOW)
    (link,) = store.chain.links()
    assert len(str(store.chain.record(link)).split("\n")) == 3


def old_store(directory: Path, runs: int) -> None:
    """A store as it was before there was a chain."""
    with Store.open(directory, "lab"):
        pass
    path = directory / "pas-infra.sqlite"
    path.unlink()
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as old, old:
        for migration in MIGRATIONS[:BEFORE_THE_CHAIN]:
            for statement in migration:
                old.execute(statement)
        old.execute(f"PRAGMA user_version = {BEFORE_THE_CHAIN}")
        for number in range(runs):
            status = ("ok", "running", "broken")[number % 3]
            old.execute(
                "INSERT INTO runs (command, environment, who, control_node, pid, process,"
                " git_commit, options, started, ended, status, message) VALUES"
                " ('apply', 'lab', 'a', 'c', 1, '', '', '{}', '2026-01-01T00:00:00Z', ?, ?, '')",
                ("2026-01-01T00:05:00Z" if status == "ok" else None, status),
            )


def test_an_old_store_is_chained_and_says_that_it_was_later(directory: Path) -> None:
    old_store(directory, 6)
    before = datetime.now(UTC).replace(microsecond=0)
    with Store.open(directory, "lab") as store:
        links = store.chain.links()
        assert [link.run for link in links] == [1, 3, 4, 6], "two go on"
        assert {link.how for link in links} == {Chained.MIGRATED}
        assert all(datetime.fromisoformat(link.chained) >= before for link in links)
    with Store.open(directory, "lab") as store:
        assert store.chain.links() == links, "once"


def test_a_table_that_came_later_changes_no_link(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made before there were inventories, which no record holds."""
    before = next(
        n for n, statements in enumerate(MIGRATIONS) if "TABLE inventories" in statements[0]
    )
    with monkeypatch.context() as older:
        older.setattr(database, "MIGRATIONS", MIGRATIONS[:before])
        with Store.open(directory, "lab") as store:
            for command in ("apply", "verify"):
                store.finish(begin(store, command), RunStatus.OK, "", NOW)
            links = store.chain.links()
            records = [store.chain.record(link) for link in links]
            with pytest.raises(PasInfraError, match="no such table"):
                store.inventories.keep([{"host": "rbx7"}])
    with Store.open(directory, "lab") as store:
        assert store.chain.links() == links
        assert [store.chain.record(link) for link in links] == records
        assert store.inventories.keep([{"host": "rbx7"}])


def test_a_store_that_is_damaged_while_it_is_migrated_stays_as_it_was(directory: Path) -> None:
    old_store(directory, 3)
    path = directory / "pas-infra.sqlite"
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("UPDATE runs SET message = CAST(x'ff' AS TEXT) WHERE id = 3")
    with pytest.raises(PasInfraError, match="Could not decode") as caught:
        Store.open(directory, "lab")
    assert caught.value.where == str(path)
    with closing(sqlite3.connect(path)) as old:
        assert old.execute("PRAGMA user_version").fetchone() == (BEFORE_THE_CHAIN,)
        tables = old.execute("SELECT name FROM sqlite_master WHERE name = 'links'").fetchall()
        assert tables == []


def test_every_column_of_a_run_is_in_its_record(store: Store) -> None:
    """What no record holds, anybody may change unseen: see RECORDED in store/links.py."""
    run = begin(store)
    store.finish(run, RunStatus.OK, "", NOW)
    (link,) = store.chain.links()
    first = json.loads(str(store.chain.record(link)).split("\n", maxsplit=1)[0])
    with closing(sqlite3.connect(store.path)) as other:
        names = other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        columns = {
            name: {column[1] for column in other.execute(f"PRAGMA table_info({name})")}
            for (name,) in names
        }
    # A state that was accepted is no run's: it outlives the run, and the next one replaces it.
    apart = {"links", "baselines"}
    of_runs = {name for name, have in columns.items() if "run_id" in have} - apart
    assert of_runs == set(RECORDED)
    for table, (_, recorded, _) in RECORDED.items():
        assert columns[table] - {"id", "run_id"} == set(recorded)
        assert list(recorded) == sorted(recorded)
    assert set(first["run"]) == columns["runs"]


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}', '{"b":1,"a":1}', '{"a": 1}', '{"a":1.00}', '{"a":1e0}', '{"a":NaN}',
        '{"a":"é"}', '{"a":"\\u0061"}', '{"a":"\\/"}', ' {"a":1}', '{"a":1}\n', "{", "",
        '{"a":-0}', "[" * 100_000, '{"a":Infinity}', '\ufeff{"a":1}', '{"a":"\\u00E9"}',
    ],
)  # fmt: skip
def test_json_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_canonical(text)


@pytest.mark.parametrize("value", [{"a": [1, 1.0, -0.0, None, True, "é\n\0"]}, {}, 1e300, 5e-324])
def test_what_is_written_is_read_back(value: object) -> None:
    assert parse_canonical(canonical(value)) == value
