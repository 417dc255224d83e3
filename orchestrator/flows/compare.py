"""The matrix held against the live hosts: what no flow declares, and what nothing serves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.catalogue import load_catalogue
from orchestrator.engine import connections
from orchestrator.environment import Environment, Flow, FlowMatrix
from orchestrator.errors import ConfigurationInvalid, PasInfraError, Problem
from orchestrator.exit_codes import ExitCode
from orchestrator.flows.listeners import Listener, listeners_on


@dataclass(frozen=True)
class Finding:
    """A departure of a host from the matrix.

    `undeclared`: it listens where no flow leads; `unserved`: a flow leads to it, and nothing
    listens there.
    """

    kind: Literal["undeclared", "unserved"]
    host: str
    what: str

    def __str__(self) -> str:
        if self.kind == "undeclared":
            return f"{self.host} listens, and no flow leads there: {self.what}"
        return f"{self.host} is to serve a flow, and does not listen: {self.what}"


@dataclass(frozen=True)
class FlowView:
    """The matrix, and what was seen on the hosts that were asked; `missing` says why not."""

    matrix: FlowMatrix
    listeners: Mapping[str, tuple[Listener, ...]]
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
            one for one in self.listeners.get(host, ()) if flow.carries(one.protocol, one.port)
        )


def declared_matrix(environment: Environment) -> FlowMatrix:
    """The environment's matrix.

    Raises PasInfraError when it has none, ConfigurationInvalid when a flow serves a measure that
    the catalogue does not know.
    """
    file = environment.directory / "flows.yml"
    if environment.flows is None:
        raise PasInfraError(
            f"{environment.name} declares no flows",
            where=file,
            next_step="write the file: docs/reference/environment.md has its keys",
        )
    known = {measure.number for measure in load_catalogue()}
    unknown = [
        Problem(
            file,
            None,
            f"the flow {flow.name} serves {number}, which is no measure",
            "pas-infra measures lists them",
        )
        for flow in environment.flows.flows
        for number in flow.measures
        if number not in known
    ]
    if unknown:
        raise ConfigurationInvalid(unknown)
    return environment.flows


def view_flows(environment: Environment, hosts: Sequence[str]) -> FlowView:
    """The matrix beside what the hosts listen on; nothing on them is changed."""
    matrix = declared_matrix(environment)
    listeners, missing = listeners_on(connections(environment, hosts))
    findings = tuple(
        finding for host, found in listeners.items() for finding in compare(matrix, host, found)
    )
    return FlowView(matrix, listeners, missing, findings)


def compare(matrix: FlowMatrix, host: str, listeners: Sequence[Listener]) -> list[Finding]:
    """Where a host departs from the matrix."""
    leading = matrix.to(host)
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
    return undeclared + list(dict.fromkeys(unserved))
