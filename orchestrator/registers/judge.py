"""Judging registers: what each of their checks says at a moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestrator.environment.register_definitions import RegisterCheck
from orchestrator.environment.registers import Recorded, Register
from orchestrator.records import Verdict
from orchestrator.registers import own_rules, rules
from orchestrator.registers.facts import Facts, NothingToJudge
from orchestrator.registers.intervals import months_after
from orchestrator.registers.rules import Rule

RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        rules.exists, rules.covers, rules.reviewed, rules.renewed, rules.unexpired, rules.satisfies,
        rules.present, rules.in_time, rules.ahead, rules.followed_up, rules.constant, rules.at_most,
        rules.among,
        own_rules.documented, own_rules.approved, own_rules.kept_apart, own_rules.handed_back,
        own_rules.located, own_rules.exercised,
    )
}  # fmt: skip

_TIMES = ("hours", "days")


@dataclass(frozen=True)
class Finding:
    """Something overdue, missing or wrong in a register; `line` and `entry` are 1-based."""

    register: str
    check: str
    measures: tuple[str, ...]
    file: Path
    line: int | None
    entry: int | None
    what: str
    next_step: str

    @property
    def where(self) -> str:
        """`file:line`, the form that editors and terminals make clickable."""
        return f"{self.file}:{self.line}" if self.line else str(self.file)


@dataclass(frozen=True)
class Judgement:
    """What one check of a register says; `reason` is why it is unmeasured."""

    register: str
    check: RegisterCheck
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class RegisterState:
    """A register: what stands in it, when it was last reviewed, and what is wrong."""

    register: Register
    standing_entries: tuple[Recorded, ...]
    last_review: date | None
    next_review: date | None
    judgements: tuple[Judgement, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is wrong with it."""
        return tuple(finding for one in self.judgements for finding in one.findings)


def judge(facts: Facts, register: Register, check: RegisterCheck) -> Judgement:
    """What a check says of a register."""
    name = register.definition.name
    try:
        faults = list(RULES[check.rule](register, facts, **_parameters(check, facts)))
    except NothingToJudge as nothing:
        return Judgement(name, check, Verdict.UNMEASURED, reason=str(nothing))
    findings = tuple(
        Finding(
            register=name,
            check=check.name,
            measures=check.measures,
            file=register.file,
            line=fault.entry.line if fault.entry else None,
            entry=fault.entry.number if fault.entry else None,
            what=fault.what,
            next_step=fault.next_step,
        )
        for fault in faults
    )
    return Judgement(name, check, Verdict.FAILS if findings else Verdict.HOLDS, findings)


def next_due(facts: Facts, register: Register, check: RegisterCheck) -> date | None:
    """The last day on which what a check asks for every so many months is to be done again."""
    given = dict(check.parameters)
    months = given.pop("months", None)
    if check.rule == rules.reviewed.__name__:
        last = facts.last_review(register.definition.name)
    elif check.rule == rules.renewed.__name__:
        last = rules.newest(register, facts, **given)
    else:
        return None
    return months_after(last, months) if last else None


def states(facts: Facts, names: Iterable[str] = ()) -> Sequence[RegisterState]:
    """The state of the registers named, or of all."""
    chosen = list(names) or list(facts.registers)
    return [_state(facts, facts.registers[name]) for name in chosen]


def _parameters(check: RegisterCheck, facts: Facts) -> Mapping[str, Any]:
    """The check's parameters; a time that has a name is one of the environment's commitments."""
    return {
        name: getattr(facts.environment.commitments, value)
        if name in _TIMES and isinstance(value, str)
        else value
        for name, value in check.parameters.items()
    }


def _state(facts: Facts, register: Register) -> RegisterState:
    definition = register.definition
    last, months = facts.last_review(definition.name), definition.review_months
    return RegisterState(
        register=register,
        standing_entries=register.standing(facts.today),
        last_review=last,
        next_review=months_after(last, months) if last and months else None,
        judgements=tuple(judge(facts, register, check) for check in definition.checks),
    )
