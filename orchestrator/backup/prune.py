"""Archives beyond the retention dropped, once all that should be there is, and nothing else is."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from shlex import quote

from orchestrator.backup.entries import catalogue_of
from orchestrator.backup.listing import Listed, list_archives
from orchestrator.backup.repositories import Line, Repository, lines_to
from orchestrator.backup.retention import VARIABLE, Retention
from orchestrator.backup.session import Tell, work
from orchestrator.backup.status import BackupStatus, status
from orchestrator.engine import Question, ask, variables
from orchestrator.environment import Environment, role_defaults
from orchestrator.errors import Incomplete, PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.paths import project_root
from orchestrator.records import RunStatus, TaskResult, TaskStatus
from orchestrator.runs import recorded, utc_now

_PATIENCE = 6 * 3600.0
# The target needs no key for it, and is the only one who can: a source's session only adds, and so
# says the repository of itself.
_COMPACT = """\
import fcntl, json, subprocess
from pathlib import Path
asked = json.loads(Path("/etc/pas-infra/backup-target/{host}.json").read_text())
place = Path(asked["place"]) / "{name}"
size = lambda: sum(one.lstat().st_size for one in place.rglob("*"))
with open(asked["place"] + "/.lock") as alone:
    fcntl.flock(alone, fcntl.LOCK_EX)
    def borg(*words):
        subprocess.run(
            ["runuser", "-u", asked["serving"], "--", "env", "BORG_BASE_DIR=/tmp/pas-store",
             "borg", *words], check=True, capture_output=True, cwd="/")
    before = size()
    try:
        borg("config", str(place), "append_only", "0")
        borg("compact", "--threshold", "1", str(place))
    finally:
        borg("config", str(place), "append_only", "1")
    print(json.dumps({{"before": before, "after": size()}}))
