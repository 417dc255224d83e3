"""What an apply has changed is accepted with it: that, all of it, and nothing else."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from accepted_states import say, small_environment

from orchestrator.drift import carry, third_eye
from orchestrator.drift.cause import Cause
from orchestrator.drift.collector.look import Seen
from orchestrator.environment import Environment
from orchestrator.records import RunStatus
from orchestrator.selection import Selection
from orchestrator.store import EnvironmentLock, Store

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
ISSUE, ROGUE = {"mode": "644", "content": "sha256 1"}, {"mode": "755", "content": "sha256 2"}
NMAP = {"mark": "manual"}
UP = {"at_boot": "enabled", "state": "up"}
Files = dict[str, Any]


def of(files: Files, **packages: Any) -> dict[str, Any]:
    return {"file": files, "package": packages}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    return small_environment(tmp_path, monkeypatch)


@pytest.fixture
def store(environment: Environment) -> Iterator[Store]:
    with Store.open(environment.store_directory, environment.name) as opened:
        yield opened


def applied(
    environment: Environment,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    before: dict[str, Any],
    after: dict[str, Any],
    faults: dict[str, str] | None = None,
    **blind: str,
) -> carry.Carried:
    """Carry the accepted state over an apply between two looks."""
    say(monkeypatch, before)
    seen, left = third_eye.seen_whole(environment, carry.accepted_hosts(store, ["web1"]))
    assert not left
    run = store.begin(
        "apply", who="a", control_node="c", pid=1, commit="", options={"hosts": ["web1"]},
        now=datetime.now(UTC) - timedelta(minutes=1),
    )  # fmt: skip
    store.finish(run, RunStatus.OK, "", datetime.now(UTC))
    say(monkeypatch, after, **blind)
    return carry.carry_forward(environment, seen, run, faults or {})


@pytest.mark.parametrize(
    ("accepted", "before", "after", "carried", "left", "found"),
    [
        pytest.param(
            of({"/etc/issue": ISSUE}), of({"/etc/issue": ISSUE}),
            of({"/etc/issue": ISSUE | {"mode": "600"}}),
            ("file /etc/issue",), (), set(), id="changed",
        ),
        pytest.param(
            of({"/etc/issue": ISSUE}), of({"/etc/issue": ISSUE}),
            of({"/etc/issue": ISSUE}, nmap=NMAP), ("package nmap",), (), set(), id="installed",
        ),
        pytest.param(
            of({"/etc/issue": ISSUE}, nmap=NMAP), of({"/etc/issue": ISSUE}, nmap=NMAP),
            of({"/etc/issue": ISSUE}), ("package nmap",), (), set(), id="removed",
        ),
        pytest.param(
            of({"/etc/issue": ISSUE}), of({"/etc/issue": ISSUE, "/etc/rogue": ROGUE}),
            of({"/etc/issue": ISSUE, "/etc/rogue": ROGUE}), (), (), {"file /etc/rogue"},
            id="there-before",
        ),
        pytest.param(
            of({"/etc/issue": ISSUE}), of({"/etc/issue": ISSUE, "/etc/rogue": ROGUE}),
            of({"/etc/issue": ISSUE}, nmap=NMAP), ("package nmap",), (), set(),
            id="put-right",
        ),
        pytest.param(
            of({"/etc/issue": ISSUE}, nmap=NMAP), of({"/etc/issue": ISSUE}),
            of({"/etc/issue": ISSUE}), (), (), {"package nmap"}, id="gone-before",
        ),
        pytest.param(
            of({}), of({"/etc/rogue": ISSUE}), of({"/etc/rogue": ROGUE}),
            (), ("file /etc/rogue",), {"file /etc/rogue"}, id="rewritten-by-whoever-left-it",
        ),
        pytest.param(
            {"group": {"sudo": {"members": ("alice",)}}},
            {"group": {"sudo": {"members": ("alice", "mallory")}}},
            {"group": {"sudo": {"members": ("alice", "bob", "mallory")}}},
            (), ("group sudo",), {"group sudo"}, id="not-with-what-somebody-added",
        ),
        pytest.param(
            {"unit": {"x.service": UP}}, {"unit": {"x.service": UP}},
            {"unit": {"x.service": UP | {"state": "failed"}}},
            (), ("unit x.service",), {"unit x.service"}, id="fallen",
        ),
        pytest.param(
            {"unit": {}}, {"unit": {}},
            {"unit": {"x.service": UP, "y.service": UP | {"state": "unknown"}}},
            ("unit x.service", "unit y.service"), (), set(), id="units-installed",
        ),
        pytest.param(
            {"array": {"md0": {"missing": "0"}}}, {"array": {"md0": {"missing": "0"}}},
            {"array": {"md0": {"missing": "1"}}},
            (), ("array md0",), {"array md0"}, id="a-disk-has-failed-meanwhile",
        ),
        pytest.param(
            of({}, nmap=NMAP | {"origin": "Debian"}), of({}, nmap=NMAP | {"origin": "Debian"}),
            of({}, nmap={"mark": "auto", "origin": "unknown"}),
            (), ("package nmap",), {"package nmap"}, id="no-longer-known",
        ),
        pytest.param(
            {"file": {}}, of({}), of({}, nmap=NMAP), (), (), {"baseline web1 package"},
            id="never-accepted-of-its-kind",
        ),
    ],
)  # fmt: skip
def test_an_apply_moves_the_accepted_state_by_what_it_changed(
    environment: Environment,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    accepted: dict[str, Any],
    before: dict[str, Any],
    after: dict[str, Any],
    carried: tuple[str, ...],
    left: tuple[str, ...],
    found: set[str],
) -> None:
    say(monkeypatch, accepted)
    third_eye.accept_states(environment, Selection(("web1",)), approve=lambda _: True)
    done = applied(environment, store, monkeypatch, before, after)
    assert (done.objects, done.left) == ({"web1": carried}, {})
    assert done.open == ({"web1": left} if left else {})
    compared = third_eye.collected(environment, store, [], NOW)
    assert dict(compared.uncompared) == {}  # the chain names the state that is kept now
    assert {one.object for one in compared.findings} == found
    assert third_eye.cause_since_accepted(store, "web1")[0] is Cause.CORRECTIVE
    (run,) = store.runs(1)
    assert (run.command, run.status) == ("drift baseline", RunStatus.OK)
    assert all(name in run.message for name in carried + left)


def test_nothing_is_accepted_of_a_host_that_did_not_come_back_whole(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, of({"/etc/issue": ISSUE}))
    third_eye.accept_states(environment, Selection(("web1",)), approve=lambda _: True)
    former = store.baselines.of("web1")
    fault = {"web1": "is back, but alpha: is closed"}
    done = applied(environment, store, monkeypatch, of({"/etc/issue": ISSUE}), of({}), fault)
    assert (done.objects, done.left) == ({}, fault)
    assert store.baselines.of("web1") == former


def test_what_may_let_somebody_in_is_called_by_name() -> None:
    assert carry.grave(["file /etc/issue", "suid /usr/bin/x", "account eve", "package nmap"]) == [
        "suid /usr/bin/x", "account eve",
    ]  # fmt: skip


def test_the_first_state_is_for_a_person_to_accept(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = applied(environment, store, monkeypatch, of({}), of({"/etc/issue": ISSUE}))
    assert done == carry.Carried()
    assert store.baselines.of("web1") is None


def test_a_host_that_is_half_blind_afterwards_keeps_its_state(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, of({"/etc/issue": ISSUE}))
    third_eye.accept_states(environment, Selection(("web1",)), approve=lambda _: True)
    former = store.baselines.of("web1")
    done = applied(environment, store, monkeypatch, of({}), of({"/x": ROGUE}), files="no room")
    assert done.objects == {}
    assert "no room" in done.left["web1"]
    assert store.baselines.of("web1") == former
    assert store.runs(1)[0].status is RunStatus.INCOMPLETE


def test_a_state_that_was_changed_in_the_store_is_not_moved_on(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, of({"/etc/issue": ISSUE}))
    third_eye.accept_states(environment, Selection(("web1",)), approve=lambda _: True)
    with closing(sqlite3.connect(store.path)) as other, other:
        other.execute("UPDATE baselines SET objects = replace(objects, 'issue', 'rogue')")
    assert carry.accepted_hosts(store, ["web1"]) == []
    seen = {"web1": Seen(of({}), {}, {})}
    done = carry.carry_forward(environment, seen, 1, {})
    assert "another one than before the apply" in done.left["web1"]


def test_whoever_holds_the_environment_meanwhile_is_left_alone(
    environment: Environment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, of({"/etc/issue": ISSUE}))
    third_eye.accept_states(environment, Selection(("web1",)), approve=lambda _: True)
    seen, _ = third_eye.seen_whole(environment, ["web1"])
    with EnvironmentLock.acquire(environment.store_directory, "apply", who="b", now=NOW):
        done = carry.carry_forward(environment, seen, 1, {})
    assert "holds this environment" in done.left["web1"]
    assert done.run_id is None
