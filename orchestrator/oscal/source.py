"""What the documents are made of: what an edition of the report shows, and the chain's links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from orchestrator.catalogue import load_catalogue
from orchestrator.environment import Environment
from orchestrator.operator import commit_of
from orchestrator.oscal.document import Data
from orchestrator.paths import project_root
from orchestrator.report import contents
from orchestrator.report.material import Edition, Material
from orchestrator.report.standing import Standing
from orchestrator.report.wording import Wording, wording
from orchestrator.store.chain import Link


@dataclass(frozen=True)
class Source:
    """An edition's material, in a language, with the link of each run that has one.

    `records` is the directory of the runs' records, seen from the documents, where they lie beside
    each other, else ""; `modified` is the moment to give where no check was looked at.
    """

    material: Material
    language: str
    links: Mapping[int, Link]
    records: str = ""
    modified: str = ""

    @cached_property
    def measures(self) -> Sequence[Data]:
        """The measures as this edition shows them."""
        return contents.measures(self.material)

    @cached_property
    def runs(self) -> Sequence[Data]:
        """The runs that the verdicts rest on."""
        return contents.evidence(self.material)

    @cached_property
    def hosts(self) -> Sequence[Data]:
        """The environment's hosts, as this edition names them."""
        return contents.scope(self.material)

    @cached_property
    def moments(self) -> tuple[str, str]:
        """When the first and the last of those runs began."""
        times = sorted(run["at"] for run in self.runs) or [self.modified]
        return times[0], times[-1]

    @property
    def words(self) -> Wording:
        """The texts of the language."""
        return wording(self.language)

    @property
    def about(self) -> Mapping[str, Any]:
        """What each document says of itself."""
        material = self.material
        return {
            "environment": material.environment.name,
            "edition": material.edition.value,
            "commit": material.commit,
        }

    def text(self, name: str, **values: object) -> str:
        """A text of the language, with its values put in."""
        return self.words.text(name, **values)


def material_of(
    environment: Environment,
    standings: tuple[Standing, ...],
    *,
    edition: Edition,
    max_age: timedelta,
    now: datetime,
) -> Material:
    """What the documents are made of: all measures as they stand, nothing of what was before."""
    return Material(
        environment,
        load_catalogue(),
        edition,
        standings=standings,
        shown=standings,
        points=(),
        before=None,
        changes=(),
        operations={},
        equipment={},
        procedures=(),
        max_age=max_age,
        now=now,
        commit=commit_of(project_root()),
    )