"""


@dataclass(frozen=True)
class ToDrop:
    """The archives of a repository that are to go, and how many stay."""

    repository: Repository
    archives: tuple[str, ...]
    stay: int


@dataclass(frozen=True)
class Pruned:
    """What became of it: the archives that went, and how many bytes each repository lost."""

    run_id: int
    dropped: tuple[ToDrop, ...]
    freed: dict[str, int]
    declined: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return ExitCode.INTERRUPTED if self.declined else ExitCode.OK


def prune(
    environment: Environment,
    chosen: Iterable[Repository],
    tell: Tell,
    confirm: Callable[[tuple[ToDrop, ...]], str],
) -> Pruned:
    """Drop the archives of these repositories that are kept no longer; recorded.

    `confirm` is told which, and gives the environment's name. Raises PasInfraError, and drops
    nothing of any, when an archive is missing that should be there, another one is there, or one is
    not what it was made as: who dropped the others could have done that. Cut short, it goes on.
    """
    wanted = sorted(chosen, key=str)
    with recorded(environment, "backup prune", {"sets": [str(one) for one in wanted]}) as run:
        _refuse_what_is_not_well(_take_in_the_nightly_ones(environment, wanted))
        planned = tuple(_planned(environment, one, tell) for one in wanted)
        going = tuple(one for one in planned if one.archives)
        if going and confirm(going) != environment.name:
            run.end_with(RunStatus.INTERRUPTED, "nobody confirmed that archives may go")
            return Pruned(run.id, going, {}, declined=True)
        lines = lines_to(environment, [one.host for one in wanted])
        freed = {}
        for each in planned:
            one = each.repository
            if each.archives:
                _drop(environment, lines[one.host], each, tell)
                run.keep(_result(each))
                _see_that_no_other_went(environment, one, tell)
            # Also where an earlier call had come no further.
            if one.name in catalogue_of(environment, one.host).crowded:
                freed[str(one)] = _make_room(lines[one.host], one, tell)
                catalogue = catalogue_of(environment, one.host)
                catalogue.crowded.remove(one.name)
                catalogue.save()
        return Pruned(run.id, going, freed)


def _take_in_the_nightly_ones(environment: Environment, chosen: list[Repository]) -> BackupStatus:
    """Know what the nightly backups have made since, for which nobody has asked yet."""
    found = status(environment, chosen, utc_now())
    if found.missing:
        host, why = next(iter(found.missing.items()))
        raise Incomplete(f"{host}: {why}", where=host, next_step="then the same command again")
    return found


def _refuse_what_is_not_well(found: BackupStatus) -> None:
    for state in found.states:
        if state.entries and (faults := found.faults[str(state.repository)]):
            raise PasInfraError(
                f"{state.repository} is not as it should be, and nothing is dropped: {faults[0]}",
                where=str(state.repository),
                next_step="put that right first: pas-infra backup status; docs/how-to/backup.md",
            )


def _planned(environment: Environment, one: Repository, tell: Tell) -> ToDrop:
    tell(f"{one}: its archives")
    catalogue = catalogue_of(environment, one.host)
    entries = catalogue.of(one.name)
    if not entries:
        return ToDrop(one, (), 0)
    there = {each.archive for each in _sound(list_archives(environment, one, tell), one)}
    kept = _retention(environment, one.host).kept(entries)
    begun = there & set(catalogue.pruned.get(one.name, ()))
    beyond = {entry.archive for entry in entries} - kept
    return ToDrop(one, tuple(sorted(beyond | begun)), len(kept))


def _sound(found: list[Listed], one: Repository) -> list[Listed]:
    """What the repository holds; raises PasInfraError when that is not what it should."""
    if wrong := [each for each in found if each.fault and not each.pruned]:
        raise PasInfraError(
            f"{one} is not what it should be: {wrong[0].archive} {wrong[0].fault}"
            + (f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""),
            where=str(one),
            next_step=f"pas-infra backup list {one} shows all of it; nothing is dropped until "
            "somebody knows why",
        )
    return found


def _drop(environment: Environment, line: Line, going: ToDrop, tell: Tell) -> None:
    one = going.repository
    catalogue = catalogue_of(environment, one.host)
    # Before it: whoever is cut short knows that they were to go.
    catalogue.drop(one.name, going.archives)
    catalogue.save()
    tell(f"{one}: dropping {len(going.archives)} archives")
    work(line, {"what": "prune", "name": one.name, "archives": list(going.archives)}, tell)


def _see_that_no_other_went(environment: Environment, one: Repository, tell: Tell) -> None:
    """Raises PasInfraError when it did: as long as no room was made, it can be brought back."""
    # A night may have come since it was planned.
    _take_in_the_nightly_ones(environment, [one])
    left = _sound(list_archives(environment, one, tell), one)
    if still := [each.archive for each in left if each.pruned]:
        raise PasInfraError(
            f"{one} still holds {still[0]}",
            where=one.host,
            next_step="the same command goes on; then look at its backup service",
        )


def _make_room(line: Line, one: Repository, tell: Tell) -> int:
    """Have the target drop what no archive needs; the bytes that it has freed."""
    target = line.target.host
    tell(f"{one}: making room at {target}")
    said, missing = ask(
        [line.target],
        Question(
            f"room of {one}", f"sudo -n python3 -I - {quote(str(one))}", json.loads,
            script=_COMPACT.format(host=one.host, name=one.name), patience=_PATIENCE,
        ),
    )  # fmt: skip
    if target in missing:
        raise Incomplete(
            f"{target}: {missing[target]}",
            where=target,
            next_step="the archives are dropped; the next prune makes room for them too",
        )
    return int(said[target]["before"]) - int(said[target]["after"])


def _retention(environment: Environment, host: str) -> Retention:
    declared = variables(environment, [host], [VARIABLE])[host][VARIABLE]
    usual = role_defaults(project_root() / "roles/backup_source")[VARIABLE]
    return Retention.from_data(usual if declared is None else declared)


def _result(done: ToDrop) -> TaskResult:
    return TaskResult(
        done.repository.host, "",
        f"{done.repository}: {len(done.archives)} archives dropped, {done.stay} stay", "backup",
        status=TaskStatus.CHANGED, message=", ".join(done.archives), measures=("7.5.1",),
    )  # fmt: skip
