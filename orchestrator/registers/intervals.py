"""Months and hours, as deadlines count them."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta


def months_after(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month when it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def moment(text: str, *, end: bool = False) -> datetime:
    """A moment of a register, or the beginning (the `end`) of a day of one, in UTC."""
    if "T" in text:
        return datetime.fromisoformat(text).astimezone(UTC)
    return datetime.combine(date.fromisoformat(text), time.max if end else time.min, UTC)


def deadline(since: str, *, hours: int = 0, days: int = 0, months: int = 0) -> datetime:
    """The last moment of what must happen within a time of `since`.

    A whole day counts to its end, in the favour of whoever had to act.
    """
    start = moment(since, end=True) + timedelta(hours=hours, days=days)
    if not months:
        return start
    return datetime.combine(months_after(start.date(), months), start.timetz())
