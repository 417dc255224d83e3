"""A look that cannot be believed is never green: every way in which something can be missing."""

import hashlib
from dataclasses import replace
from datetime import date

import pytest

from orchestrator.drift import canary, third_eye
from orchestrator.drift.cause import Cause
from orchestrator.drift.coverage import Coverage
from orchestrator.drift.finding import Eye, Finding, FindingKind, Severity
from orchestrator.drift.look import (
    Drift,
    Seen,
    headline,
    incomplete_because,
    sighting_of,
    summed_up,
)
from orchestrator.drift.third_eye import Collected
from orchestrator.engine import PlayOutcome, PlayStatus
from orchestrator.environment import Waiver
from orchestrator.records import (
    CheckResult,
    HostDrift,
    RunStatus,
    TaskResult,
    TaskStatus,
    Touched,
    Verdict,
)
from orchestrator.verify import Verification

HOSTS = ("web1", "web2")
TOKEN = "0123456789abcdef"  # noqa: S105 - of the canary
TODAY = date(2026, 11, 26)
FINDING = Finding(
    FindingKind.CHANGED, "web1", "file", "/etc/issue", Eye.ROLES, Severity.MEDIUM, ("1.1.1",),
    "-x\n+y\n", "hardening",
)  # fmt: skip
WAIVER = Waiver(
    "drift:changed file /etc/issue", "known", "seen every night", "anna", date(2026, 12, 1),
    ("web1",),
)  # fmt: skip
COVERAGE = Coverage(looked_at=97, would_change=1, skipped=4, blind=3, censored=0)


def canary_task(host: str, token: str = TOKEN) -> TaskResult:
    diff = f"-tampered with by the run {token}\n+{canary.DECLARED}"
    return TaskResult(
        host, "", "Have the canary be as declared", "ansible.builtin.copy", TaskStatus.CHANGED,
        diff=diff, path=f"/project/{canary.PLAYBOOK}:15",
        touched=(Touched("file", canary.PATH, diff),),
    )  # fmt: skip


def canary_check(host: str, token: str = TOKEN) -> CheckResult:
    return CheckResult(
        host, "drift_canary.py::test_canary_is_as_declared", "The canary", (), Verdict.FAILS,
        f"it says: tampered with by the run {token}",
    )  # fmt: skip


def canary_file(host: str, token: str = TOKEN) -> Finding:
    content = hashlib.sha256(f"# {token}\n".encode()).hexdigest()
    return Finding(
        FindingKind.UNMANAGED, host, "file", canary.UNACCEPTED, Eye.COLLECTOR, Severity.HIGH,
        ("1.1.1",), f"-content: sha256 {content}",
    )  # fmt: skip


OUTCOME = PlayOutcome(PlayStatus.OK, tuple(map(canary_task, HOSTS)), {}, (), 1.0)
CHECKS = Verification(tuple(map(canary_check, HOSTS)), {}, strict=True)
THERE = Collected(tuple(map(canary_file, HOSTS)))
SEEN = Seen(OUTCOME, CHECKS, {}, THERE)


def test_a_look_whose_canaries_were_seen_is_believed() -> None:
    assert incomplete_because(HOSTS, SEEN, TOKEN) == {}


def test_of_some_roles_the_third_eye_knows_nothing() -> None:
    assert incomplete_because(HOSTS, replace(SEEN, collected=None), TOKEN) == {}


def tasks(*results: TaskResult) -> Seen:
    return replace(SEEN, outcome=replace(OUTCOME, results=results))


def checks(*results: CheckResult, missing: dict[str, str] | None = None) -> Seen:
    return replace(SEEN, verification=Verification(results, missing or {}, strict=True))


UNMEASURED = CheckResult("web2", "test_x.py::test_x", "X", (), Verdict.UNMEASURED, "no kernel")
FAILED = TaskResult("web2", "ssh", "Do it", "command", TaskStatus.FAILED, message="garbage")


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (tasks(canary_task("web1")), "not seen by the roles"),
        (tasks(canary_task("web1"), canary_task("web2", "f" * 16)), "not seen by the roles"),
        (checks(canary_check("web1")), "not seen by the checks"),
        (checks(canary_check("web1"), canary_check("web2", "f" * 16)), "not seen by the checks"),
        (
            checks(canary_check("web1"), replace(canary_check("web2"), verdict=Verdict.HOLDS)),
            "not seen by the checks",
        ),
        (replace(SEEN, collected=Collected((canary_file("web1"),))), "not seen by the collector"),
        (
            replace(
                SEEN, collected=Collected((canary_file("web1"), canary_file("web2", "f" * 16)))
            ),
            "not seen by the collector",
        ),
        (
            replace(SEEN, collected=replace(THERE, uncompared={"web2": "no state was accepted"})),
            "no state was accepted",
        ),
        (replace(SEEN, canary_trouble={"web2": "could not be restored"}), "could not be restored"),
        (replace(SEEN, outcome=replace(OUTCOME, gaps=("web2: no task ran there",))), "no task ran"),
        (tasks(*OUTCOME.results, FAILED), "ssh : Do it: failed: garbage"),
        (tasks(*OUTCOME.results, replace(FAILED, status=TaskStatus.UNREACHABLE)), "unreachable"),
        (tasks(*OUTCOME.results, replace(FAILED, censored=True)), "its output is secret"),
        (checks(*CHECKS.checks, UNMEASURED), "test_x.py::test_x was not measured: no kernel"),
        (checks(*CHECKS.checks, missing={"web2": "no answer over SSH"}), "no answer over SSH"),
    ],
)
def test_whatever_is_missing_of_a_host_makes_it_incomplete(seen: Seen, said: str) -> None:
    found = incomplete_because(HOSTS, seen, TOKEN)
    assert list(found) == ["web2"]
    assert said in "\n".join(found["web2"])


