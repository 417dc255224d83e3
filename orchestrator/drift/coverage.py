"""How much of a host a look has seen: every task and every check is accounted for."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.records import CheckResult, TaskResult, TaskStatus, Verdict

_LOOKED_AT = (TaskStatus.OK, TaskStatus.CHANGED, TaskStatus.RESCUED)
_NOT_ASKED_FOR = (TaskStatus.SKIPPED,)


@dataclass(frozen=True)
class Coverage:
    """What became of a host's tasks and checks; `censored` are some of those looked at.

    `skipped` is what its own condition leaves out: it is not asked for on this host. `blind` is
    what is asked for and cannot be told: tasks that check mode leaves out or that failed, and
    checks that are unmeasured.
    """

    looked_at: int
    would_change: int
    skipped: int
    blind: int
    censored: int

    @property
    def percent(self) -> float:
        """Of what is asked for, how much was looked at; 0 where nothing was asked."""
        asked = self.looked_at + self.blind
        return 100 * self.looked_at / asked if asked else 0.0


def coverage_of(host: str, tasks: Iterable[TaskResult], checks: Iterable[CheckResult]) -> Coverage:
    """Account for every task and check of a host."""
    results = [task for task in tasks if task.host == host]
    became = Counter(task.status for task in results)
    verdicts = Counter(check.verdict for check in checks if check.host == host)
    unmeasured = verdicts.pop(Verdict.UNMEASURED, 0)
    looked_at = sum(became[status] for status in _LOOKED_AT)
    skipped = sum(became[status] for status in _NOT_ASKED_FOR)
    return Coverage(
        looked_at=looked_at + verdicts.total(),
        would_change=became[TaskStatus.CHANGED],
        skipped=skipped,
        blind=became.total() - looked_at - skipped + unmeasured,
        censored=sum(task.censored for task in results),
    )
