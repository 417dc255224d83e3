"""How the operating procedures stand in an environment, by its register `documents`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.environment.documents import departure
from orchestrator.environment.register_definitions import register_definition
from orchestrator.environment.registers import Recorded
from orchestrator.procedures import Procedure, procedures
from orchestrator.registers.intervals import months_after


class Approval(StrEnum):
    """How a procedure stands in an environment."""

    IN_FORCE = "in force"
    MISSING = "not approved"
    ALTERED = "altered since"
    OVERDUE = "review overdue"
    NOT_EXERCISED = "exercise overdue"


@dataclass(frozen=True)
class Approved:
    """A procedure with its approval in an environment; the days are None where nobody said one."""

    procedure: Procedure
    approval: Approval
    version: str = ""
    approved_on: date | None = None
    next_review: date | None = None
    next_exercise: date | None = None


def approvals(directory: Path, documents: Iterable[Recorded], today: date) -> tuple[Approved, ...]:
    """How each procedure stands by the entries of the register `documents` that stand on a day."""
    entries = {entry.data["document"]: entry.data for entry in documents}
    return tuple(
        _approval(directory, one, entries[one.name], today)
        if one.name in entries
        else Approved(one, Approval.MISSING)
        for one in procedures()
    )


def _approval(
    directory: Path, procedure: Procedure, entry: Mapping[str, Any], today: date
) -> Approved:
    approved_on = date.fromisoformat(entry["approved_on"])
    due = months_after(approved_on, _review_months())
    exercise = entry.get("next_exercise")
    next_exercise = date.fromisoformat(exercise) if exercise else None
    if departure(directory, entry):
        approval = Approval.ALTERED
    elif due < today:
        approval = Approval.OVERDUE
    elif procedure.exercise_months and (next_exercise is None or next_exercise < today):
        approval = Approval.NOT_EXERCISED
    else:
        approval = Approval.IN_FORCE
    return Approved(procedure, approval, entry["version"], approved_on, due, next_exercise)


def _review_months() -> int:
    """How often the register asks for a new approval: in one place, its definition."""
    checks = register_definition("documents").checks
    months = (c.parameters["months"] for c in checks if c.name == "procedures_are_approved")
    return int(next(months))