@pytest.mark.parametrize("gap", ["2 of Ansible's events were lost", "Ansible ended without its"])
def test_what_is_missing_of_nobody_in_particular_is_missing_of_all(gap: str) -> None:
    seen = replace(SEEN, outcome=replace(OUTCOME, gaps=(gap,)))
    assert incomplete_because(HOSTS, seen, TOKEN) == dict.fromkeys(HOSTS, (gap,))


def test_a_register_that_cannot_be_read_is_no_host() -> None:
    seen = checks(*CHECKS.checks, replace(UNMEASURED, host="lab"), missing={"lab": "broken"})
    assert incomplete_because(HOSTS, seen, TOKEN) == {}


def test_the_canary_is_no_finding_of_the_host() -> None:
    assert all(map(canary.is_canary, (*SEEN.by_roles, *SEEN.by_checks, *SEEN.by_collector)))
    assert canary.is_canary(canary_task("web1"))
    assert canary.is_canary(canary_check("web1"))
    assert not canary.is_canary(FINDING)
    assert not canary.is_canary(FAILED)
    assert not canary.is_canary(UNMEASURED)


def test_an_object_that_a_role_knows_is_told_once() -> None:
    of_collector = replace(FINDING, eye=Eye.COLLECTOR, kind=FindingKind.UNMANAGED, role="")
    elsewhere = replace(of_collector, host="web2")
    assert third_eye.with_third_eye([FINDING], [of_collector, elsewhere]) == [FINDING, elsewhere]
    worse = replace(of_collector, severity=Severity.HIGH)
    assert third_eye.with_third_eye([FINDING], [worse]) == [
        replace(FINDING, severity=Severity.HIGH)
    ]


@pytest.mark.parametrize(
    ("until", "accepted", "told"),
    [(date(2026, 11, 26), "2026-11-26", ""), (date(2026, 11, 25), "", "ended on 2026-11-25")],
)
def test_an_acceptance_holds_through_its_last_day(until: date, accepted: str, told: str) -> None:
    waivers = [replace(WAIVER, until=until)]
    found = sighting_of(FINDING, (Cause.CORRECTIVE, ""), waivers, TODAY)
    assert found.accepted_until == accepted
    assert told in found.seen


@pytest.mark.parametrize(
    "waiver",
    [
        replace(WAIVER, hosts=("web2",)),
        replace(WAIVER, rule="drift:missing file /etc/issue"),
        replace(WAIVER, rule="file /etc/issue"),
    ],
)
def test_it_holds_for_nothing_else(waiver: Waiver) -> None:
    assert not sighting_of(FINDING, (Cause.CORRECTIVE, ""), [waiver], TODAY).accepted_until


def test_a_check_that_fails_since_was_not_accepted_with_it() -> None:
    worse = replace(FINDING, checks=("test_ssh.py::test_it",))
    assert not sighting_of(worse, (Cause.CORRECTIVE, ""), [WAIVER], TODAY).accepted_until
    too = replace(WAIVER, rule="test_ssh.py::test_it", until=date(2026, 11, 27))
    found = sighting_of(worse, (Cause.CORRECTIVE, ""), [WAIVER, too], TODAY)
    assert found.accepted_until == "2026-11-27"


def test_the_later_of_two_acceptances_holds() -> None:
    ended = replace(WAIVER, until=date(2026, 1, 1))
    found = sighting_of(FINDING, (Cause.CORRECTIVE, ""), [WAIVER, ended], TODAY)
    assert found.accepted_until == "2026-12-01"


def test_a_host_is_summed_up() -> None:
    one = replace(sighting_of(FINDING, (Cause.PENDING, ""), [], TODAY), new=True)
    others = [replace(one, accepted_until="2026-12-01"), replace(one, host="web2")]
    found = summed_up("web1", [one, *others], COVERAGE, (), 41.2)
    assert (found.findings, found.new, found.pending, found.accepted) == (1, 1, 1, 1)
    assert headline(found) == (
        "web1: DRIFT 1 (1 new) · pending 1 · accepted 1 · blind 3 · coverage 97 % · 41 s"
    )


HOST = HostDrift(
    "rbx7", complete=True, findings=2, new=1, pending=0, accepted=0, blind=3, coverage=99.97,
    seconds=41.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("host", "line"),
    [
        (HOST, "rbx7: DRIFT 2 (1 new) · pending 0 · blind 3 · coverage 99 % · 41 s"),
        (
            replace(HOST, findings=0, new=0),
            "rbx7: OK · pending 0 · blind 3 · coverage 99 % · 41 s",
        ),
        (
            replace(HOST, complete=False),
            "rbx7: INCOMPLETE DRIFT 2 (1 new) · pending 0 · blind 3 · coverage 99 % · 41 s",
        ),
        (
            replace(HOST, complete=False, findings=0, new=0),
            "rbx7: INCOMPLETE · pending 0 · blind 3 · coverage 99 % · 41 s",
        ),
    ],
)
def test_headline(host: HostDrift, line: str) -> None:
    assert headline(host) == line


@pytest.mark.parametrize(
    ("hosts", "status", "code"),
    [
        ((), RunStatus.INCOMPLETE, 4),
        ((replace(HOST, findings=0),), RunStatus.OK, 0),
        ((HOST, replace(HOST, findings=0)), RunStatus.FINDINGS, 2),
        ((HOST, replace(HOST, findings=0, complete=False)), RunStatus.INCOMPLETE, 4),
    ],
)
def test_what_was_not_seen_outweighs_what_was(
    hosts: tuple[HostDrift, ...], status: RunStatus, code: int
) -> None:
    drift = Drift(1, hosts, (), {})
    assert (drift.status, drift.exit_code) == (status, code)
