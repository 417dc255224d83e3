"""From what the roles would change and the checks say to findings."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from orchestrator.drift.finding import Eye, Finding, FindingKind, Severity
from orchestrator.engine import PlayOutcome
from orchestrator.records import CheckResult, TaskResult, Touched, Verdict

_NOTHING_BEFORE = re.compile(r"^@@ -0,0 ", re.MULTILINE)
_ABSENT = re.compile(r'^([-+])\s*"state": "absent"', re.MULTILINE)
_SECRET = "what differs is secret, and was not kept"  # noqa: S105 - says so of others


def seen_by_roles(outcome: PlayOutcome) -> list[Finding]:
    """What the roles would put right, one finding an object; handlers follow and count for none.

    A task whose module does not say what it is about is itself the object: `task ssh : Write it`.
    """
    found = [
        Finding(
            kind=kind_of(touched.diff),
            host=result.host,
            object_kind=touched.kind,
            name=touched.name,
            eye=Eye.ROLES,
            severity=Severity.MEDIUM if result.measures else Severity.LOW,
            measures=result.measures,
            seen=touched.diff or _said(result),
            role=result.role,
        )
        for result in outcome.changed
        for touched in result.touched or (_itself(result),)
    ]
    return _once(found)


def seen_by_checks(checks: Iterable[CheckResult], roles: Sequence[str]) -> list[Finding]:
    """The checks that do not hold, one finding each; those that are waived are none."""
    found = [
        Finding(
            kind=FindingKind.CHANGED,
            host=check.host,
            object_kind="check",
            name=check.check,
            eye=Eye.CHECKS,
            severity=Severity.HIGH,
            measures=check.measures,
            seen=f"{check.title.rstrip('.')}: {check.message}",
            role=role_of_check(check.check, roles),
            checks=(check.check,),
        )
        for check in checks
        if check.verdict is Verdict.FAILS
    ]
    return _once(found)


def together(by_roles: Sequence[Finding], by_checks: Sequence[Finding]) -> list[Finding]:
    """All of them, a check with the one change of its role that touches all of its measures.

    Where there are several such changes, or none, nobody can tell, and the check stands by itself.
    """
    found = list(by_roles)
    alone = []
    for check in by_checks:
        candidates = [
            index
            for index, one in enumerate(found)
            if (one.host, one.role) == (check.host, check.role)
            and set(check.measures) <= set(one.measures)
        ]
        if not (check.role and check.measures and len(candidates) == 1):
            alone.append(check)
            continue
        one = found[candidates[0]]
        found[candidates[0]] = replace(
            one,
            severity=max(one.severity, check.severity),
            checks=(*one.checks, *check.checks),
            seen=f"{one.seen.rstrip()}\n{check.seen}",
        )
    return found + alone


def kind_of(diff: str) -> FindingKind:
    """How an object differs, by the diff from what is there to what is declared."""
    absent = _ABSENT.search(diff)
    if absent:
        return FindingKind.MISSING if absent[1] == "-" else FindingKind.UNMANAGED
    return FindingKind.MISSING if _NOTHING_BEFORE.search(diff) else FindingKind.CHANGED


def role_of_check(check: str, roles: Sequence[str]) -> str:
    """The role whose checks are in this one's file, `test_<role>.py` or `test_<role>_*.py`."""
    stem = check.partition("::")[0].removesuffix(".py").removeprefix("test_")
    fitting = [role for role in roles if stem == role or stem.startswith(f"{role}_")]
    return max(fitting, key=len, default="")


def _itself(result: TaskResult) -> Touched:
    return Touched("task", f"{result.role} : {result.task}".removeprefix(" : "), result.diff)


def _said(result: TaskResult) -> str:
    if result.censored:
        return _SECRET
    return result.message or f"the role would change it: {result.task}"


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """One finding an object, however many tasks would change it or cases of a check fail."""
    found: dict[str, Finding] = {}
    for one in findings:
        known = found.get(one.identity)
        found[one.identity] = one if known is None else replace(
            known,
            measures=tuple(dict.fromkeys((*known.measures, *one.measures))),
            severity=max(known.severity, one.severity),
            seen=f"{known.seen.rstrip()}\n{one.seen}",
        )  # fmt: skip
    return list(found.values())
