"""A quick look: what it is believed for, and what it leaves open."""

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_environment import write_small

from orchestrator.drift import canary, third_eye
from orchestrator.drift.collector import Seen
from orchestrator.drift.look import Drift
from orchestrator.drift.quick import quick_look
from orchestrator.engine import Connection
from orchestrator.environment import Environment, load_environment
from orchestrator.selection import Selection
from orchestrator.store import Store

ACCEPTED: dict[str, Any] = {
    "file": {"/etc/motd": {"type": "file", "mode": "0644", "sha256": "1" * 64}},
    "suid": {"/usr/bin/su": {"mode": "4755"}, "/usr/bin/sudo": {"mode": "4755"}},
}
Look = Callable[..., Drift]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """One host that does not exist, of which a state was accepted."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = load_environment(write_small(tmp_path / "small"))
    monkeypatch.setattr(
        "orchestrator.drift.quick.connections", lambda *_: [SimpleNamespace(host="web1")]
    )
    monkeypatch.setattr(third_eye, "connections", lambda *_: [])
    monkeypatch.setattr(third_eye, "look", lambda _: ({"web1": Seen(ACCEPTED, {}, {})}, {}))
    accepted = third_eye.accept_states(made, Selection(("web1",)), approve=lambda _: True)
    assert not accepted.missing
    return made


@pytest.fixture
def look(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Look:
    """A look that sees such files, and the canary as long as nobody hides it."""
    told: list[str] = []

    def write(
        connections: Iterable[Connection], script: str, content: str, token: str = ""
    ) -> dict[str, str]:
        told.append(token)
        return {}

    monkeypatch.setattr(canary, "_write", write)

    def looked(files: dict[str, Any], *, hidden: bool = False, blind: str = "") -> Drift:
        def see(*_: object, quick: bool) -> tuple[dict[str, Seen], dict[str, str]]:
            assert quick
            sum_of = hashlib.sha256(f"# {told[-1]}\n".encode()).hexdigest()
            shown = {} if hidden else {canary.UNACCEPTED: {"type": "file", "sha256": sum_of}}
            return {
                "web1": Seen({"file": files | shown}, {"files": blind} if blind else {}, {})
            }, {}

        monkeypatch.setattr(third_eye, "look", see)
        drift = quick_look(environment, Selection(("web1",)), today=date(2026, 11, 26))
        assert told[-1] == ""
        return drift

    return looked


def test_a_host_as_it_was_accepted(look: Look, environment: Environment) -> None:
    drift = look(ACCEPTED["file"])
    assert (drift.exit_code, drift.sightings) == (0, ())
    (host,) = drift.hosts
    # What it leaves out is said, and no 100 %.
    assert (host.blind, int(host.coverage)) == (2, 33)
    with Store.open(environment.store_directory, environment.name) as store:
        assert store.runs(1)[0].command == "drift quick"


def test_what_has_moved_is_told_and_stays_open(look: Look, environment: Environment) -> None:
    moved = look({**ACCEPTED["file"], "/etc/rogue": {"type": "file", "sha256": "2" * 64}})
    assert moved.exit_code == 2
    assert [(one.kind, one.name) for one in moved.sightings] == [("unmanaged", "/etc/rogue")]
    assert look(ACCEPTED["file"]).exit_code == 0
    with Store.open(environment.store_directory, environment.name) as store:
        assert [one.name for one in store.drift.open()] == ["/etc/rogue"]


def test_what_another_eye_has_said_of_it_stays(look: Look, environment: Environment) -> None:
    rogue = {**ACCEPTED["file"], "/etc/rogue": {"type": "file", "sha256": "2" * 64}}
    (first,) = look(rogue).sightings
    by_roles = replace(
        first, role="ssh", checks=("test_ssh.py::test_x",), severity=3, cause="pending"
    )
    with Store.open(environment.store_directory, environment.name) as store:
        now = datetime.now(UTC)
        run = store.begin("drift", who="a", control_node="c", pid=os.getpid(), commit="",
                          options={}, now=now)  # fmt: skip
        store.drift.keep_sightings(run, [by_roles], looked_at=["web1"], roles=(), now=now)
    (again,) = look(rogue).sightings
    assert (again.role, again.severity, again.cause) == ("ssh", 3, "pending")
    assert not again.new


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"hidden": True}, "the canary was not seen by the collector"),
        ({"blind": "no room"}, "not all that is there is known (files: no room)"),
    ],
)
def test_what_was_not_seen_is_never_fine(look: Look, how: dict[str, Any], why: str) -> None:
    drift = look(ACCEPTED["file"], **how)
    assert drift.exit_code == 4
    assert any(why in reason for reason in drift.hosts[0].why)
