"""The clients beside their volumes: what is declared, what is there, what is to be done."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.clients.volumes import VOLUMES, volume_group
from orchestrator.engine import Connection, ask, printable
from orchestrator.environment import Client, Environment
from orchestrator.exit_codes import ExitCode
from orchestrator.keys.key_store import key_store
from orchestrator.offboardings import Journal

_GIGABYTE = 10**9
# A volume is rounded up to extents of the group, of 4 MiB where nobody chose others.
_ROUNDING = 64 * 2**20


@dataclass(frozen=True)
class Volume:
    """What a host says of a client's volume; sizes in bytes, `used` None where it is not mounted.

    One that is `unfinished` holds nothing yet.
    """

    name: str
    size: int
    used: int | None
    opened: bool
    mounted: bool
    unfinished: bool


@dataclass(frozen=True)
class ClientState:
    """A client, declared or not, and their volume, if there is one.

    On a host without `has_disks`, a container of the lab, there is none to be expected. Of whoever
    is `leaving` the erasure was confirmed.
    """

    name: str
    host: str
    declared: Client | None
    volume: Volume | None
    has_key: bool
    has_disks: bool = True
    leaving: bool = False

    @property
    def faults(self) -> tuple[str, ...]:
        """What somebody has to do about it."""
        if self.declared is None:
            return ("a volume of somebody whom clients.yml does not declare",)
        if self.leaving:
            end = f"pas-infra client offboard {self.name} ends it"
            return (f"their erasure was confirmed: {end}; then remove them from clients.yml",)
        if not self.has_disks:
            return ()
        if self.volume is None or self.volume.unfinished:
            return (f"has no volume: pas-infra client add {self.name}",)
        found = []
        if not self.has_key:
            found.append("the key store has no key of their volume")
        if self.declared.volume_gb * _GIGABYTE > self.volume.size:
            found.append(f"the volume is smaller than declared: pas-infra client add {self.name}")
        elif self.volume.size - self.declared.volume_gb * _GIGABYTE > _ROUNDING:
            found.append("the volume is larger than declared")
        if not self.volume.mounted:
            found.append(f"the volume is not mounted: pas-infra unlock {self.host}")
        return tuple(found)


@dataclass(frozen=True)
class ClientList:
    """The clients, by host; `missing` says of the hosts that could not be asked why not."""

    clients: tuple[ClientState, ...]
    missing: Mapping[str, str]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        if self.missing:
            return ExitCode.INCOMPLETE
        faulty = any(client.faults for client in self.clients)
        return ExitCode.FINDINGS if faulty else ExitCode.OK


def list_clients(environment: Environment, connections: Iterable[Connection]) -> ClientList:
    """Ask the hosts for the volumes of clients, and put what is declared beside them."""
    found: list[ClientState] = []
    missing: dict[str, str] = {}
    for connection in connections:
        host = connection.host
        question = VOLUMES.question({"what": "status", "group": volume_group(environment, host)})
        given, silent = ask([connection], question)
        missing |= silent
        if host not in given:
            continue
        try:
            volumes, has_disks = read_volumes(given[host])
        except (LookupError, TypeError, ValueError) as error:
            missing[host] = f"its clients' volumes could not be read: {printable(str(error))}"
            continue
        declared = {client.name: client for client in environment.clients if client.host == host}
        keys = key_store(environment, host).keys() if declared or volumes else {}
        found += [
            ClientState(
                name,
                host,
                declared.get(name),
                volumes.get(name),
                has_key=name in keys,
                has_disks=has_disks,
                leaving=Journal.found(environment, name) is not None,
            )
            for name in sorted(declared.keys() | volumes.keys())
        ]
    return ClientList(tuple(found), missing)


def read_volumes(answer: Mapping[str, Any]) -> tuple[dict[str, Volume], bool]:
    """What a host's answer says, and whether it has disks of its own.

    Raises ValueError for a refusal, LookupError and TypeError for nonsense.
    """
    if "refused" in answer:
        raise ValueError(answer["refused"])
    volumes = [
        Volume(
            name=printable(one["name"]),
            size=int(one["size"]),
            used=None if one["used"] is None else int(one["used"]),
            opened=bool(one["opened"]),
            mounted=bool(one["mounted"]),
            unfinished=bool(one["unfinished"]),
        )
        for one in answer["volumes"]
    ]
    return {volume.name: volume for volume in volumes}, bool(answer["has_disks"])
