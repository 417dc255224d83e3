"""From what the roles would change and the checks say to findings, and how much was looked at."""

from dataclasses import replace

import pytest
from recorded_events import CASES, replay, settled

from orchestrator.drift.coverage import coverage_of
from orchestrator.drift.eyes import (
    kind_of,
    role_of_check,
    seen_by_checks,
    seen_by_roles,
    together,
)
from orchestrator.drift.finding import Eye, FindingKind, Severity
from orchestrator.engine import PlayOutcome, PlayStatus
from orchestrator.records import CheckResult, TaskResult, TaskStatus, Touched, Verdict

ISSUE = Touched("file", "/etc/issue", "--- /etc/issue\n+++ /etc/issue\n@@ -1 +1 @@\n-x\n+y\n")
TASK = TaskResult(
    "web1", "ssh", "Write it", "ansible.builtin.template", TaskStatus.CHANGED, ("6.2.1", "5.5.2"),
    diff=ISSUE.diff, touched=(ISSUE,),
)  # fmt: skip
CHECK = CheckResult(
    "web1", "test_ssh.py::test_it", "It is so", ("6.2.1",), Verdict.FAILS, "it says x"
)
ROLES = ("hardening", "pki", "ssh")


def outcome(*results: TaskResult) -> PlayOutcome:
    return PlayOutcome(PlayStatus.OK, results, {}, (), 1.0)


def test_a_task_that_would_change_a_file_is_a_finding_of_the_file() -> None:
    [one] = seen_by_roles(outcome(TASK))
    assert (one.kind, one.host, one.object, one.eye) == (
        "changed", "web1", "file /etc/issue", Eye.ROLES,
    )  # fmt: skip
    assert (one.measures, one.role, one.seen) == (("6.2.1", "5.5.2"), "ssh", ISSUE.diff)
    assert one.severity is Severity.MEDIUM


def test_each_object_of_a_loop_is_a_finding_of_its_own() -> None:
    other = replace(ISSUE, name="/etc/motd")
    found = seen_by_roles(outcome(replace(TASK, touched=(ISSUE, other))))
    assert [one.name for one in found] == ["/etc/issue", "/etc/motd"]


def test_two_tasks_about_one_file_are_one_finding() -> None:
    again = replace(TASK, task="Close it", measures=("1.1.1",))
    [one] = seen_by_roles(outcome(TASK, again))
    assert one.measures == ("6.2.1", "5.5.2", "1.1.1")


def test_a_task_that_does_not_say_what_it_is_about_is_the_object() -> None:
    [one] = seen_by_roles(outcome(replace(TASK, touched=(), diff="", measures=())))
    assert one.object == "task ssh : Write it"
    assert one.severity is Severity.LOW
    assert one.seen


def test_a_secret_stays_one() -> None:
    [one] = seen_by_roles(outcome(replace(TASK, touched=(), diff="", censored=True)))
    assert one.seen == "what differs is secret, and was not kept"


@pytest.mark.parametrize("status", set(TaskStatus) - {TaskStatus.CHANGED})
def test_what_would_not_change_is_no_finding(status: TaskStatus) -> None:
    assert seen_by_roles(outcome(replace(TASK, status=status))) == []


def test_a_handler_follows_a_change_and_is_none() -> None:
    assert seen_by_roles(outcome(replace(TASK, handler=True))) == []


def test_real_events_name_their_objects() -> None:
    found = seen_by_roles(outcome(*settled(replay(CASES / "checked"))))
    assert [(one.kind, one.object) for one in found] == [
        (FindingKind.MISSING, "file PRIVATE/new"),
        (FindingKind.CHANGED, "file PRIVATE/hosts"),
        (FindingKind.CHANGED, "file PRIVATE"),
    ]


