"""Another key for a client's volume, while it is used; the former one is destroyed."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.clients.volumes import refuse_gone
from orchestrator.engine import OnProgress, PlayOutcome, PlayStatus, Strategy, connections
from orchestrator.environment import Client, Environment
from orchestrator.errors import PasInfraError
from orchestrator.keys import escrow
from orchestrator.keys.call import call
from orchestrator.keys.change import passphrase_sentence, refuse_strangers
from orchestrator.keys.declared import derivation, key_slots
from orchestrator.keys.devices import Device
from orchestrator.keys.key_store import key_store
from orchestrator.records import TaskResult, TaskStatus
from orchestrator.runs import recorded, utc_now

_MEASURES = ("6.4.1", "6.4.2")


@dataclass(frozen=True)
class Rotated:
    """What became of it; `outcome` is that of bringing the new header into escrow."""

    run_id: int
    outcome: PlayOutcome


def rotate(
    environment: Environment,
    client: Client,
    strategy: Strategy,
    stage: Callable[[str], None],
    progress: OnProgress,
) -> Rotated:
    """Give the client's volume another key, and destroy the former one; recorded.

    The other one is kept before the volume has it, and the former one until the volume has it no
    more and the new header is in escrow: cut short anywhere, one that is kept opens the volume, and
    the next call goes on. Raises PasInfraError for a client without a volume or a key, and when
    more keys open it than are declared.
    """
    with recorded(environment, "client rotate", {"clients": [client.name]}) as run:
        refuse_gone(environment, client.name)
        connection = connections(environment, [client.host])[0]
        host = environment.host(client.host)
        costs = derivation(environment, host)
        others_declared = key_slots(environment, [host.name])[host.name] - 1
        device = volume_of(client, escrow.devices_of(connection, ()))
        store = key_store(environment, client.host)
        stage(f"key of {client.name}")
        key = store.begin_change(client.name)
        said = call(
            connection, "passphrase", uuid=device.uuid, new=key.next, former=key.key,
            derivation=costs,
        )  # fmt: skip
        changed = TaskStatus.CHANGED if said["added"] or said["removed"] else TaskStatus.OK
        sentence = passphrase_sentence(device.path, said)
        run.keep(TaskResult(host.name, "", sentence, "cryptsetup", changed, measures=_MEASURES))
        stage("escrow")
        outcome = escrow.replace(
            environment, host, strategy, {device.uuid: said["sha256"]}, run, progress
        )
        if outcome.status is PlayStatus.OK:
            refuse_strangers(device, said["strangers"], others_declared)
            store.end_change(client.name, utc_now())
            sentence = f"the former key of {client.name} is destroyed, with its store key"
            run.keep(
                TaskResult(
                    host.name, "", sentence, "client", TaskStatus.CHANGED, measures=_MEASURES
                )
            )
        return Rotated(run.id, outcome)


def volume_of(client: Client, devices: tuple[Device, ...]) -> Device:
    """The client's volume among a host's devices; raises PasInfraError when it is not there."""
    for device in devices:
        if device.client == client.name:
            return device
    raise PasInfraError(
        f"{client.host} has no volume of `{client.name}`",
        where=client.host,
        next_step=f"pas-infra client add {client.name} makes it, with a key",
    )
