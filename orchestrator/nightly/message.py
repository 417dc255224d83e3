"""What is told of a night: a headline a host, and what is new; no content of any file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.drift.finding import Severity
from orchestrator.drift.look import Drift, headline
from orchestrator.engine import printable
from orchestrator.errors import PasInfraError
from orchestrator.records import RunStatus, Sighting

_STATES = {RunStatus.OK: "OK", RunStatus.FINDINGS: "DRIFT", RunStatus.INCOMPLETE: "INCOMPLETE"}


@dataclass(frozen=True)
class Message:
    """One message: a line, a text, and the same as data for programs."""

    subject: str
    text: str
    data: Mapping[str, Any]


def message_of(environment: str, drift: Drift) -> Message:
    """What a look has found. A difference itself is not told: it may show what nobody should read.

    What was known before is counted only.
    """
    new = [one for one in drift.sightings if one.new and not one.accepted_until]
    known = sum(not one.new and not one.accepted_until for one in drift.sightings)
    lines = [headline(host) for host in drift.hosts]
    for host in drift.hosts:
        lines += [f"  ? {_line(reason)}" for reason in host.why]
    if new:
        lines += ["", "New:", *(part for one in new for part in _told(one))]
    if known:
        lines += ["", f"{known} more were known before: pas-infra drift show"]
    lines += ["", f"run {drift.run_id} of {environment}: pas-infra drift history"]
    return Message(
        _subject(environment, _STATES[drift.status]),
        "\n".join(lines) + "\n",
        {
            "environment": environment,
            "run": drift.run_id,
            "status": str(drift.status),
            "hosts": {
                host.host: {
                    "headline": headline(host), "complete": host.complete,
                    "findings": host.findings, "new": host.new,
                    "why": [_line(reason) for reason in host.why],
                }
                for host in drift.hosts
            },
            "new": [
                {
                    "host": one.host, "kind": one.kind, "object": printable(one.object),
                    "measures": list(one.measures), "identity": one.identity,
                    "severity": Severity(one.severity).name.lower(), "cause": one.cause,
                }
                for one in new
            ],
        },
    )  # fmt: skip


def failure_of(environment: str, error: PasInfraError) -> Message:
    """A night in which nobody looked."""
    told = f"{printable(error.what)}\n" + (
        f"{printable(str(error.next_step))}\n" if error.next_step else ""
    )
    data = {"environment": environment, "status": "failed", "error": printable(error.what)}
    return Message(_subject(environment, "NOBODY LOOKED"), told, data)


def _subject(environment: str, state: str) -> str:
    return f"[pas-infra {environment}] {state}"


def _told(one: Sighting) -> list[str]:
    measures = f" ({', '.join(one.measures)})" if one.measures else ""
    severity = Severity(one.severity).name.lower()
    return [
        f"  {one.host}: {one.kind} {_line(one.object)}{measures} {severity} {one.identity}",
        f"      {one.cause}: {_line(one.because)}",
        *(f"      fails: {check}" for check in one.checks),
    ]


def _line(text: str) -> str:
    return printable(text.partition("\n")[0])
