"""When procedures are exercised: what the check of a measure and the report both go by."""

from datetime import date

from orchestrator.environment.registers import Recorded
from orchestrator.procedures import Procedure
from orchestrator.registers.facts import Facts
from orchestrator.registers.intervals import months_after


def held(procedure: Procedure, facts: Facts) -> tuple[Recorded, ...]:
    """The exercises of a procedure that are entered, also those of days to come."""
    return facts.standing("procedure_exercises", {"procedure": procedure.name})


def exercise_due(procedure: Procedure, facts: Facts) -> date | None:
    """The last day of the next exercise; None when none is asked for, or nothing to count from.

    It counts from the last exercise that was held, and before there is one from the procedure's
    first approval: approving it again is no exercise, nor is one that is planned.
    """
    if not procedure.exercise_months:
        return None
    days = [date.fromisoformat(entry.data["held_on"]) for entry in held(procedure, facts)]
    last = max((day for day in days if day <= facts.today), default=None)
    since = last or _first_approval(procedure, facts)
    return months_after(since, procedure.exercise_months) if since else None


def _first_approval(procedure: Procedure, facts: Facts) -> date | None:
    days = (
        date.fromisoformat(entry.data["approved_on"])
        for entry in facts.registers["documents"].uncorrected
        if entry.data["document"] == procedure.name
    )
    return min(days, default=None)
