"""The end of a client: their data put out of reach for good, what is left removed, certified."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from orchestrator.clients.certificate import Certificate, certificate_of, issue
from orchestrator.clients.erasure import Erasure, now
from orchestrator.clients.journal import Journal
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
from orchestrator.operator import current_operator
from orchestrator.runs import STATUS_OF_PLAY, recorded


@dataclass(frozen=True)
class Interaction:
    """How whoever asks for it takes part: `confirm` is told what is destroyed and gives a name."""

    confirm: Callable[[str], str]
    stage: Callable[[str], None]
    progress: OnProgress


@dataclass(frozen=True)
class Offboarded:
    """What became of it; `certificate` is None when it is not done, `run_id` when it was before."""

    run_id: int | None
    certificate: Certificate | None
    outcome: PlayOutcome | None = None
    declined: bool = False

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

    With `overwrite` their volume is written over as well. Done before, it is the same certificate;
    cut short, it goes on. Raises PasInfraError for an unknown client, for one whose contract or
    grace lasts, and when anything could still open their volume.
    """
    directory = environment.store_directory / "offboarding"
    if (certified := certificate_of(directory, name)) is not None:
        return Offboarded(None, certified)
    client = client_of(environment, name)
    refuse_early(client, environment, today)
    with recorded(environment, "client offboard", {"clients": [name]}) as run:
        connection = connections(environment, [client.host])[0]
        journal = Journal.open(directory, client, now(), current_operator())
        work = Erasure(
            environment, client, connection, key_store(environment, client.host), journal, run
        )
        interaction.stage(f"volume of {name}")
        # Once it has begun, what there was cannot be seen any more.
        if not journal.done("confirmed"):
            work.look()
        if interaction.confirm(work.to_be_destroyed(overwrite=overwrite)) != name:
            run.end_with(STATUS_OF_PLAY[PlayStatus.INTERRUPTED], "nobody confirmed")
            return Offboarded(run.id, None, declined=True)
        journal.keep("confirmed", now())
        work.erase_volume(overwrite=overwrite)
        interaction.stage(f"key of {name}")
        work.destroy_key()
        interaction.stage(f"copies of the header of {name}")
        work.destroy_copies()
        interaction.stage(f"what is left of {name}")
        outcome = work.remove_rest(strategy, interaction.progress)
        if outcome.status is not PlayStatus.OK:
            return Offboarded(run.id, None, outcome)
        interaction.stage("certificate")
        results = [asdict(result) for result in run.store.results(run.id)]
        certified = issue(environment, journal, run.id, record_sum(results))
        return Offboarded(run.id, certified, outcome)


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
            f"the data of `{client.name}` is theirs until {client.erasable_from}: the contract "
            f"ended on {client.contract_ended}, and {client.grace_days} days of grace were agreed",
            where=where,
            next_step="wait for that day",
        )


def record_sum(results: Iterable[dict[str, Any]]) -> str:
    """The SHA-256 of what a run has recorded."""
    text = json.dumps(list(results), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
