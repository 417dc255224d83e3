"""The register of what was decided of vulnerabilities (7.6.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from orchestrator.environment.registers import Entry, append, read_register
from orchestrator.errors import PasInfraError

REGISTER: Final = "vulnerabilities"
DECISIONS = ("accept", "mitigate", "patch", "close")


@dataclass(frozen=True)
class Decision:
    """What was decided of one vulnerability on one host; `until` None is for one that is closed."""

    cve: str
    host: str
    decision: str
    reason: str
    by: str
    decided: date
    until: date | None

    def holds(self, today: date) -> bool:
        """Whether it still counts; a closed one says nothing of a vulnerability that is open."""
        return self.until is not None and self.until >= today

    def overdue(self, today: date) -> bool:
        """Whether its last day has passed and nobody closed or renewed it."""
        return self.until is not None and self.until < today


def record_decision(
    directory: Path,
    cves: Sequence[str],
    *,
    hosts: Sequence[str],
    decision: str,
    reason: str,
    until: date | None,
    by: str,
    today: date,
) -> Path:
    """Add a decision to the register; returns its file.

    Raises PasInfraError when its last day is missing or has passed, or when one that closes has
    one; ConfigurationInvalid when the register would not be valid with it. Nothing is written then.
    """
    if decision == "close" and until is not None:
        raise PasInfraError("a decision that closes has no last day", next_step="leave out --until")
    if decision != "close" and (until is None or until < today):
        raise PasInfraError(
            f"the decision ended on {until}" if until else "the decision has no last day",
            next_step="name the day on which it is to be looked at again: --until YYYY-MM-DD",
        )
    entry: dict[str, object] = {
        "date": today,
        "by": by,
        "cves": list(cves),
        "hosts": list(hosts),
        "decision": decision,
        "reason": reason,
    }
    return append(directory, REGISTER, entry | ({"until": until} if until else {}), today=today)


def current_decisions(directory: Path) -> dict[tuple[str, str], Decision]:
    """The last decision on each vulnerability and host."""
    return latest(read_register(directory, REGISTER))


def latest(entries: Sequence[Entry]) -> dict[tuple[str, str], Decision]:
    """The last decision on each vulnerability and host, of entries that are oldest first."""
    return {
        (cve, host): Decision(
            cve=cve,
            host=host,
            decision=entry["decision"],
            reason=entry["reason"],
            by=entry["by"],
            decided=date.fromisoformat(entry["date"]),
            until=date.fromisoformat(entry["until"]) if "until" in entry else None,
        )
        for entry in entries
        for cve in entry["cves"]
        for host in entry["hosts"]
    }


def overdue(decisions: Mapping[tuple[str, str], Decision], today: date) -> list[Decision]:
    """The decisions whose last day has passed, the oldest first."""
    late = (decision for decision in decisions.values() if decision.overdue(today))
    return sorted(late, key=lambda one: (one.until or today, one.cve, one.host))