@pytest.mark.parametrize(
    ("diff", "kind"),
    [
        ('@@ -1,4 +1,4 @@\n {\n-  "state": "absent"\n+  "state": "file"\n }\n', "missing"),
        ('@@ -1,4 +1,4 @@\n {\n-  "state": "file"\n+  "state": "absent"\n }\n', "unmanaged"),
        ("--- /etc/x\n+++ /etc/x\n@@ -0,0 +1,2 @@\n+new\n+new\n", "missing"),
        ("--- /etc/x\n+++ /etc/x\n@@ -1 +0,0 @@\n-old\n", "changed"),
        ("", "changed"),
    ],
)
def test_kind(diff: str, kind: str) -> None:
    assert kind_of(diff) == kind


def test_the_same_deviation_has_the_same_identity_whatever_else_is_said() -> None:
    [one] = seen_by_roles(outcome(TASK))
    same = replace(one, seen="", measures=(), severity=Severity.LOW, eye=Eye.COLLECTOR, role="")
    assert same.identity == one.identity
    for other in (
        replace(one, host="web2"), replace(one, kind=FindingKind.MISSING), replace(one, name="/x"),
    ):  # fmt: skip
        assert other.identity != one.identity


@pytest.mark.parametrize("verdict", Verdict)
def test_only_a_check_that_fails_is_a_finding(verdict: Verdict) -> None:
    found = seen_by_checks([replace(CHECK, verdict=verdict)], ROLES)
    assert len(found) == (verdict is Verdict.FAILS)


def test_several_cases_of_one_check_are_one_finding() -> None:
    [one] = seen_by_checks([CHECK, replace(CHECK, message="it says z")], ROLES)
    assert one.seen == "It is so: it says x\nIt is so: it says z"
    assert one.checks == (CHECK.check,)


@pytest.mark.parametrize(
    ("check", "role"),
    [
        ("test_ssh.py::test_x", "ssh"),
        ("test_hardening_kernel.py::test_x", "hardening"),
        ("test_sshd.py::test_x", ""),
        ("test_vulnerabilities.py::test_x", ""),
    ],
)
def test_the_role_of_a_check(check: str, role: str) -> None:
    assert role_of_check(check, ROLES) == role


def test_a_check_goes_with_the_one_change_of_its_role_and_measures() -> None:
    [one] = together(seen_by_roles(outcome(TASK)), seen_by_checks([CHECK], ROLES))
    assert one.object == "file /etc/issue"
    assert one.checks == ("test_ssh.py::test_it",)
    assert one.severity is Severity.HIGH
    assert "it says x" in one.seen
    assert ISSUE.diff in one.seen


@pytest.mark.parametrize(
    "tasks",
    [
        [replace(TASK, host="web2")],
        [replace(TASK, role="pki")],
        [replace(TASK, measures=("5.5.2",))],
        [TASK, replace(TASK, touched=(replace(ISSUE, name="/etc/motd"),))],
    ],
    ids=["another host", "another role", "other measures", "two that may be it"],
)
def test_else_a_check_stands_by_itself(tasks: list[TaskResult]) -> None:
    found = together(seen_by_roles(outcome(*tasks)), seen_by_checks([CHECK], ROLES))
    assert len(found) == len(tasks) + 1
    assert found[-1].object == "check test_ssh.py::test_it"
    assert not any(one.checks for one in found[:-1])


def test_every_task_and_check_is_accounted_for() -> None:
    tasks = [replace(TASK, status=status) for status in TaskStatus]
    checks = [replace(CHECK, verdict=verdict) for verdict in Verdict]
    elsewhere = [replace(TASK, host="web2")] * 5
    found = coverage_of("web1", [*tasks, *elsewhere], checks)
    # ok, changed, rescued; holds, fails, waived — failed, unreachable, ignored, blind; unmeasured
    assert (found.looked_at, found.skipped, found.blind) == (6, 1, 5)
    assert found.would_change == 1
    assert found.looked_at + found.skipped + found.blind == len(tasks) + len(checks)
    assert found.percent == pytest.approx(100 * 6 / 11)


def test_nothing_seen_is_no_coverage() -> None:
    assert coverage_of("web1", [], []).percent == 0


def test_check_mode_says_of_itself_where_it_is_blind() -> None:
    found = coverage_of("first", settled(replay(CASES / "checked")), [])
    # Two commands (one over a loop) and a condition that asks for check mode; two others' own.
    assert (found.blind, found.skipped) == (3, 2)
