"""The matrix held against the live hosts: what listens there, and what passes their firewalls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from orchestrator.engine import connections
from orchestrator.environment import Environment, Flow, FlowMatrix, lets_in
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.flows.listeners import Listener, Seen, listeners_on


@dataclass(frozen=True)
class Finding:
    """A departure of a host from the matrix.

    `undeclared`: it listens where no flow leads; `unserved`: a flow leads to it, and nothing
    listens there; `locked_out`: no flow lets pas-infra itself in, as it has just come in;
    `unfiltered`: what no rule names passes; `closed`: no rule opens a flow; `open`: a rule opens
    one that is not declared.
    """

    kind: Literal["undeclared", "unserved", "locked_out", "unfiltered", "closed", "open"]
    host: str
    what: str

    def __str__(self) -> str:
        return _SENTENCES[self.kind].format(host=self.host, what=self.what)


_SENTENCES = {
    "undeclared": "{host} listens, and no flow leads there: {what}",
    "unserved": "{host} is to serve a flow, and does not listen: {what}",
    "locked_out": "pas-infra comes to {host} by a way that no flow opens: {what}",
    "unfiltered": "{host} lets through what no flow names: {what}",
    "closed": "the firewall of {host} does not open a declared flow: {what}",
    "open": "the firewall of {host} opens a flow that is not declared: {what}",
}


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
    origin = ip_address(seen.origin)
    let_in = lets_in(matrix.flows, matrix.ends(hosts), origin, host, seen.port)
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
    return [
        *locked_out,
        *undeclared,
        *dict.fromkeys(unserved),
        *_filtering_findings(matrix, host, seen),
    ]


def _filtering_findings(matrix: FlowMatrix, host: str, seen: Seen) -> Iterator[Finding]:
    """Where the firewall departs from the matrix, by the names of its flows."""
    if seen.filtering.open_hooks:
        yield Finding("unfiltered", host, ", ".join(seen.filtering.open_hooks))
        if not seen.filtering.opened:
            return  # it has no rules: that all flows pass has been said
    declared = [flow.name for flow in (*matrix.to(host), *matrix.out_of(host))]
    for name in declared:
        if name not in seen.filtering.opened:
            yield Finding("closed", host, name)
    for name in seen.filtering.opened:
        if name not in declared:
            yield Finding("open", host, name)
