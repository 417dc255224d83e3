"""Put headers into escrow that differ from what is there: each proven, and none else."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.engine import (
    Connection,
    OnProgress,
    PlayOutcome,
    PlayRequest,
    PlayStatus,
    Strategy,
    connections,
    play,
)
from orchestrator.environment import Environment, Host
from orchestrator.errors import PasInfraError
from orchestrator.keys.call import call
from orchestrator.keys.declared import passphrase_of
from orchestrator.keys.devices import Device, list_devices
from orchestrator.paths import project_root
from orchestrator.runs import STATUS_OF_PLAY, Recorder, recorded

PLAYBOOK = "playbooks/escrow.yml"


@dataclass(frozen=True)
class Escrowed:
    """What became of headers that were to go into escrow; of several, of the last one."""

    run_id: int
    outcome: PlayOutcome


def keep_in_escrow(
    environment: Environment,
    host: Host,
    strategy: Strategy,
    progress: OnProgress,
    *,
    uuids: tuple[str, ...] = (),
) -> Escrowed:
    """Prove that what is declared opens the devices, each its own; put their headers into escrow.

    Without `uuids`, all devices of the host. What was in escrow of them is replaced. Raises
    PasInfraError, and replaces nothing, when it does not open one of them.
    """
    with recorded(environment, "keys escrow", {"hosts": [host.name]}) as run:
        connection = connections(environment, [host.name])[0]
        chosen = devices_of(connection, uuids)
        sums = {}
        for device in chosen:
            passphrase = passphrase_of(environment, host, device)
            said = call(connection, "prove", uuid=device.uuid, passphrase=passphrase)
            sums[device.uuid] = said["sha256"]
        outcome = replace(environment, host, strategy, sums, run, progress)
        if outcome.status is PlayStatus.OK:
            for device in chosen:
                call(connection, "escrowed", uuid=device.uuid)
        return Escrowed(run.id, outcome)


def replace(
    environment: Environment,
    host: Host,
    strategy: Strategy,
    sums: Mapping[str, str],
    run: Recorder,
    progress: OnProgress,
) -> PlayOutcome:
    """Put the headers with these sums, by UUID, in the place of what is in escrow."""
    outcome = play(
        PlayRequest(
            environment=environment,
            playbook=project_root() / PLAYBOOK,
            hosts=(host.name,),
            check=False,
            strategy=strategy,
            extra_variables={"encryption_proven": dict(sums)},
        ),
        on_progress=run.keep_and_tell(progress),
    )
    run.end_with(STATUS_OF_PLAY[outcome.status], "; ".join(outcome.gaps) or outcome.message)
    return outcome


def devices_of(connection: Connection, uuids: tuple[str, ...]) -> tuple[Device, ...]:
    """A host's encrypted devices, all or those named; raises PasInfraError for one it lacks."""
    found = list_devices([connection])
    if why := found.missing.get(connection.host):
        raise PasInfraError(f"{connection.host}: {why}", where=connection.address)
    by_uuid = {device.uuid: device for device in found.devices}
    unknown = [uuid for uuid in uuids if uuid not in by_uuid]
    if unknown or not by_uuid:
        raise PasInfraError(
            f"{connection.host} has no encrypted device {', '.join(unknown)}".rstrip(),
            where=connection.address,
            next_step="pas-infra keys status lists them",
        )
    return tuple(by_uuid[uuid] for uuid in dict.fromkeys(uuids or by_uuid))
