"""A restore: by the source's key or the one in escrow, from the repository or a kept copy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from orchestrator.backup.entries import catalogue_of
from orchestrator.backup.escrow import escrow_of
from orchestrator.backup.repositories import Line, Repository, lines_to
from orchestrator.backup.session import Tell, work
from orchestrator.engine import Question, ask, printable
from orchestrator.environment import Environment
from orchestrator.errors import Incomplete, PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.records import RunStatus, TaskResult, TaskStatus
from orchestrator.runs import recorded

_COPY = re.compile(r"20\d\d-\d\d-\d\dT\d{6}Z")
_KEEP = "sudo -n /usr/local/lib/pas-infra/backup-keep"


@dataclass(frozen=True)
class Restored:
    """What was restored where; `size` in bytes."""

    run_id: int
    archive: str
    to: str
    files: int
    size: int
    seconds: float
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command: what was warned of was not restored as it was."""
        return ExitCode.FINDINGS if self.warnings else ExitCode.OK


def restore(
    environment: Environment,
    one: Repository,
    to: str,
    tell: Tell,
    *,
    archive: str | None = None,
    paths: tuple[str, ...] = (),
    overwrite: bool = False,
    from_escrow: bool = False,
    kept: str | None = None,
) -> Restored:
    """Bring an archive, or paths of it, to a directory of the source; recorded.

    Without `archive` the last one; `kept` names a copy of root's at the target. Raises
    PasInfraError, and writes nothing, when there is no room, no such archive or path, or files
    are in the way.
    """
    options = {"set": str(one), "to": to, "archive": archive, "paths": list(paths), "kept": kept}
    with recorded(environment, "backup restore", options) as record:
        request: dict[str, Any] = {
            "what": "restore", "name": one.name, "to": to, "archive": archive,
            "paths": list(paths), "overwrite": overwrite,
            "known": {
                entry.archive: entry.id
                for entry in catalogue_of(environment, one.host).of(one.name)
            },
        }  # fmt: skip
        line = lines_to(environment, [one.host])[one.host]
        if from_escrow:
            request["key"] = escrow_of(environment, one.host).get(one)
        with recalled(line, kept, tell):
            said = work(line, {**request, "kept": kept is not None}, tell)
        warnings = tuple(printable(str(each)) for each in said["warnings"])
        record.keep(
            TaskResult(
                one.host, "", f"{one}: {said['files']} files of {said['archive']} to {to}",
                "backup", message="; ".join(warnings),
                status=TaskStatus.CHANGED, measures=("7.5.1", "11.1.1"),
            )
        )  # fmt: skip
        if warnings:
            record.end_with(RunStatus.FINDINGS, "not everything was restored as it was")
        return Restored(
            record.id, str(said["archive"]), to, int(said["files"]), int(said["size"]),
            float(said["seconds"]), warnings,
        )  # fmt: skip


@contextmanager
def recalled(line: Line, kept: str | None, tell: Tell) -> Iterator[None]:
    """Have a kept copy within reach of the source meanwhile; nothing to do without one."""
    if kept is None:
        yield
        return
    if not _COPY.fullmatch(kept):
        raise PasInfraError(
            f"`{kept}` is no copy of root's",
            next_step="pas-infra backup status --json lists them, as 2026-11-26T010203Z",
        )
    source = line.source.host
    tell(f"{line.target.host}: copy of {kept}")
    _at_target(line, f"{_KEEP} {source} recall {kept}")
    try:
        yield
    finally:
        _at_target(line, f"{_KEEP} {source} dismiss")


def _at_target(line: Line, command: str) -> None:
    target = line.target.host
    _, missing = ask(
        [line.target],
        Question("its copies", command, str, patience=6 * 3600.0),
    )
    if target in missing:
        raise Incomplete(
            f"{target}: {missing[target]}",
            where=target,
            next_step="pas-infra backup status --json lists the copies that there are",
        )
