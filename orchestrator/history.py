"""The runs of an environment, as its store remembers them."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.errors import PasInfraError
from orchestrator.records import CheckResult, HostRecap, Run, TaskResult, TaskStatus, Verdict
from orchestrator.store import RunCounts, Store

LAST = "last"
_RUN_ID = re.compile(r"[0-9]{1,18}")  # SQLite's integers end there
_NOTABLE = (
    TaskStatus.CHANGED,
    TaskStatus.FAILED,
    TaskStatus.UNREACHABLE,
    TaskStatus.IGNORED,
    TaskStatus.RESCUED,
)


@dataclass(frozen=True)
class RunSummary:
    """One line of the history."""

    run: Run
    counts: RunCounts

    @property
    def duration(self) -> float | None:
        """How long the run took, in seconds; None while it runs and when nobody saw its end."""
        if self.run.ended is None:
            return None
        started, ended = map(datetime.fromisoformat, (self.run.started, self.run.ended))
        return (ended - started).total_seconds()


@dataclass(frozen=True)
class RunDetail:
    """One run: what changed or failed, and which checks do not hold.

    `changes` counts the changed tasks by role and host; role "" is for tasks of no role.
    """

    summary: RunSummary
    recap: Mapping[str, HostRecap]
    notable: tuple[TaskResult, ...]
    findings: tuple[CheckResult, ...]
    checks: int
    changes: Mapping[str, Mapping[str, int]]


def list_runs(
    store: Store, *, limit: int, command: str | None, now: datetime
) -> tuple[RunSummary, ...]:
    """List the latest runs (of one command, when given), newest first.

    Runs whose process has died are recorded as broken first.
    """
    store.mark_broken(now)
    runs = store.runs(limit, command)
    counts = store.counts([run.id for run in runs])
    return tuple(RunSummary(run, counts[run.id]) for run in runs)


def show_run(store: Store, which: str, *, command: str | None, now: datetime) -> RunDetail:
    """Show one run in full; `which` is its id, or `last` (of one command, when given).

    Raises PasInfraError when there is no such run.
    """
    store.mark_broken(now)
    run = _find(store, which, command)
    results = store.results(run.id)
    checks = store.checks(run.id)
    return RunDetail(
        summary=RunSummary(run, store.counts([run.id])[run.id]),
        recap=store.recap(run.id),
        notable=tuple(result for result in results if result.status in _NOTABLE),
        findings=tuple(check for check in checks if check.verdict is not Verdict.HOLDS),
        checks=len(checks),
        changes=_changes_by_role(results),
    )


def _find(store: Store, which: str, command: str | None) -> Run:
    if which != LAST:
        if not _RUN_ID.fullmatch(which):
            raise PasInfraError(
                f"'{which}' names no run",
                next_step=f"give the number of a run (pas-infra history), or `{LAST}`",
            )
        return store.run(int(which))
    latest = store.runs(1, command)
    if not latest:
        raise PasInfraError(
            f"{store.environment} has no run{f' of `{command}`' if command else ''} yet",
            where=store.path,
            next_step=f"start one: pas-infra plan --env {store.environment}",
        )
    return latest[0]


def _changes_by_role(results: list[TaskResult]) -> dict[str, dict[str, int]]:
    changed = Counter((r.role, r.host) for r in results if r.status is TaskStatus.CHANGED)
    by_role: dict[str, dict[str, int]] = {}
    for (role, host), count in sorted(changed.items()):
        by_role.setdefault(role, {})[host] = count
    return by_role
