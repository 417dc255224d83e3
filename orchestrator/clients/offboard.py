"""The end of a client: their data put out of reach for good, what is left removed, certified."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from orchestrator.clients.certificate import (
    Certificate,
    certificate_of,
    issue,
    require_what_it_takes,
)
from orchestrator.clients.erasure import Erasure
from orchestrator.clients.volumes import client_of
from orchestrator.engine import (
    OnProgress,
    PlayOutcome,
    PlayStatus,
    Strategy,
    connections,
)
from orchestrator.environment import Client, Environment
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.keys.key_store import key_store
from orchestrator.offboardings import Journal, directory_of
from orchestrator.operator import current_operator
from orchestrator.records import TaskResult
from orchestrator.runs import STATUS_OF_PLAY, recorded
from orchestrator.store import Store


@dataclass(frozen=True)
class Interaction:
    """How whoever asks for it takes part: `confirm` is told what is destroyed and gives a name."""

    confirm: Callable[[str], str]
    stage: Callable[[str], None]
    progress: OnProgress


@dataclass(frozen=True)
class Offboarded:
    """What became of it; `certificate` is None when it is not done, `again` says it was before."""

    run_id: int
    certificate: Certificate | None
    outcome: PlayOutcome | None = None
    declined: bool = False
    again: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        if self.declined:
            return ExitCode.INTERRUPTED
        return STATUS_OF_PLAY[self.outcome.status].exit_code if self.outcome else ExitCode.OK


def offboard(
    environment: Environment,
    name: str,
    strategy: Strategy,
    interaction: Interaction,
    *,
    overwrite: bool,
    today: date,
) -> Offboarded:
    """Erase the client's data by destroying its keys, remove what is left of them, certify it.

    With `overwrite` their volume is written over as well. Cut short, it goes on, whatever is
    declared by then; done before, it is the same certificate, and what is on the host of them again
    is removed. Raises PasInfraError for an unknown client, for one whose contract or grace lasts,
    and when anything could still open their volume.
    """
    directory = directory_of(environment)
    require_what_it_takes(directory)
    with recorded(environment, "client offboard", {"clients": [name]}) as run:
        journal = Journal.found(environment, name)
        client = Client.from_data(journal.client) if journal else client_of(environment, name)
        if journal is None or not journal.done("volume"):
            # As declared now: an end that was taken back is none.
            declared = {one.name: one for one in environment.clients}
            refuse_early(declared.get(name, client), environment, today)
        work = Erasure(
            environment,
            client,
            connections(environment, [client.host])[0],
            key_store(environment, client.host),
            journal or Journal.begin(environment, client, current_operator()),
            run,
        )
        certified = certificate_of(directory, name)
        if certified is None and not _confirmed(work, interaction, overwrite=overwrite):
            run.end_with(STATUS_OF_PLAY[PlayStatus.INTERRUPTED], "nobody confirmed")
            return Offboarded(run.id, None, declined=True)
        if certified is None:
            _refuse_another_method(work.journal, overwrite=overwrite)
            interaction.stage(f"volume of {name}")
            work.erase_volume()
            interaction.stage(f"key of {name}")
            work.destroy_key()
            interaction.stage(f"copies of the header of {name}")
            work.destroy_copies()
            interaction.stage(f"backups of {name}")
            work.destroy_backups()
        interaction.stage(f"what is left of {name}")
        outcome = work.remove_rest(strategy, interaction.progress)
        if outcome.status is not PlayStatus.OK:
            return Offboarded(run.id, certified, outcome, again=certified is not None)
        if certified is None:
            interaction.stage("certificate")
            work.keep("rest", safe_copies=work.fate_of_safe_copies())
            certified = issue(environment, work.journal, record_sums(run.store, work.journal.runs))
            return Offboarded(run.id, certified, outcome)
        return Offboarded(run.id, certified, outcome, again=True)


def _confirmed(work: Erasure, interaction: Interaction, *, overwrite: bool) -> bool:
    """Show what is destroyed; whether somebody has typed the client's name, which is kept.

    Once the volume is erased there is nothing to be asked.
    """
    if work.journal.done("volume"):
        return True
    interaction.stage(f"volume of {work.client.name}")
    # Once the erasure has begun, what there was may not be seen any more.
    known = work.journal.steps.get("confirmed")
    found = known or work.look()
    if interaction.confirm(work.to_be_destroyed(found, overwrite=overwrite)) != work.client.name:
        return False
    if not known:
        work.keep("confirmed", overwrite=overwrite, **found)
    return True


def _refuse_another_method(journal: Journal, *, overwrite: bool) -> None:
    begun = journal.steps["confirmed"]["overwrite"]
    if begun != overwrite:
        raise PasInfraError(
            f"this was begun {'with' if begun else 'without'} --overwrite",
            where=journal.file,
            next_step="end it as it was begun",
        )


def refuse_early(client: Client, environment: Environment, today: date) -> None:
    """Raises PasInfraError while the client's contract or their grace lasts."""
    where = environment.directory / "clients.yml"
    if client.erasable_from is None:
        raise PasInfraError(
            f"the contract of `{client.name}` has no end in clients.yml: nothing is erased",
            where=where,
            next_step="write `contract_ended: YYYY-MM-DD` there, and have that reviewed",
        )
    if today < client.erasable_from:
        raise PasInfraError(
            f"the data of `{client.name}` may be erased from {client.erasable_from} on: the last "
            f"day of their contract is {client.contract_ended}, and {client.grace_days} days of "
            "grace were agreed",
            where=where,
            next_step="wait for that day",
        )


def record_sums(store: Store, runs: Iterable[int]) -> dict[int, str]:
    """The SHA-256 of what each run has recorded: of every task where, what and how it ended."""
    return {run: record_sum(store.results(run)) for run in runs}


def record_sum(results: Iterable[TaskResult]) -> str:
    """The SHA-256 of what a run has recorded."""
    rows = [[one.host, one.role, one.task, one.status.value, one.message] for one in results]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
