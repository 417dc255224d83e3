"""The matrix held against the live hosts: what no flow declares, and what nothing serves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal

from orchestrator.engine import connections
from orchestrator.environment import Environment, Flow, FlowMatrix
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.flows.listeners import Listener, Seen, listeners_on


@dataclass(frozen=True)
class Finding:
    """A departure of a host from the matrix.

    `undeclared`: it listens where no flow leads; `unserved`: a flow leads to it, and nothing
    listens there; `locked_out`: no flow lets pas-infra itself in, as it has just come in.
    """

    kind: Literal["undeclared", "unserved", "locked_out"]
    host: str
    what: str

    def __str__(self) -> str:
        if self.kind == "undeclared":
            return f"{self.host} listens, and no flow leads there: {self.what}"
        if self.kind == "locked_out":
            return f"pas-infra comes to {self.host} by a way that no flow opens: {self.what}"
        return f"{self.host} is to serve a flow, and does not listen: {self.what}"


@dataclass(frozen=True)
class FlowView:
    """The matrix, and what was seen on the hosts that were asked; `missing` says why not."""

    matrix: FlowMatrix
    seen: Mapping[str, Seen]
    missing: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        if self.missing:
            return ExitCode.INCOMPLETE
        return ExitCode.FINDINGS if self.findings else ExitCode.OK

    def serving(self, flow: Flow, host: str) -> tuple[Listener, ...]:
        """What answers the flow on a host."""
        if host not in flow.destinations:
            return ()
        return tuple(
            one
            for one in (self.seen[host].listeners if host in self.seen else ())
            if flow.carries(one.protocol, one.port)
        )


def declared_matrix(environment: Environment) -> FlowMatrix:
    """The environment's matrix; raises PasInfraError when it has none."""
    if environment.flows is None:
        raise PasInfraError(
            f"{environment.name} declares no flows",
            where=environment.directory / "flows.yml",
            next_step="write the file: docs/reference/environment.md has its keys",
        )
    return environment.flows


def view_flows(environment: Environment, hosts: Sequence[str]) -> FlowView:
    """The matrix beside what the hosts listen on; nothing on them is changed."""
    matrix = declared_matrix(environment)
    seen, missing = listeners_on(connections(environment, hosts))
    ends = {host.name: host.addresses for host in environment.hosts}
    findings = tuple(
        finding for host, found in seen.items() for finding in compare(matrix, ends, host, found)
    )
    return FlowView(matrix, seen, missing, findings)


def compare(
    matrix: FlowMatrix, hosts: Mapping[str, Sequence[str]], host: str, seen: Seen
) -> list[Finding]:
    """Where a host departs from the matrix; `hosts` are the addresses of each."""
    leading, listeners = matrix.to(host), seen.listeners
    ends = {name: tuple(map(ip_network, addresses)) for name, addresses in hosts.items()}
    ends |= {network.name: network.addresses for network in matrix.networks}
    origin = ip_address(seen.origin)
    let_in = any(
        flow.carries("tcp", seen.port)
        and any(origin in network for source in flow.sources for network in ends[source])
        for flow in leading
    )
    way = f"from {origin}, tcp {seen.port}"
    locked_out = [] if let_in else [Finding("locked_out", host, way)]
    undeclared = [
        Finding("undeclared", host, str(one))
        for one in listeners
        if not any(flow.carries(one.protocol, one.port) for flow in leading)
    ]
    unserved = [
        Finding("unserved", host, f"{flow.protocol} {ports} of {flow.name}")
        for flow in leading
        for ports in flow.ports
        if not any(one.protocol == flow.protocol and one.port in ports for one in listeners)
    ]
    return locked_out + undeclared + list(dict.fromkeys(unserved))
