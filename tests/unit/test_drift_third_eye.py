"""The accepted state of a host: what was recorded of it, and what a host may say instead."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from accepted_states import say, small_environment

from orchestrator.drift import third_eye
from orchestrator.drift.cause import Cause
from orchestrator.environment import Environment
from orchestrator.records import RunStatus
from orchestrator.selection import Selection
from orchestrator.store import Store

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
THERE: dict[str, Any] = {
    "file": {"/etc/issue": {"type": "file", "mode": "644", "content": "sha256 1"}},
    "package": {"nmap": {"origin": "Debian", "mark": "manual"}},
}
WEB1 = Selection(("web1",))


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    return small_environment(tmp_path, monkeypatch)


@pytest.fixture
def store(environment: Environment) -> Iterator[Store]:
    with Store.open(environment.store_directory, environment.name) as opened:
        yield opened


def accept(environment: Environment, *, yes: bool = True) -> third_eye.Accepted:
    return third_eye.accept_states(environment, WEB1, approve=lambda _: yes)


def uncompared(environment: Environment, store: Store) -> str:
    return third_eye.collected(environment, store, [], NOW).uncompared.get("web1", "")


def test_what_was_accepted_is_no_finding(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, THERE)
    assert "no state of it was accepted" in uncompared(environment, store)
    assert accept(environment).exit_code == 0
    found = third_eye.collected(environment, store, [], NOW)
    assert (found.findings, dict(found.uncompared)) == ((), {})
    say(monkeypatch, THERE | {"package": {**THERE["package"], "netcat": {"mark": "manual"}}})
    (one,) = third_eye.collected(environment, store, [], NOW).findings
    assert (one.kind, one.object) == ("unmanaged", "package netcat")
    assert third_eye.cause_since_accepted(store, "web1")[0] is Cause.CORRECTIVE


def test_what_the_operator_declines_is_not_accepted(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, THERE)
    assert accept(environment, yes=False).exit_code == 130
    assert "no state of it was accepted" in uncompared(environment, store)
    say(monkeypatch, THERE, files="no room")
    assert accept(environment).exit_code == 4
    assert "no state of it was accepted" in uncompared(environment, store)
    assert [run.status for run in store.runs(2)] == [RunStatus.INCOMPLETE, RunStatus.INTERRUPTED]


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ({"file": THERE["file"]}, "says nothing any more of: package"),
        ({}, "says nothing any more of: file, package"),
        (THERE | {"certificate": {"/x": {"ends": "garbage"}}}, "cannot be read"),
    ],
)
def test_a_host_that_says_less_or_garbage_was_not_looked_at(
    environment: Environment,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    objects: dict[str, Any],
    said: str,
) -> None:
    say(monkeypatch, THERE)
    accept(environment)
    say(monkeypatch, objects)
    assert said in uncompared(environment, store)


def test_a_state_that_was_changed_in_the_store_is_not_believed(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, THERE)
    accept(environment)
    with closing(sqlite3.connect(store.path)) as other, other:
        other.execute("UPDATE baselines SET objects = replace(objects, 'nmap', 'rogue')")
    assert "somebody has changed it in the store" in uncompared(environment, store)


def test_a_state_that_cannot_be_read_is_accepted_anew(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, THERE)
    accept(environment)
    with closing(sqlite3.connect(store.path)) as other, other:
        other.execute("""UPDATE baselines SET objects = '{"unheard-of": {}}'""")
    assert "accept it anew" in uncompared(environment, store)
    assert accept(environment).exit_code == 0
    assert uncompared(environment, store) == ""


def test_whose_work_it_is_after_an_apply_nobody_can_tell(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, THERE)
    assert third_eye.cause_since_accepted(store, "web1")[0] is Cause.UNKNOWN
    accept(environment)
    store.begin(
        "apply", who="a", control_node="c", pid=1, commit="", options={"hosts": ["web1"]},
        now=datetime.now(UTC),
    )  # fmt: skip
    cause, because = third_eye.cause_since_accepted(store, "web1")
    assert cause is Cause.UNKNOWN
    assert "pas-infra drift baseline --limit web1" in because
