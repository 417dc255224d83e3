"""The measures of the PAS: read `measures.yml` once, look measures up by number."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml

from orchestrator.errors import PasInfraError

CATALOGUE_FILE = Path(__file__).with_name("measures.yml")

_TAG = re.compile(r"pas_(\d+)_(\d+)_(\d+)")


class Kind(StrEnum):
    """What chiefly keeps a measure: software, a dated record, or people and their procedures."""

    TECHNICAL = "technical"
    EVIDENCE = "evidence"
    ORGANISATIONAL = "organisational"


@dataclass(frozen=True)
class Measure:
    """One commitment of the PAS; title, summary, owner (a role) and note are French, for clients.

    `note` names a known error of the reference text and the meaning retained, else it is "".
    `unproven` says what no check looks at yet, else it is "".
    """

    number: str
    title: str
    summary: str
    kind: Kind
    owner: str
    note: str = ""
    unproven: str = ""

    @property
    def chapter(self) -> str:
        """The chapter's number: `6` of `6.2.1`."""
        return self.number.split(".", 1)[0]


@dataclass(frozen=True)
class Chapter:
    """A chapter of the PAS, with its French title."""

    number: str
    title: str


def measure_key(number: str) -> tuple[int, ...]:
    """The sort key of a number, so that 6.2.10 follows 6.2.9."""
    return tuple(int(part) for part in number.split("."))


def tag_of(number: str) -> str:
    """The Ansible tag of a measure: `pas_6_2_1` of `6.2.1`."""
    return "pas_" + number.replace(".", "_")


def measure_of(tag: str) -> str | None:
    """The number that a tag has the form of (`6.2.1` of `pas_6_2_1`), or None for any other tag."""
    match = _TAG.fullmatch(tag)
    return ".".join(match.groups()) if match else None


@dataclass(frozen=True)
class Catalogue:
    """All chapters and measures, in the order of their numbers."""

    chapters: tuple[Chapter, ...]
    measures: tuple[Measure, ...]

    def __iter__(self) -> Iterator[Measure]:
        return iter(self.measures)

    def __len__(self) -> int:
        return len(self.measures)

    def __contains__(self, number: object) -> bool:
        return any(measure.number == number for measure in self.measures)

    def __getitem__(self, number: str) -> Measure:
        """The measure of that number; raises `PasInfraError`, naming near ones."""
        for measure in self.measures:
            if measure.number == number:
                return measure
        raise self._unknown(number)

    def below(self, prefix: str) -> tuple[Measure, ...]:
        """The measures of a number, a section (`6.2`) or a chapter (`6`), in order.

        Raises `PasInfraError`, naming near ones, if there is none.
        """
        wanted = prefix.rstrip(".")
        found = self._starting_with(wanted)
        if not found:
            raise self._unknown(wanted)
        return found

    def _starting_with(self, prefix: str) -> tuple[Measure, ...]:
        return tuple(m for m in self.measures if f"{m.number}.".startswith(f"{prefix}."))

    def _unknown(self, number: str) -> PasInfraError:
        near = number
        while "." in near:
            near = near.rpartition(".")[0]
            if siblings := self._starting_with(near):
                numbers = ", ".join(measure.number for measure in siblings)
                return PasInfraError(
                    f"there is no measure {number}", next_step=f"below {near} there are: {numbers}"
                )
        first, last = self.chapters[0].number, self.chapters[-1].number
        return PasInfraError(
            f"there is no measure {number}",
            next_step=f"chapters go from {first} to {last}; `pas-infra measures` lists them all",
        )


@cache
def load_catalogue() -> Catalogue:
    """The catalogue that travels with the program; its form is proven by the unit tests."""
    data = yaml.load(
        CATALOGUE_FILE.read_text(encoding="utf-8"),
        Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # noqa: S506 - both are safe loaders
    )
    chapters = (Chapter(**entry) for entry in data["chapters"])
    measures = (Measure(**entry | {"kind": Kind(entry["kind"])}) for entry in data["measures"])
    return Catalogue(
        chapters=tuple(sorted(chapters, key=lambda chapter: measure_key(chapter.number))),
        measures=tuple(sorted(measures, key=lambda measure: measure_key(measure.number))),
    )
