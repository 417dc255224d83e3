"""Workstations: who has attested, within a year, that the one they work from is protected."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

VALIDITY = timedelta(days=365)


def unattested(
    attestations: Sequence[Mapping[str, Any]], persons: Iterable[str], today: date
) -> dict[str, date | None]:
    """The accounts without an attestation that still holds, and the day of their last, if any."""
    last = {entry["person"]: date.fromisoformat(str(entry["date"])) for entry in attestations}
    return {
        person: last.get(person)
        for person in persons
        if person not in last or last[person] + VALIDITY < today
    }
