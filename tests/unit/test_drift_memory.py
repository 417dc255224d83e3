"""What is remembered of a finding: since when, why, whether it was accepted, that it has gone."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from small_environment import write_small

from orchestrator.drift.acceptance import accept
from orchestrator.drift.cause import Cause, cause_of, last_apply
from orchestrator.drift.finding import Eye, Finding, FindingKind, Severity
from orchestrator.drift.memory import find, looks, trend
from orchestrator.drift.repair import what_repairs
from orchestrator.environment import Environment, load_environment
from orchestrator.errors import ConfigurationInvalid, PasInfraError
from orchestrator.records import (
    CheckResult,
    HostDrift,
    HostRecap,
    RunStatus,
    Sighting,
    Verdict,
)
from orchestrator.store import Store

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
NIGHT = timedelta(days=1)
FINDING = Finding(
    FindingKind.CHANGED, "web1", "file", "/etc/issue", Eye.ROLES, Severity.MEDIUM, ("1.1.1",),
    "-x\n+y\n", "ssh",
)  # fmt: skip
CHECK = replace(FINDING, object_kind="check", name="test_ssh.py::test_it", eye=Eye.CHECKS)
SEEN = Sighting(
    FINDING.identity, "web1", "changed", "file", "/etc/issue", "roles", 2, ("1.1.1",), "-x\n+y\n",
    "ssh", (), "corrective", "nothing was changed",
)  # fmt: skip
OTHER = replace(SEEN, identity="0123456789ab", role="pki", name="/etc/motd")
INPUTS = {"role ssh": "1", "role pki": "1", "playbooks": "1", "hosts.yml": "1"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state", "lab") as opened:
        yield opened


def begin(store: Store, command: str = "drift", **options: object) -> int:
    return store.begin(
        command, who="a", control_node="c", pid=os.getpid(), commit="", options=options, now=NOW
    )


def night(
    store: Store, *seen: Sighting, at: datetime, roles: tuple[str, ...] = (), complete: bool = True
) -> list[Sighting]:
    looked_at = ["web1"] if complete else []
    run = begin(store)
    return store.drift.keep_sightings(run, seen, looked_at=looked_at, roles=roles, now=at)


def test_a_finding_is_new_once_and_keeps_its_first_night(store: Store) -> None:
    [first] = night(store, SEEN, at=NOW)
    [again] = night(store, SEEN, at=NOW + NIGHT)
    assert (first.new, first.first_seen) == (True, "2026-11-26T05:00:00Z")
    assert (again.new, again.first_seen) == (False, "2026-11-26T05:00:00Z")
    assert store.drift.open() == [again]
    assert [(run, one.new) for run, one in store.drift.sightings(SEEN.identity)] == [
        (2, False), (1, True),
    ]  # fmt: skip


def test_one_that_comes_back_is_new(store: Store) -> None:
    night(store, SEEN, at=NOW)
    night(store, at=NOW + NIGHT)
    assert store.drift.open() == []
    [back] = night(store, SEEN, at=NOW + 2 * NIGHT)
    assert (back.new, back.first_seen) == (True, "2026-11-28T05:00:00Z")


@pytest.mark.parametrize(
    ("roles", "complete"), [(("pki",), True), ((), False)], ids=["another role", "incomplete"]
)
def test_only_who_looked_says_that_it_is_gone(
    store: Store, roles: tuple[str, ...], *, complete: bool
) -> None:
    night(store, SEEN, at=NOW)
    night(store, at=NOW + NIGHT, roles=roles, complete=complete)
    assert [one.identity for one in store.drift.open()] == [SEEN.identity]


def test_a_narrow_look_says_it_of_its_own_role(store: Store) -> None:
    night(store, SEEN, OTHER, at=NOW)
    night(store, at=NOW + NIGHT, roles=("ssh",))
    assert [one.identity for one in store.drift.open()] == [OTHER.identity]


def test_a_look_that_cannot_be_saved_leaves_what_was(store: Store) -> None:
    night(store, SEEN, at=NOW)
    with pytest.raises(TypeError):
        night(store, replace(OTHER, measures=object()), at=NOW + NIGHT)  # type: ignore[arg-type]
    assert [one.identity for one in store.drift.open()] == [SEEN.identity]


HOST = HostDrift(
    "web1", complete=True, findings=1, new=1, pending=0, accepted=0, blind=3, coverage=97.5,
    seconds=41.5, why=("a\nb",),
)  # fmt: skip


def test_looks_are_read_back_newest_first_with_their_trend(store: Store) -> None:
    for findings, complete in ((0, True), (2, True), (0, False)):
        run = begin(store)
        store.drift.set_hosts(run, [replace(HOST, findings=findings, complete=complete)])
    narrow = begin(store, roles=["ssh"])
    store.drift.set_hosts(narrow, [replace(HOST, findings=0)])
    died = begin(store)
    found = looks(store, limit=10, now=NOW)
    assert [one.run.id for one in found] == [died, narrow, 3, 2, 1]
    assert (found[0].hosts, found[1].roles) == ((), ("ssh",))
    assert found[2].hosts == (replace(HOST, findings=0, complete=False),)
    assert trend(found) == {"web1": ["0", "2", "?"]}


def test_a_finding_is_found_by_its_beginning(store: Store) -> None:
    night(store, SEEN, OTHER, at=NOW)
    known = find(store, SEEN.identity[:5])
    assert (known.sighting.identity, known.runs, known.open) == (SEEN.identity, (1,), True)
    assert what_repairs(known) == ("web1", "ssh")


@pytest.mark.parametrize("identity", ["ffffffff", "%%%%", "", "abc", "; DROP TABLE runs"])
def test_one_that_is_not_there_is_named(store: Store, identity: str) -> None:
    night(store, SEEN, at=NOW)
    with pytest.raises(PasInfraError, match="no run of drift has found"):
        find(store, identity)


def test_one_that_may_be_several_is_not_guessed(store: Store) -> None:
    night(store, OTHER, replace(OTHER, identity="0123ffffffff"), at=NOW)
    with pytest.raises(PasInfraError, match="begins several findings: 0123"):
        find(store, "0123")


def test_what_is_gone_is_not_repaired(store: Store) -> None:
    night(store, SEEN, at=NOW)
    night(store, at=NOW)
    with pytest.raises(PasInfraError, match="is no finding any more"):
        what_repairs(find(store, SEEN.identity))


def test_what_no_role_declares_is_not_repaired(store: Store) -> None:
    night(store, replace(SEEN, role=""), at=NOW)
    with pytest.raises(PasInfraError, match="no role declares file /etc/issue on web1"):
        what_repairs(find(store, SEEN.identity))


def applied(store: Store, *, failed: int = 0, ended: bool = True, **options: object) -> int:
    run = begin(store, "apply", **{"hosts": ["web1"], "roles": [], "measures": [], **options})
    store.drift.set_inputs(run, INPUTS)
    if ended:
        store.set_recap(run, {"web1": HostRecap(ok=5, failed=failed)})
    return run


def cause(store: Store, finding: Finding, now: Mapping[str, str]) -> Cause:
    return cause_of(finding, last_apply(store, finding.host, finding.role), now)[0]


def test_without_an_apply_nobody_knows_why(store: Store) -> None:
    assert cause(store, FINDING, INPUTS) is Cause.UNKNOWN


def test_a_plan_that_was_declined_is_no_apply(store: Store) -> None:
    begin(store, "apply", hosts=["web1"], roles=[], measures=[])
    assert cause(store, FINDING, INPUTS) is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (INPUTS, Cause.CORRECTIVE),
        (INPUTS | {"role ssh": "2"}, Cause.PENDING),
        (INPUTS | {"role pki": "2"}, Cause.CORRECTIVE),
        (INPUTS | {"playbooks": "2"}, Cause.PENDING),
        (INPUTS | {"hosts.yml": "2"}, Cause.PENDING),
        (INPUTS | {"people.yml": "1"}, Cause.PENDING),
        ({k: v for k, v in INPUTS.items() if k != "hosts.yml"}, Cause.PENDING),
        (INPUTS | {"host_vars/web1.yml": "1"}, Cause.PENDING),
        (INPUTS | {"host_vars/web1/ssh.yml": "1"}, Cause.PENDING),
        (INPUTS | {"host_vars/web2.yml": "1"}, Cause.CORRECTIVE),
        (INPUTS | {"lab.yml": "2", "registers/risks.yml": "2"}, Cause.CORRECTIVE),
        (INPUTS | {"waived recommendations": "2"}, Cause.PENDING),
    ],
)
def test_what_we_changed_since_is_pending(
    store: Store, now: Mapping[str, str], expected: Cause
) -> None:
    applied(store)
    assert cause(store, FINDING, now) is expected


@pytest.mark.parametrize(
    "options", [{"hosts": ["web2"]}, {"roles": ["pki"]}, {"measures": ["6.2.1"]}]
)
def test_an_apply_of_something_else_says_nothing(store: Store, options: dict[str, object]) -> None:
    applied(store)
    other = applied(store, **options)  # type: ignore[arg-type]
    store.drift.set_inputs(other, INPUTS | {"role ssh": "newer"})
    assert cause(store, FINDING, INPUTS) is Cause.CORRECTIVE


@pytest.mark.parametrize("how", [{"failed": 1}, {"ended": False}])
def test_after_an_apply_that_went_wrong_nobody_knows(store: Store, how: dict[str, int]) -> None:
    applied(store)
    applied(store, **how)  # type: ignore[arg-type]
    assert cause(store, FINDING, INPUTS) is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [(Verdict.FAILS, Cause.UNKNOWN), (Verdict.HOLDS, Cause.CORRECTIVE)],
)
def test_a_check_that_never_held_did_not_move(
    store: Store, verdict: Verdict, expected: Cause
) -> None:
    run = applied(store)
    store.add_checks(run, [CheckResult("web1", CHECK.name, "It", ("6.2.1",), verdict)])
    assert cause(store, CHECK, INPUTS) is expected


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    directory = write_small(tmp_path / "small")
    return load_environment(directory)


def accepted(environment: Environment, finding: Sighting = SEEN, **other: object) -> str:
    how = {
        "reason": "it's known: a « test »",
        "compensating_measure": "revu chaque nuit",
        "until": date(2026, 12, 1),
        "approver": "anna",
        "today": NOW.date(),
    }
    return accept(environment, finding, **{**how, **other}).diff  # type: ignore[arg-type]


def test_an_acceptance_is_a_waiver_of_the_environment(environment: Environment) -> None:
    assert "+  until: '2026-12-01'\n" in accepted(environment)
    accepted(load_environment(environment.directory), OTHER)
    waivers = load_environment(environment.directory).waivers
    assert [waiver.rule for waiver in waivers] == [
        "drift:changed file /etc/issue", "drift:changed file /etc/motd",
    ]  # fmt: skip
    assert waivers[0].reason == "it's known: a « test »"
    assert (waivers[0].hosts, waivers[0].until) == (("web1",), date(2026, 12, 1))


def test_comments_and_entries_of_others_stay(environment: Environment) -> None:
    file = environment.directory / "waivers.yml"
    before = (
        "---\n# Ours.\n- rule: other\n  reason: A\n  compensating_measure: A\n"
        "  approver: A\n  until: 2099-12-31  # far"
    )
    file.write_text(before)
    accepted(environment)
    assert file.read_text().startswith(before + "\n- rule: ")
    assert len(yaml.safe_load(file.read_text())) == 2


def test_with_a_change_its_checks_are_accepted_as_verify_names_them(
    environment: Environment,
) -> None:
    accepted(environment, replace(SEEN, checks=("test_ssh.py::test_it",)))
    rules = [waiver.rule for waiver in load_environment(environment.directory).waivers]
    assert rules == ["drift:changed file /etc/issue", "test_ssh.py::test_it"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"until": date(2026, 11, 25)}, "2026-11-25 has passed"),
        ({"reason": ""}, "problem"),
        ({"finding": replace(SEEN, host="gone")}, "problem"),
    ],
)
def test_what_is_not_valid_is_not_written(
    environment: Environment, change: dict[str, object], said: str
) -> None:
    with pytest.raises((PasInfraError, ConfigurationInvalid), match=said):
        accepted(environment, **change)  # type: ignore[arg-type]
    assert not (environment.directory / "waivers.yml").exists()


def test_nothing_is_accepted_twice_for_as_long(environment: Environment) -> None:
    accepted(environment)
    again = load_environment(environment.directory)
    with pytest.raises(PasInfraError, match="accepted until 2026-12-01 already, by anna"):
        accepted(again)
    accepted(again, until=date(2027, 1, 1))


def test_a_damaged_store_is_an_error_that_explains(tmp_path: Path, store: Store) -> None:
    run = begin(store)
    store.finish(run, RunStatus.OK, "", NOW)
    store.close()
    for file in (tmp_path / "state").glob("pas-infra.sqlite*"):
        file.write_bytes(b"garbage" * 2000)
    with pytest.raises(PasInfraError, match="the store cannot be used"):
        Store.open(tmp_path / "state", "lab")
