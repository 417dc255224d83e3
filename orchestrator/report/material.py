"""What a report is made of, before an edition chooses from it what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.catalogue import Catalogue
from orchestrator.environment import Environment
from orchestrator.inventory.take import Last
from orchestrator.records import Run
from orchestrator.registers.approvals import Approved
from orchestrator.report.past import Change, Point
from orchestrator.report.standing import Standing


class Edition(StrEnum):
    """For whom a report is: a client and their auditor, or ourselves."""

    CLIENT = "client"
    INTERNAL = "internal"


@dataclass(frozen=True)
class Material:
    """All that a report is made of; `shown` are those of the `standings` that were asked for."""

    environment: Environment
    catalogue: Catalogue
    edition: Edition
    standings: tuple[Standing, ...]
    shown: tuple[Standing, ...]
    points: tuple[Point, ...]
    before: Run | None
    changes: tuple[Change, ...]
    operations: Mapping[str, Run | None]
    equipment: Mapping[str, Last | None]
    procedures: tuple[Approved, ...]
    max_age: timedelta
    now: datetime
    commit: str

    @property
    def internal(self) -> bool:
        """Whether it is for ourselves."""
        return self.edition is Edition.INTERNAL
