"""What an environment is, once it has been found valid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Literal, TypeVar

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

    `address` is normalised; `groups` leaves out `all` and `ungrouped` and names parents first.
    """

    name: str
    address: str
    groups: tuple[str, ...]
    function: str
    supplier: str
    place: Place
    variables: Mapping[str, object]


@dataclass(frozen=True)
class Network:
    """A network of the lab; the first address of each family is its gateway."""

    name: str
    ipv4: IPv4Network
    ipv6: IPv6Network


@dataclass(frozen=True)
class Machine:
    """A machine of the lab, with its addresses on the `wan` network."""

    name: str
    managed: bool
    backend: Literal["nspawn", "qemu"]
    image: Literal["server", "scanner"]
    ipv4: IPv4Address
    ipv6: IPv6Address
    memory_mb: int
    cpus: int


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
class Environment:
    """One environment; `files` is every file of it that was read, sorted."""

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
    waivers: tuple[Waiver, ...]
    files: tuple[Path, ...]

    def host(self, name: str) -> Host:
        """The host `name`; raises PasInfraError when the environment has none of that name."""
        return _named(name, {host.name: host for host in self.hosts}, "host")


@dataclass(frozen=True)
class Summary:
    """An environment in a list; what its environment.yml does not say is None."""

    name: str
    directory: Path
    kind: str | None
    description: str | None


def _named(name: str, things: Mapping[str, T], noun: str) -> T:
    if name not in things:
        raise PasInfraError(
            f"there is no {noun} `{name}`", next_step=f"name one of: {', '.join(sorted(things))}"
        )
    return things[name]
