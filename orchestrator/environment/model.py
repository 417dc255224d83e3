"""What an environment is, once it has been found valid."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from orchestrator.environment.commitments import STANDARD, Commitments
from orchestrator.environment.data_set import DataSet
from orchestrator.environment.flow_matrix import FlowMatrix
from orchestrator.environment.nightly import USUAL_NIGHT, Nightly
from orchestrator.environment.secret_variables import SecretVariables
from orchestrator.environment.ssh_keys import PublicKey
from orchestrator.environment.tracker_address import USUAL, VulnerabilityData
from orchestrator.errors import PasInfraError

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where something stands; `country` is an ISO 3166 two-letter code."""

    city: str
    country: str


@dataclass(frozen=True)
class ControlNode:
    """The one machine where the runs of an environment execute and its store lies."""

    place: Place
    store: Path | None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vault:
    """How the vault password is had: exactly one of the two is set."""

    password_file: Path | None
    password_command: tuple[str, ...] | None


@dataclass(frozen=True)
class Vaulted:
    """Stands for a secret; the clear text never leaves the loader."""

    where: str

    def __str__(self) -> str:
        return "<vaulted>"


@dataclass(frozen=True)
class Host:
    """A server of the environment, with its variables merged as Ansible merges them.

    `address` is normalised, `addresses` are all that it has; `groups` leaves out `all` and
    `ungrouped` and names parents first.
    """

    name: str
    address: str
    groups: tuple[str, ...]
    function: str
    supplier: str
    place: Place
    variables: Mapping[str, object]
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """A network of the lab; the first address of each family is its gateway."""

    name: str
    ipv4: IPv4Network
    ipv6: IPv6Network


@dataclass(frozen=True)
class Disk:
    """A disk of a virtual machine, blank when it is made; the serial number is how it is told."""

    serial: str
    size_gb: int


@dataclass(frozen=True)
class Machine:
    """A machine of the lab, with its addresses on the `wan` network.

    `boot` says what it starts from: an image, a rescue system beside its disks, or the disks;
    `firmware` how, as far as it has disks of its own.
    """

    name: str
    managed: bool
    backend: Literal["nspawn", "qemu"]
    image: Literal["server", "scanner"]
    ipv4: IPv4Address
    ipv6: IPv6Address
    memory_mb: int
    cpus: int
    disks: tuple[Disk, ...] = ()
    firmware: Literal["bios", "uefi"] = "bios"
    boot: Literal["image", "rescue", "disks"] = "image"


@dataclass(frozen=True)
class Lab:
    """The machines that `pas-infra lab up` starts, managed or not."""

    networks: tuple[Network, ...]
    machines: tuple[Machine, ...]

    def network(self, name: str) -> Network:
        """The network `name`; raises PasInfraError when the lab has none of that name."""
        return _named(name, {network.name: network for network in self.networks}, "network")

    def machine(self, name: str) -> Machine:
        """The machine `name`; raises PasInfraError when the lab has none of that name."""
        return _named(name, {machine.name: machine for machine in self.machines}, "machine")


@dataclass(frozen=True)
class Waiver:
    """An accepted deviation, valid through the day `until`; `hosts` None means every host."""

    rule: str
    reason: str
    compensating_measure: str
    approver: str
    until: date
    hosts: tuple[str, ...] | None


@dataclass(frozen=True)
class Right:
    """A named right: `sudo` is empty, command lines, or `ALL`; `exec` lets them start others."""

    name: str
    description: str
    sudo: tuple[str, ...]
    groups: tuple[str, ...]
    exec: bool = False


@dataclass(frozen=True)
class Person:
    """A human being with an account of their own; `hosts` None means every host."""

    account: str
    name: str
    email: str | None
    rights: tuple[str, ...]
    hosts: tuple[str, ...] | None
    keys: tuple[PublicKey, ...]
    second_factor: Literal["fido2", "totp"]
    place: Place
    valid_until: date


