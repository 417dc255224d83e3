"""The volumes of the clients: each under a key of its own, made once and opened at each start."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.engine import (
    Connection,
    HostProgram,
    OnProgress,
    PlayOutcome,
    PlayStatus,
    Strategy,
    connections,
    printable,
    variables,
)
from orchestrator.environment import Client, Environment, role_defaults
from orchestrator.errors import PasInfraError
from orchestrator.keys import escrow
from orchestrator.keys.call import SHA256, UUID
from orchestrator.keys.declared import cipher, derivation
from orchestrator.keys.key_store import key_store
from orchestrator.offboardings import Journal, is_certified
from orchestrator.paths import project_root
from orchestrator.records import TaskResult, TaskStatus
from orchestrator.runs import Recorder, recorded, utc_now

_MEASURES = ("5.7.1", "6.1.1", "6.4.2")
_GROUP = "clients_volume_group"

VOLUMES = HostProgram(
    "its clients' volumes",
    (
        "orchestrator.keys.host.luks",
        "orchestrator.keys.host.alone",
        "orchestrator.clients.host.volumes",
        "orchestrator.clients.host.erasure",
        "orchestrator.clients.host.answers",
    ),
    remedy="pas-infra client list shows what is there",
    patience=600.0,
)


@dataclass(frozen=True)
class Added:
    """What became of a client's volume: `done` to it, and `opened` if its header is in escrow."""

    run_id: int
    done: tuple[str, ...]
    opened: "Opened | None"
    outcome: PlayOutcome


@dataclass(frozen=True)
class Opened:
    """A client's volume after a start; `failed` are units that did not start.

    `fault` says why it could not be opened, `leaving` since when (ISO 8601) their erasure is
    confirmed: then it stays closed.
    """

    client: str
    mounted: bool = False
    failed: tuple[str, ...] = ()
    fault: str = ""
    leaving: str = ""

    @property
    def trouble(self) -> str:
        """What somebody has to look at; "" when there is nothing."""
        return self.fault or ", ".join(f"{unit} does not start" for unit in self.failed)


def client_of(environment: Environment, name: str) -> Client:
    """The declared client `name`; raises PasInfraError when there is none of that name."""
    for client in environment.clients:
        if client.name == name:
            return client
    raise PasInfraError(
        f"there is no client `{name}`",
        where=environment.directory / "clients.yml",
        next_step="declare them there (docs/how-to/clients.md)",
    )


def volume_group(environment: Environment, host: str) -> str:
    """The volume group of a host in which its clients' volumes lie."""
    declared = variables(environment, [host], [_GROUP])[host][_GROUP]
    return str(declared or role_defaults(project_root() / "roles/clients")[_GROUP])


def add(
    environment: Environment,
    client: Client,
    strategy: Strategy,
    stage: Callable[[str], None],
    progress: OnProgress,
) -> Added:
    """Make the client's key and volume, keep its header in escrow, mount it; recorded.

    What is there stays; a volume that is declared larger grows. The key is kept before anything
    lies under it. Raises PasInfraError when the host has no room, or a volume that this key does
    not open, and for the name of somebody who has left.
    """
    with recorded(environment, "client add", {"clients": [client.name]}) as run:
        refuse_gone(environment, client.name)
        connection = connections(environment, [client.host])[0]
        host = environment.host(client.host)
        store = key_store(environment, client.host)
        group = volume_group(environment, client.host)
        stage(f"key of {client.name}")
        key = store.add(client.name, f"{client.host}:{group}", utc_now()).key
        stage(f"volume of {client.name}")
        said = VOLUMES.call(
            connection, client.name, what="create", name=client.name, group=group,
            size_gb=client.volume_gb, key=key, derivation=derivation(environment, host),
            **cipher(environment, host),
        )  # fmt: skip
        done = tuple(printable(str(word)) for word in said["done"])
        _keep(run, client, f"the volume of {client.name} is {' and '.join(done) or 'there'}", done)
        stage("escrow")
        outcome = escrow.replace(environment, host, strategy, _proven(said), run, progress)
        opened = None
        if outcome.status is PlayStatus.OK:
            stage(f"start of {client.name}")
            opened = _open(connection, client, group, (key,))
        return Added(run.id, done, opened, outcome)


def refuse_gone(environment: Environment, name: str) -> None:
    """Raises PasInfraError for the name of somebody who was offboarded, or is being."""
    if (gone := Journal.found(environment, name)) is not None:
        raise PasInfraError(
            f"the offboarding of a client `{name}` was confirmed on "
            f"{gone.steps['confirmed']['at'][:10]}",
            where=gone.file,
            next_step=f"pas-infra client offboard {name} ends it; whoever comes, or comes back, "
            "takes another name",
        )


def open_all(environment: Environment, host: str) -> list[Opened]:
    """Open the volumes of the clients on a host, after each of its starts.

    Of somebody who has no volume yet nothing is said. Raises PasInfraError when the key store
    cannot be read, and when the host cannot be asked.
    """
    gone = {str(one.client["name"]): one for one in Journal.all_begun(environment)}
    opened = [
        Opened(name, leaving=str(journal.steps["confirmed"]["at"]))
        for name, journal in gone.items()
        if journal.client["host"] == host and not is_certified(environment, name)
    ]
    clients = [one for one in environment.clients if one.host == host and one.name not in gone]
    if not clients:
        return opened
    connection, group = connections(environment, [host])[0], volume_group(environment, host)
    said = VOLUMES.call(connection, host, what="status", group=group)
    there = {one["name"] for one in said["volumes"] if not one["unfinished"]}
    keys = key_store(environment, host).keys() if there else {}
    for client in clients:
        if client.name not in there:
            continue
        if client.name not in keys:
            opened.append(Opened(client.name, fault="the key store has no key of their volume"))
            continue
        try:
            opened.append(_open(connection, client, group, keys[client.name].words))
        except PasInfraError as error:
            # The others are not to wait for this one.
            opened.append(Opened(client.name, fault=f"{error.what}; {error.next_step}"))
    return opened


def _proven(said: Mapping[str, Any]) -> dict[str, str]:
    """The header's sum by its UUID, as Ansible may be given them: no expression of a host's."""
    uuid, sha256 = str(said["uuid"]), str(said["sha256"])
    if not UUID.fullmatch(uuid) or not SHA256.fullmatch(sha256):
        raise PasInfraError(
            f"no header is described by {printable(uuid)} and {printable(sha256)}",
            next_step="find out who has changed the host's programs",
        )
    return {uuid: sha256}


def _keep(run: Recorder, client: Client, sentence: str, done: Iterable[str]) -> None:
    """Record what was done for a client."""
    status = TaskStatus.CHANGED if list(done) else TaskStatus.OK
    run.keep(TaskResult(client.host, "", sentence, "client", status=status, measures=_MEASURES))


def _open(connection: Connection, client: Client, group: str, keys: Sequence[str]) -> Opened:
    """Open the volume with the one of the keys that does: there are two while it is changed."""
    key, *others = keys
    try:
        said: Mapping[str, Any] = VOLUMES.call(
            connection, client.name, what="open", name=client.name, group=group, key=key
        )
    except PasInfraError:
        if not others:
            raise
        return _open(connection, client, group, others)
    failed = tuple(printable(str(unit)) for unit in said["failed"])
    return Opened(client.name, bool(said["mounted"]), failed)
