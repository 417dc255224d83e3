"""One thing that is looked at in the morning, and what there is to say of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CLOCKS_DIFFER = timedelta(hours=1)
_NAMED = 3  # things that a line names before it counts the rest


class Level(StrEnum):
    """How much something matters, the worst last: they are in order.

    `attention` needs a hand, `unknown` should be known and is not, `alarm` is broken now.
    """

    OK = "ok"
    ATTENTION = "attention"
    UNKNOWN = "unknown"
    ALARM = "alarm"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Level).index(self)


@dataclass(frozen=True)
class Point:
    """One thing to say: of what (`rbx7/system`, or "" for the whole), and what to type next."""

    level: Level
    what: str
    about: str = ""
    next_step: str = ""

    @property
    def sentence(self) -> str:
        """The same as one reads it."""
        return f"{self.about}: {self.what}" if self.about else self.what


@dataclass(frozen=True)
class Subject:
    """All that there is to say of one subject; `known` is when the oldest part of it was seen."""

    name: str
    points: tuple[Point, ...]
    known: datetime | None = None

    @property
    def level(self) -> Level:
        """That of its worst point; of what nothing is said, nothing is known."""
        return max((one.level for one in self.points), key=_rank, default=Level.UNKNOWN)

    @property
    def worst_first(self) -> tuple[Point, ...]:
        """Its points in the order in which they matter."""
        return tuple(sorted(self.points, key=lambda one: -one.level.rank))

    @property
    def headline(self) -> str:
        """Its worst point, and how many more need a hand."""
        if not self.points:
            return "nothing is known of it"
        first, *rest = self.worst_first
        more = sum(one.level is not Level.OK for one in rest)
        return first.sentence + (f" (+{more})" if more else "")

    @property
    def next_step(self) -> str:
        """What to type about its worst point; "" when all is well."""
        return self.worst_first[0].next_step if self.points else ""


def worst(levels: Sequence[Level]) -> Level:
    """The worst of several; of nothing, nothing is known."""
    return max(levels, key=_rank, default=Level.UNKNOWN)


def is_recent(moment: datetime, now: datetime, oldest: timedelta) -> bool:
    """Whether something was seen within a time; what is of the future was not seen."""
    return -CLOCKS_DIFFER <= now - moment <= oldest


def age(moment: datetime, now: datetime) -> str:
    """How long ago something was, in a few letters: `40 min`, `7 h`, `12 d`; `?` in the future."""
    hours = (now - moment) / timedelta(hours=1)
    if hours < -CLOCKS_DIFFER / timedelta(hours=1):
        return "?"
    if hours < 1:
        return f"{max(hours, 0) * 60:.0f} min"
    return f"{int(hours)} h" if hours < 72 else f"{int(hours / 24)} d"


def named(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    shown = ", ".join(names[:_NAMED])
    return f"{shown}, …" if len(names) > _NAMED else shown


def _rank(level: Level) -> int:
    return level.rank