@dataclass(frozen=True)
class MachineAccount:
    """An account that no human uses; `keys` is empty where a variable of Ansible lists them."""

    account: str
    purpose: str
    owner: str
    hosts: tuple[str, ...] | None
    keys: tuple[PublicKey, ...]
    keys_variable: str | None
    origins: tuple[str, ...]
    sudo: tuple[str, ...]
    forced_command: str | None
    valid_until: date


@dataclass(frozen=True)
class People:
    """All that people.yml declares, in its order."""

    rights: tuple[Right, ...]
    persons: tuple[Person, ...]
    machines: tuple[MachineAccount, ...]

    def on(self, host: str) -> tuple[Person | MachineAccount, ...]:
        """Whoever has an account on the host."""
        everybody: tuple[Person | MachineAccount, ...] = (*self.persons, *self.machines)
        return tuple(one for one in everybody if one.hosts is None or host in one.hosts)

    def sudo_of(self, one: Person | MachineAccount) -> tuple[str, ...]:
        """What the account may run as root: command lines, or `ALL` among them."""
        if isinstance(one, MachineAccount):
            return one.sudo
        rights = {right.name: right for right in self.rights}
        return tuple(dict.fromkeys(line for name in one.rights for line in rights[name].sudo))

    def administers(self, one: Person | MachineAccount) -> bool:
        """Whether the account may do everything as root."""
        return "ALL" in self.sudo_of(one)


@dataclass(frozen=True)
class Client:
    """A client of the service, and what of its host is theirs.

    `volume_gb` in GB, `memory_mb` in MiB; `cpu_percent` of one processor; `tasks` are processes and
    threads. Their data stays for `grace_days` days after the last one of their contract,
    `contract_ended`, which is None while nobody knows it.
    """

    name: str
    title: str
    host: str
    volume_gb: int
    memory_mb: int
    cpu_percent: int
    tasks: int
    grace_days: int
    contract_ended: date | None = None

    @property
    def erasable_from(self) -> date | None:
        """The day after their grace, on which their data is to go; None while they are clients."""
        if self.contract_ended is None:
            return None
        return self.contract_ended + timedelta(days=self.grace_days + 1)

    @classmethod
    def from_data(cls, entry: Mapping[str, Any]) -> Self:
        """The client that an entry declares."""
        ended = entry.get("contract_ended")
        day = {"contract_ended": date.fromisoformat(ended) if ended else None}
        return cls(**{**entry, **day})

    def as_data(self) -> dict[str, Any]:
        """The entry, with the keys of clients.yml."""
        ended = self.contract_ended.isoformat() if self.contract_ended else None
        return asdict(self) | {"contract_ended": ended}


@dataclass(frozen=True)
class Environment:
    """One environment; `files` is every file of it that was read, sorted.

    `secrets` is for the engine, which hands it to Ansible and keeps it out of records.
    """

    name: str
    kind: Literal["lab", "production"]
    directory: Path
    description: str
    control_node: ControlNode
    store_directory: Path
    pas_document: Path | None
    vault: Vault | None
    hosts: tuple[Host, ...]
    lab: Lab | None
    people: People | None
    waivers: tuple[Waiver, ...]
    files: tuple[Path, ...]
    vulnerability_data: VulnerabilityData = USUAL
    flows: FlowMatrix | None = None
    clients: tuple[Client, ...] = ()
    secrets: SecretVariables = field(default_factory=SecretVariables)
    commitments: Commitments = STANDARD
    registers_as_of: date | None = None  # the day on which a lab's are judged; None: today
    data_sets: tuple[DataSet, ...] = ()
    nightly: Nightly = USUAL_NIGHT

    def host(self, name: str) -> Host:
        """The host `name`; raises PasInfraError when the environment has none of that name."""
        return _named(name, {host.name: host for host in self.hosts}, "host")


def _named(name: str, things: Mapping[str, T], noun: str) -> T:
    if name not in things:
        raise PasInfraError(
            f"there is no {noun} `{name}`", next_step=f"name one of: {', '.join(sorted(things))}"
        )
    return things[name]
