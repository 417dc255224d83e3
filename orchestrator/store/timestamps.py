"""Moments as the store and the lock write them: ISO 8601 in UTC, to the second."""

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """Write a moment, `2026-03-01T22:15:00Z`; one without a zone is taken as local time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_time(written: str) -> str:
    """Show a written moment in the reader's own time zone, `2026-03-01 23:15:00 CET`."""
    return f"{datetime.fromisoformat(written).astimezone():%Y-%m-%d %H:%M:%S %Z}"
