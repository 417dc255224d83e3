"""The records that a run leaves: what the engine and the checks produce and the store keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.exit_codes import ExitCode

# How the message of an unmeasured check begins that says why.
BROKE_DOWN = "the check broke down"
NEEDS_FULL_KERNEL = "needs a full kernel"


class TaskStatus(StrEnum):
    """What became of one task on one host."""

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    BLIND = "blind"  # left out since check mode cannot say what it would do
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    IGNORED = "ignored"  # failed, but the play says to go on (`ignore_errors`)
    RESCUED = "rescued"  # failed inside a block that repairs it (`rescue`)


@dataclass(frozen=True)
class Touched:
    """An object that a task changed: `file` and `/etc/issue`, and its own part of the diff."""

    kind: str
    name: str
    diff: str = ""


@dataclass(frozen=True)
class TaskResult:
    """One task on one host, free of secrets.

    `diff` is a unified diff or "" (censored tasks have none); `duration` is in seconds; `role` is
    "" for a task that belongs to no role; `path` is `file:line` of the task. `touched` is what it
    changed, as far as its module says; the store does not keep that.
    """

    host: str
    role: str
    task: str
    action: str
    status: TaskStatus
    measures: tuple[str, ...] = ()
    diff: str = ""
    message: str = ""
    duration: float = 0.0
    path: str = ""
    censored: bool = False
    handler: bool = False
    touched: tuple[Touched, ...] = ()


@dataclass(frozen=True)
class HostRecap:
    """What Ansible's final statistics say of a host: the counts that results must add up to."""

    ok: int = 0
    changed: int = 0
    skipped: int = 0
    failed: int = 0
    unreachable: int = 0
    ignored: int = 0
    rescued: int = 0


class Verdict(StrEnum):
    """What a check says of a host; silence is never a pass."""

    HOLDS = "holds"
    FAILS = "fails"
    UNMEASURED = "unmeasured"
    WAIVED = "waived"


@dataclass(frozen=True)
class CheckResult:
    """One check on one host; `check` is `test_ssh.py::test_root_cannot_log_in`."""

    host: str
    check: str
    title: str
    measures: tuple[str, ...]
    verdict: Verdict
    message: str = ""
    duration: float = 0.0


class MeasureState(StrEnum):
    """A measure as its checks show it (see `state_of`)."""

    KEPT = "kept"
    PARTLY = "partly"
    NOT_KEPT = "not kept"
    UNMEASURED = "unmeasured"
    WAIVED = "waived"


def state_of(verdicts: Sequence[Verdict]) -> MeasureState:
    """Sum up a measure: a failure outweighs silence, silence outweighs success.

    Kept when all hold, waived when every failure is waived, not kept when none holds, partly when
    mixed, unmeasured when any is unmeasured and none fails, or when there is no check at all.
    """
    found = set(verdicts)
    if Verdict.FAILS in found:
        return MeasureState.PARTLY if Verdict.HOLDS in found else MeasureState.NOT_KEPT
    if not found or Verdict.UNMEASURED in found:
        return MeasureState.UNMEASURED
    return MeasureState.WAIVED if Verdict.WAIVED in found else MeasureState.KEPT


_CLOCKS_DIFFER = timedelta(hours=1)


def aged(verdict: Verdict, seen: datetime, now: datetime, max_age: timedelta) -> Verdict:
    """What a look still says at the moment `now`: nothing when it is older than `max_age`.

    Nor does one of a time to come. But waiting makes nothing better: what failed has failed until a
    run sees that it holds again.
    """
    if verdict is Verdict.FAILS or -_CLOCKS_DIFFER <= now - seen <= max_age:
        return verdict
    return Verdict.UNMEASURED


@dataclass(frozen=True)
class Sighting:
    """A finding of drift as one run saw it, and what was known of it then.

    `first_seen` (ISO 8601 in UTC) and `new` are the store's: since when it was seen by every look,
    and whether this one was the first. `cause` is `pending`, `corrective` or `unknown`, `because`
    says why; `accepted_until` is the last day of the waiver that holds, "" without one.
    """

    identity: str
    host: str
    kind: str
    object_kind: str
    name: str
    eye: str
    severity: int
    measures: tuple[str, ...]
    seen: str
    role: str
    checks: tuple[str, ...]
    cause: str
    because: str
    accepted_until: str = ""
    first_seen: str = ""
    new: bool = False

    @property
    def object(self) -> str:
        """The object as people read it: `file /etc/issue`."""
        return f"{self.object_kind} {self.name}"


@dataclass(frozen=True)
class HostDrift:
    """What one run of drift says of one host.

    `findings` counts those that nobody accepted, `new` and `pending` are some of them; `blind` is
    what should have been looked at and could not; `coverage` is the percentage that was; `why` says
    what makes it incomplete; `seconds` is how long the run took.
    """

    host: str
    complete: bool
    findings: int
    new: int
    pending: int
    accepted: int
    blind: int
    coverage: float
    seconds: float
    why: tuple[str, ...] = ()


class RunStatus(StrEnum):
    """How a run ended. `broken` is one that died without saying so (kill -9, power cut)."""

    RUNNING = "running"
    OK = "ok"
    FINDINGS = "findings"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    INTERRUPTED = "interrupted"
    BROKEN = "broken"

    @property
    def exit_code(self) -> ExitCode:
        """How a command ends whose run ended so; raises KeyError for one that has not ended."""
        return {
            RunStatus.OK: ExitCode.OK,
            RunStatus.FINDINGS: ExitCode.FINDINGS,
            RunStatus.FAILED: ExitCode.ERROR,
            RunStatus.INCOMPLETE: ExitCode.INCOMPLETE,
            RunStatus.INTERRUPTED: ExitCode.INTERRUPTED,
        }[self]


@dataclass(frozen=True)
class Run:
    """One execution against an environment.

    Times are ISO 8601 in UTC; `commit` is "" outside git.
    """

    id: int
    command: str
    environment: str
    who: str
    control_node: str
    pid: int
    commit: str
    options: Mapping[str, object]
    started: str
    ended: str | None
    status: RunStatus
    message: str
