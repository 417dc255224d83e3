"""The hosts asked what they are made of: a program of ours runs there once and is gone."""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.drift.collector import COLLECTOR
from orchestrator.engine import Connection, HostProgram, ask, printable
from orchestrator.environment import Environment, Host
from orchestrator.inventory.equipment import Equipment, read_as

_SHARED = "orchestrator.drift.collector.host"
_OWN = "orchestrator.inventory.host"

PROGRAM = HostProgram(
    "what it is made of",
    (
        *(f"{_SHARED}.{name}" for name in ("commands", "packages", "dpkg", "kernel", "storage",
                                           "files", "network")),
        *(f"{_OWN}.{name}" for name in ("hardware", "software", "answers")),
    ),
    remedy=COLLECTOR.remedy,
    patience=COLLECTOR.patience,
    at_most=COLLECTOR.at_most,
)  # fmt: skip


def collect(
    environment: Environment, connections: Iterable[Connection]
) -> tuple[dict[str, Equipment], dict[str, str]]:
    """Ask the hosts side by side, in one round trip each; of those without an answer, why."""
    given, missing = ask(connections, PROGRAM.question({}))
    found: dict[str, Equipment] = {}
    for name, answer in given.items():
        try:
            found[name] = read_answer(environment.host(name), answer)
        except ValueError as error:
            missing[name] = f"{PROGRAM.subject} could not be read: {error}"
    return found, missing


def read_answer(host: Host, answer: Mapping[str, Any]) -> Equipment:
    """What a host's answer says; raises ValueError when it is none."""
    parts, blind = answer.get("parts"), answer.get("blind")
    if not isinstance(parts, dict) or not isinstance(blind, dict) or not {*parts, *blind}:
        raise ValueError(f"not what a host says of itself: {printable(str(answer))[:100]}")
    # A system or machine that is null says nothing: it would be compared with nothing.
    told = {name for name, part in parts.items() if part is not None}
    unsaid = {"system", "machine", "interfaces", "disks", "packages", "programs"} - {*told, *blind}
    if unsaid:
        raise ValueError(f"it says nothing of: {', '.join(sorted(unsaid))}")
    return read_as(Equipment, {**parts, "blind": blind, **declared(host)})


def declared(host: Host) -> dict[str, str]:
    """What the host is for and where it stands, as the environment declares."""
    return {
        "host": host.name,
        "function": host.function,
        "supplier": host.supplier,
        "city": host.place.city,
        "country": host.place.country,
    }
