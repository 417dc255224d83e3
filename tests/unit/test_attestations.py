"""Whose workstation is not attested, or no longer."""

from datetime import date

import pytest

from orchestrator.attestations import unattested

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ([], {"anna": None}),
        (["2025-11-24"], {}),
        (["2025-11-23"], {"anna": date(2025, 11, 23)}),
        (["2025-01-01", "2026-11-24"], {}),
    ],
)
def test_an_attestation_holds_for_a_year(days: list[str], found: dict[str, date | None]) -> None:
    entries = [{"person": "anna", "date": day} for day in days]
    assert unattested(entries, ["anna"], TODAY) == found


def test_each_person_is_asked_for_their_own() -> None:
    entries = [{"person": "anna", "date": "2026-11-24"}, {"person": "gone", "date": "2026-11-24"}]
    assert unattested(entries, ["anna", "ben"], TODAY) == {"ben": None}
