"""How the operating procedures stand in an environment, by its registers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from orchestrator.environment.documents import departure
from orchestrator.environment.register_definitions import register_definition
from orchestrator.procedures import Procedure, procedures
from orchestrator.registers.exercises import exercise_due
from orchestrator.registers.facts import Facts
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
    """A procedure with its approval in an environment; the days are None where there are none.

    `next_review` and `next_exercise` are the last days on which they are in time.
    """

    procedure: Procedure
    approval: Approval
    version: str = ""
    approved_on: date | None = None
    next_review: date | None = None
    next_exercise: date | None = None


def approvals(facts: Facts) -> tuple[Approved, ...]:
    """How each procedure stands by what the registers of an environment say."""
    entries = {entry.data["document"]: entry.data for entry in facts.standing("documents")}
    return tuple(
        _approval(one, entries[one.name], facts)
        if one.name in entries
        else Approved(one, Approval.MISSING)
        for one in procedures()
    )


def _approval(procedure: Procedure, entry: Mapping[str, Any], facts: Facts) -> Approved:
    approved_on = date.fromisoformat(entry["approved_on"])
    due = months_after(approved_on, _review_months())
    next_exercise = exercise_due(procedure, facts)
    if departure(facts.environment.directory, entry):
        approval = Approval.ALTERED
    elif due < facts.today:
        approval = Approval.OVERDUE
    elif next_exercise and next_exercise < facts.today:
        approval = Approval.NOT_EXERCISED
    else:
        approval = Approval.IN_FORCE
    return Approved(procedure, approval, entry["version"], approved_on, due, next_exercise)


def _review_months() -> int:
    """How often the register asks for a new approval: in one place, its definition."""
    checks = register_definition("documents").checks
    months = (c.parameters["months"] for c in checks if c.name == "procedures_are_approved")
    return int(next(months))
