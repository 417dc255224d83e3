"""The flow matrix of flows.yml, as dataclasses: who may reach whom, by which port, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, Literal

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
Ends = Mapping[str, tuple[IPNetwork, ...]]
Protocol = Literal["tcp", "udp", "icmp", "esp"]


@dataclass(frozen=True)
class FlowNetwork:
    """A network that is no host of the environment."""

    name: str
    description: str
    addresses: tuple[IPNetwork, ...]


@dataclass(frozen=True)
class Interconnection:
    """Where the service meets another network."""

    name: str
    description: str


@dataclass(frozen=True, order=True)
class Ports:
    """The ports from `first` to `last`, both among them."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def overlaps(self, other: "Ports") -> bool:
        """Whether a port is in both."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Flow:
    """One flow; `sources` open it to `destinations`, each a host or a network of the matrix.

    `ports` is empty for a protocol that has none; `rate` is nft's, such as `30/minute`.
    """

    name: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    protocol: Protocol
    ports: tuple[Ports, ...]
    reason: str
    measures: tuple[str, ...]
    interconnection: str
    rate: str | None

    @property
    def service(self) -> str:
        """The protocol with its ports: `tcp 80, 443`."""
        return f"{self.protocol} {', '.join(map(str, self.ports))}".strip()

    def carries(self, protocol: str, port: int) -> bool:
        """Whether a listener on the port is what the flow leads to."""
        return protocol == self.protocol and any(port in ports for ports in self.ports)


def lets_in(flows: Iterable[Flow], ends: Ends, origin: IPAddress, host: str, port: int) -> bool:
    """Whether one of the flows lets an address reach a host by a port of TCP.

    `ends` are the networks behind the names of the flows' ends.
    """
    return any(
        host in flow.destinations
        and flow.carries("tcp", port)
        and any(origin in network for end in flow.sources for network in ends[end])
        for flow in flows
    )


@dataclass(frozen=True)
class FlowMatrix:
    """All that flows.yml declares, in its order."""

    networks: tuple[FlowNetwork, ...]
    interconnections: tuple[Interconnection, ...]
    flows: tuple[Flow, ...]

    def to(self, host: str) -> tuple[Flow, ...]:
        """The flows that the host answers."""
        return tuple(flow for flow in self.flows if host in flow.destinations)

    def out_of(self, host: str) -> tuple[Flow, ...]:
        """The flows that the host opens."""
        return tuple(flow for flow in self.flows if host in flow.sources)

    def ends(self, hosts: Mapping[str, Sequence[str]]) -> dict[str, tuple[IPNetwork, ...]]:
        """The networks behind every name of the matrix; `hosts` are the addresses of each."""
        found = {network.name: network.addresses for network in self.networks}
        return found | {name: tuple(map(ip_network, listed)) for name, listed in hosts.items()}

    def as_data(self) -> dict[str, Any]:
        """The matrix as plain data, with the keys of flows.yml."""
        return {
            "networks": {
                network.name: {
                    "description": network.description,
                    "addresses": [str(address) for address in network.addresses],
                }
                for network in self.networks
            },
            "flows": [
                {
                    "name": flow.name,
                    "from": list(flow.sources),
                    "to": list(flow.destinations),
                    "protocol": flow.protocol,
                    "ports": [str(ports) for ports in flow.ports],
                    "reason": flow.reason,
                    "measures": list(flow.measures),
                    "interconnection": flow.interconnection,
                    "rate": flow.rate,
                }
                for flow in self.flows
            ],
        }
