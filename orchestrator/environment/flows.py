"""From a valid flows.yml to its dataclasses."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from orchestrator.environment.flow_matrix import (
    Flow,
    FlowMatrix,
    FlowNetwork,
    Interconnection,
    Ports,
)
from orchestrator.environment.lines import Document


def build_flows(document: Document) -> FlowMatrix:
    """What a document without problems declares."""
    data: Any = document.data
    return FlowMatrix(
        networks=tuple(
            FlowNetwork(name, body["description"], tuple(map(ip_network, body["addresses"])))
            for name, body in data["networks"].items()
        ),
        interconnections=tuple(
            Interconnection(name, body["description"])
            for name, body in data["interconnections"].items()
        ),
        flows=tuple(build_flow(entry) for entry in data["flows"]),
    )


def build_flow(entry: Mapping[str, Any]) -> Flow:
    """The flow of an entry of valid shape."""
    return Flow(
        name=entry["name"],
        sources=tuple(entry["from"]),
        destinations=tuple(entry["to"]),
        protocol=entry["protocol"],
        ports=tuple(sorted(map(_ports, entry.get("ports", ())))),
        reason=entry["reason"],
        measures=tuple(entry["measures"]),
        interconnection=entry["interconnection"],
        rate=entry.get("rate"),
    )


def _ports(written: int | str) -> Ports:
    first, _, last = str(written).partition("-")
    return Ports(int(first), int(last or first))
