"""What is promised to clients in figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Commitments:
    """The times that are promised to clients, where the contract says no other."""

    incident_hours: int = 24
    breach_hours: int = 48
    change_days: int = 14


STANDARD = Commitments()
