"""A backup now: the keys into escrow before anything lies under them, then the archives."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from orchestrator.backup.entries import Entry, catalogue_of
from orchestrator.backup.escrow import escrow_of, holds
from orchestrator.backup.repositories import Repository, lines_to
from orchestrator.backup.session import Tell, work
from orchestrator.backup.status import registers_of
from orchestrator.engine import printable
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.offboardings import Journal
from orchestrator.operator import current_operator
from orchestrator.records import RunStatus, TaskResult, TaskStatus
from orchestrator.runs import recorded, utc_now
from orchestrator.store import EnvironmentLock

_MEASURES = ("6.1.3", "7.5.1")


@dataclass(frozen=True)
class Ran:
    """What became of a backup: the archives that were made, and why others were not."""

    run_id: int
    made: tuple[tuple[Repository, Entry], ...]
    failed: tuple[tuple[Repository, str], ...]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return ExitCode.ERROR if self.failed else ExitCode.OK


def run(environment: Environment, chosen: Iterable[Repository], tell: Tell) -> Ran:
    """Back up these data sets; recorded. Raises PasInfraError when a source cannot begin."""
    made: list[tuple[Repository, Entry]] = []
    failed: list[tuple[Repository, str]] = []
    wanted = sorted(chosen, key=str)
    with recorded(environment, "backup run", {"sets": [str(one) for one in wanted]}) as record:
        lines = lines_to(environment, [one.host for one in wanted])
        for host, group in groupby(wanted, key=lambda one: one.host):
            by_name = {one.name: one for one in group}
            names = list(by_name)
            escrow = escrow_of(environment, host)
            # A host that was built anew has its own keys again.
            given = escrow.all_of(by_name.values())
            asked = {"what": "keys", "names": names, "given": given}
            keys = work(lines[host], asked, tell)["keys"]
            with _alone_with_the_key_store(environment, by_name.values()):
                for name, key in keys.items():
                    escrow.put(by_name[name], key)
            request = {"what": "backup", "names": names, "escrowed": names}
            said = work(lines[host], request, tell)["archives"]
            done = [Entry.from_data(one) for one in said if "failed" not in one]
            # With the nightly ones of before: what comes to light later than these is not believed.
            registered, _ = registers_of([lines[host]])
            catalogue = catalogue_of(environment, host)
            catalogue.remember([*registered.get(host, ()), *done])
            catalogue.asked = utc_now() if host in registered else catalogue.asked
            catalogue.save()
            made += [(by_name[one.set], one) for one in done]
            failed += [
                (by_name[one["set"]], printable(str(one["failed"])))
                for one in said
                if "failed" in one
            ]
        for one, entry in made:
            record.keep(_result(one, f"{one}: {entry.files} files in {entry.archive}"))
        for one, why in failed:
            record.keep(_result(one, f"{one} was not backed up", why))
        if failed:
            record.end_with(RunStatus.FAILED, "; ".join(f"{one}: {why}" for one, why in failed))
        return Ran(record.id, tuple(made), tuple(failed))


@contextmanager
def _alone_with_the_key_store(
    environment: Environment, wanted: Iterable[Repository]
) -> Iterator[None]:
    """Nobody else changes it, where a client's first key comes: it lies under one of theirs there.

    Raises Locked, and PasInfraError for a client whose offboarding was confirmed meanwhile.
    """
    first = [one for one in wanted if one.client and not holds(environment, one)]
    if not first:
        yield
        return
    with EnvironmentLock.acquire(
        environment.store_directory, "backup run", who=current_operator(), now=utc_now()
    ):
        for one in first:
            if Journal.found(environment, one.client):
                raise PasInfraError(
                    f"the offboarding of a client `{one.client}` was confirmed: {one} is backed up "
                    "no more",
                    next_step="the same command goes on with the others",
                )
        yield


def _result(one: Repository, sentence: str, why: str = "") -> TaskResult:
    status = TaskStatus.FAILED if why else TaskStatus.CHANGED
    return TaskResult(
        one.host, "", sentence, "backup", status=status, message=why, measures=_MEASURES
    )
