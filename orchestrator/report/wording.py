"""What the report says, in each language: the words are data (`texts/<language>.yml`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

_TEXTS = Path(__file__).with_name("texts")
LANGUAGES = tuple(sorted((file.stem for file in _TEXTS.glob("*.yml")), key=lambda it: it != "fr"))
_PARIS = ZoneInfo("Europe/Paris")
_NARROW, _NO_BREAK = "\u202f", "\u00a0"


@dataclass(frozen=True)
class Wording:
    """The texts of one language, by dotted names."""

    language: str
    texts: Mapping[str, Any]

    def text(self, name: str, **values: object) -> str:
        """A text with its values put in; one of several forms where it counts `n`.

        Raises KeyError for a text that the language lacks.
        """
        found: Any = self.texts
        for part in name.split("."):
            found = found[part]
        if isinstance(found, dict):
            found = found["one" if values["n"] in self.texts["singular"] else "other"]
        return self.typeset(str(found).strip().format(**values))

    def day(self, moment: str | date) -> str:
        """A date in words, `26 novembre 2026`; a written moment is taken to Paris."""
        day = _local(moment) if isinstance(moment, str) else moment
        number = self.texts["dates"]["first"] if day.day == 1 else str(day.day)
        month = self.texts["dates"]["months"][day.month - 1]
        return f"{number}{_NO_BREAK}{month}{_NO_BREAK}{day.year}"

    def moment(self, written: str) -> str:
        """A written moment with its time of day, in Paris."""
        return self.text("dates.moment", day=self.day(written), time=f"{_local(written):%H:%M}")

    def month(self, moment: datetime) -> str:
        """A short name of a month, for the axis of a plot."""
        return str(self.texts["dates"]["short"][moment.month - 1])

    def typeset(self, text: str) -> str:
        """A text with the unbreakable blanks that its language sets."""
        return french_blanks(text) if self.texts["blanks"] == "french" else text


def french_blanks(text: str) -> str:
    """French typography: an unbreakable blank before `: ; ? ! %` and within « »."""
    text = re.sub(r"[ \u00a0](?=[;?!])", _NARROW, text)
    text = re.sub(r" (?=[:%»])", _NO_BREAK, text)
    return re.sub(r"(?<=[«№]) |(?<=\bn[º°]) ", _NO_BREAK, text)


@cache
def wording(language: str) -> Wording:
    """The texts of a language of `LANGUAGES`."""
    file = _TEXTS / f"{language}.yml"
    return Wording(language, yaml.safe_load(file.read_text("utf-8")))


def _local(written: str) -> datetime:
    return datetime.fromisoformat(written).astimezone(_PARIS)
