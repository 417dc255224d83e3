"""A restore into a sandbox, compared file by file with the day of the backup, and its minutes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.backup.entries import Entry, catalogue_of
from orchestrator.backup.escrow import escrow_of
from orchestrator.backup.minutes import write_minutes
from orchestrator.backup.repositories import Line, Repository, lines_to
from orchestrator.backup.session import Tell, work
from orchestrator.engine import printable
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.records import Run, RunStatus, TaskResult, TaskStatus
from orchestrator.runs import recorded, utc_now
from orchestrator.store import Store

COMMAND = "backup test"
_MEASURES = ("7.5.2", "11.1.1")
_TESTS = 100  # among which the last one of each data set is searched


@dataclass(frozen=True)
class TestedSet:
    """One data set; `rto` is how long it took, `rpo` how old the archive was, in seconds.

    `differing` says of the first ones how they differ, of `differ` in all.
    """

    repository: Repository
    entry: Entry
    compared: int
    size: int
    rto: float
    rpo: float
    differing: tuple[str, ...]
    differ: int

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the test is not passed: where nothing was compared, nothing is proven."""
        return self.differing or (() if self.compared else ("nothing was compared",))


@dataclass(frozen=True)
class Tested:
    """A restore test, and the file of its minutes."""

    run_id: int
    sets: tuple[TestedSet, ...]
    minutes: Path

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return ExitCode.FINDINGS if any(one.faults for one in self.sets) else ExitCode.OK


def restore_test(
    environment: Environment,
    chosen: Iterable[Repository],
    tell: Tell,
    *,
    files: int | None,
    from_escrow: bool = False,
) -> Tested:
    """Restore the last archive of each, or `files` of its files at random, beside the live data.

    Every file is compared with its record of that day, which is believed for the sum that the
    catalogue has of it. Recorded. Raises PasInfraError for a data set without an archive.
    """
    wanted = sorted(chosen, key=str)
    options = {"sets": [str(one) for one in wanted], "files": files}
    with recorded(environment, COMMAND, options) as record:
        lines = lines_to(environment, [one.host for one in wanted])
        done = [
            _tested(environment, lines[one.host], one, tell, files, from_escrow=from_escrow)
            for one in wanted
        ]
        for one in done:
            failed = bool(one.faults)
            record.keep(
                TaskResult(
                    one.repository.host, "",
                    f"{one.repository}: {one.compared} files of {one.entry.archive} restored in "
                    f"{one.rto:.1f} s, {one.differ} differ",
                    "backup", status=TaskStatus.FAILED if failed else TaskStatus.OK,
                    message="; ".join(one.faults), measures=_MEASURES,
                )
            )  # fmt: skip
        if any(one.faults for one in done):
            record.end_with(RunStatus.FINDINGS, "a restore differs from what was backed up")
        file = write_minutes(environment, done, files, record.id, from_escrow=from_escrow)
        return Tested(record.id, tuple(done), file)


@dataclass(frozen=True)
class LastTest:
    """The last restore test of a data set that came to its end; `what` is a line of it."""

    run: Run
    passed: bool
    what: str


def last_tests(store: Store) -> dict[str, LastTest]:
    """By the name of the repository (`rbx7/system`); one that was cut short has tested nothing."""
    found: dict[str, LastTest] = {}
    for run in store.runs(_TESTS, COMMAND):
        if run.status not in (RunStatus.OK, RunStatus.FINDINGS):
            continue
        for one in store.results(run.id):
            name, _, what = one.task.partition(": ")
            found.setdefault(name, LastTest(run, one.status is TaskStatus.OK, what))
    return found


def _tested(
    environment: Environment,
    line: Line,
    one: Repository,
    tell: Tell,
    files: int | None,
    *,
    from_escrow: bool,
) -> TestedSet:
    entries = catalogue_of(environment, one.host).of(one.name)
    if not entries:
        raise PasInfraError(
            f"no archive of {one} is known",
            next_step="pas-infra backup run makes one; backup status finds the nightly ones",
        )
    entry, now = entries[-1], utc_now()
    request: dict[str, object] = {
        "what": "test", "name": one.name, "archive": entry.archive, "files": files,
        "manifest_sha256": entry.manifest_sha256, "unsteady": list(entry.unsteady),
    }  # fmt: skip
    if from_escrow:
        request["key"] = escrow_of(environment, one.host).get(one)
    said = work(line, request, tell)
    return TestedSet(
        one, entry, int(said["compared"]), int(said.get("size", 0)), float(said.get("seconds", 0)),
        (now - entry.moment).total_seconds(),
        tuple(printable(str(each)) for each in said["differing"]),
        int(said.get("differ", len(said["differing"]))),
    )  # fmt: skip
