"""Which archives of a data set are kept: one of each of the last days, weeks and months."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from orchestrator.backup.entries import Entry
from orchestrator.errors import PasInfraError

VARIABLE = "backup_source_keep"
_PERIODS: Mapping[str, Callable[[datetime], object]] = {
    "daily": lambda moment: moment.date(),
    "weekly": lambda moment: moment.isocalendar()[:2],
    "monthly": lambda moment: (moment.year, moment.month),
}


@dataclass(frozen=True)
class Retention:
    """Of how many of the last days, weeks and months that have an archive one is kept (UTC)."""

    daily: int
    weekly: int
    monthly: int

    @classmethod
    def from_data(cls, declared: Mapping[str, Any]) -> Self:
        """As it is declared; raises PasInfraError for what keeps nothing, or is no number."""
        numbers = {name: declared.get(name) for name in _PERIODS}
        if set(declared) != set(_PERIODS) or not all(
            isinstance(number, int) and number >= 0 for number in numbers.values()
        ):
            raise PasInfraError(
                f"{VARIABLE} has to say how many of `daily`, `weekly` and `monthly` are kept",
                next_step="for example {daily: 35, weekly: 12, monthly: 12}, in group_vars",
            )
        if not any(numbers.values()):
            raise PasInfraError(
                f"{VARIABLE} would keep nothing", next_step="let it keep the last day at least"
            )
        return cls(**{name: int(number or 0) for name, number in numbers.items()})

    def kept(self, entries: Iterable[Entry]) -> set[str]:
        """The names of the archives that are kept; the last one always is."""
        newest_first = sorted(entries, key=lambda one: one.archive, reverse=True)
        found = {one.archive for one in newest_first[:1]}
        for name, period in _PERIODS.items():
            last_of: dict[object, str] = {}
            for one in newest_first:
                last_of.setdefault(period(one.begun), one.archive)
            found |= set(list(last_of.values())[: getattr(self, name)])
        return found
