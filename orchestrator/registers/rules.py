"""The rules by which registers are judged: each gives the faults of one register.

A definition names a rule and gives it its parameters. `where` leaves the entries whose fields are
as it says. A rule raises NothingToJudge where there is nothing that it could be about.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from orchestrator.environment.registers import Recorded, Register
from orchestrator.registers.facts import Facts, NothingToJudge, matches
from orchestrator.registers.intervals import deadline, moment, months_after

Where = Mapping[str, Any] | None


@dataclass(frozen=True)
class Fault:
    """What is wrong, with which entry (None: with the register as a whole), and what to do."""

    entry: Recorded | None
    what: str
    next_step: str


Rule = Callable[..., Iterator[Fault]]


def exists(register: Register, facts: Facts, *, where: Where = None) -> Iterator[Fault]:
    """There is an entry that stands."""
    if not facts.standing(register.definition.name, where):
        wanted = f" with {_spoken(where)}" if where else ""
        yield Fault(None, f"no entry{wanted}", add(register))


def covers(
    register: Register, facts: Facts, *, of: str, by: str, of_where: Where = None,
    where: Where = None, months: int | None = None, on: str = "date",
    version_of: str | None = None,
) -> Iterator[Fault]:  # fmt: skip
    """Each of `of` is named by field `by` of an entry that stands.

    `of` is a list of the facts, or REGISTER.FIELD of what stands in another register. The entry's
    day (`on`) is not longer ago than `months`; its `version` is the one of the document
    `version_of` that is in force.
    """
    wanted, named = _wanted(facts, of, of_where), of.partition(".")[0]
    found: dict[str, Recorded] = {}
    for entry in facts.standing(register.definition.name, where):
        values = entry.data.get(by, ())
        for value in values if isinstance(values, list) else [values]:
            if value not in found or entry.data[on] >= found[value].data[on]:
                found[value] = entry
    version = _version(facts, version_of) if version_of else None
    for name in wanted:
        if name not in found:
            yield Fault(None, f"nothing on {name} ({named})", add(register, by, name))
            continue
        entry = found[name]
        if months and months_after(date.fromisoformat(entry.data[on]), months) < facts.today:
            what = f"{name}: the last is of {entry.data[on]}, more than {months} months ago"
            yield Fault(entry, what, add(register, by, name))
        if version and entry.data["version"] != version:
            what = f"{name}: version {entry.data['version']}, but {version} is in force"
            yield Fault(entry, what, add(register, by, name))


def reviewed(register: Register, facts: Facts, *, months: int) -> Iterator[Fault]:
    """The register was reviewed as a whole, by `pas-infra register review`."""
    last, step = facts.last_review(register.definition.name), review(register)
    if last is None:
        yield Fault(None, "never reviewed", step)
    elif months_after(last, months) < facts.today:
        yield Fault(None, f"the review was due on {months_after(last, months)}", step)


def renewed(
    register: Register, facts: Facts, *, months: int, where: Where = None, on: str = "date"
) -> Iterator[Fault]:
    """The newest entry, by its day in field `on`, is not older than so many months."""
    last = newest(register, facts, where=where, on=on)
    if last is None:
        yield Fault(None, "no entry", add(register))
    elif months_after(last, months) < facts.today:
        yield Fault(None, f"the next was due on {months_after(last, months)}", add(register))


def newest(
    register: Register, facts: Facts, *, where: Where = None, on: str = "date"
) -> date | None:
    """The last day that stands in a field of the register."""
    entries = facts.standing(register.definition.name, where)
    return max((date.fromisoformat(entry.data[on]) for entry in entries), default=None)


def unexpired(register: Register, facts: Facts, *, field: str) -> Iterator[Fault]:
    """The day in a field has not passed."""
    for entry in facts.standing(register.definition.name):
        day = entry.data.get(field)
        if day and date.fromisoformat(day) < facts.today:
            yield Fault(entry, f"`{field}` was {day}", f"renew it: {add(register)}")


def satisfies(
    register: Register, facts: Facts, *, must: Mapping[str, Any], where: Where = None
) -> Iterator[Fault]:
    """Each entry's fields are as `must` says: equal, among the values of a list, or just there.

    `any` is satisfied by whatever stands there.
    """
    for entry in facts.standing(register.definition.name, where):
        for field, wanted in must.items():
            value = entry.data.get(field)
            if value is None or (wanted != "any" and wanted not in _as_list(value)):
                shown = "missing" if value is None else _shown(value)
                ought = "" if wanted == "any" else f", not {_shown(wanted)}"
                yield Fault(entry, f"`{field}` is {shown}{ought}", add(register))


def among(
    register: Register, facts: Facts, *, field: str, values: Sequence[str], where: Where = None
) -> Iterator[Fault]:
    """A field of each entry is there, and one of the values."""
    for entry in facts.standing(register.definition.name, where):
        value = entry.data.get(field)
        if value not in values:
            shown = "missing" if value is None else f"{_shown(value)}, none of {', '.join(values)}"
            subject = ", ".join(str(entry.data[key]) for key in register.definition.key)
            yield Fault(entry, f"{subject}: `{field}` is {shown}", add(register))


def present(register: Register, facts: Facts, *, fields: Sequence[str]) -> Iterator[Fault]:
    """The persons in the fields have not left."""
    known = facts.names["persons"]
    for entry in facts.standing(register.definition.name):
        for field in fields:
            person = entry.data.get(field)
            if person and person not in known:
                yield Fault(entry, f"`{field}` is {person}, who has left", add(register))


def in_time(
    register: Register, facts: Facts, *, since: str, done: str, where: Where = None,
    hours: int = 0, days: int = 0, months: int = 0,
) -> Iterator[Fault]:  # fmt: skip
    """What field `done` tells happened within a time of field `since`, or still can."""
    for entry in facts.standing(register.definition.name, where):
        last = deadline(entry.data[since], hours=hours, days=days, months=months)
        happened = entry.data.get(done)
        if happened is None:
            if last < facts.now:
                yield Fault(entry, f"`{done}` was due by {_when(last)}", add(register))
        elif moment(happened) > last and not _looked_at(register, facts, happened):
            what = f"`{done}` is {happened}, it was due by {_when(last)}"
            yield Fault(entry, what, review(register))


def ahead(
    register: Register, facts: Facts, *, first: str, then: str, days: int = 0, where: Where = None
) -> Iterator[Fault]:
    """Field `first` is so many days before field `then`, or on the same day."""
    for entry in facts.standing(register.definition.name, where):
        if then not in entry.data:
            continue
        last = date.fromisoformat(entry.data[then]) - timedelta(days=days)
        happened = entry.data.get(first)
        if happened is None:
            if facts.today > last:
                yield Fault(entry, f"`{first}` was due by {last}", add(register))
        elif date.fromisoformat(happened) > last and not _looked_at(register, facts, happened):
            what = f"`{first}` is {happened}, it was due by {last}"
            yield Fault(entry, what, review(register))


def followed_up(
    register: Register, facts: Facts, *, days: int, where: Where = None
) -> Iterator[Fault]:
    """What is not settled was written about within so many days."""
    for entry in facts.standing(register.definition.name, where):
        last = date.fromisoformat(entry.data["date"]) + timedelta(days=days)
        if last < facts.today:
            what = f"open, and nothing was entered since {entry.data['date']}"
            yield Fault(entry, what, add(register))


def constant(register: Register, facts: Facts, *, by: str, field: str) -> Iterator[Fault]:
    """A field never changes from one entry of the same `by` to the next."""
    del facts
    first: dict[Any, Recorded] = {}
    for entry in register.uncorrected:
        before = first.setdefault(entry.data[by], entry)
        if before.data[field] != entry.data[field]:
            what = (
                f"{entry.data[by]}: `{field}` is {_shown(entry.data[field])}, entry "
                f"{before.number} says {_shown(before.data[field])}"
            )
            yield Fault(entry, what, "use another one, or correct the entry that is wrong")


def at_most(
    register: Register, facts: Facts, *, field: str, limit: str, where: Where = None
) -> Iterator[Fault]:
    """A number is not above the one that another field commits to."""
    for entry in facts.standing(register.definition.name, where):
        value, most = entry.data[field], entry.data[limit]
        if value > most and not _looked_at(register, facts, entry.data["date"]):
            yield Fault(entry, f"`{field}` is {value}, above `{limit}` {most}", review(register))


def add(register: Register, field: str = "", value: str = "") -> str:
    """The command that adds what is missing."""
    command = register.definition.command
    if command:
        return f"`{command} --env {register.environment}`"
    given = f" --set {field}={shlex.quote(value)}" if field else ""
    return (
        f"`pas-infra register add {register.definition.name} --env {register.environment}{given}`"
    )


def review(register: Register) -> str:
    """The command that records that somebody looked."""
    command = f"pas-infra register review {register.definition.name} --env {register.environment}"
    return f"look at it, then `{command}`"


def _wanted(facts: Facts, of: str, where: Where) -> list[str]:
    name, dot, field = of.partition(".")
    if dot:
        entries = facts.standing(name)
        found = [
            str(value)
            for entry in entries
            if matches(entry.data, where)
            for value in _as_list(entry.data[field])
        ]
        if not entries:
            raise NothingToJudge(f"the register {name} has no entry")
    else:
        found = list(facts.names[of])
        if not found:
            raise NothingToJudge(f"the environment declares no {of}")
    return list(dict.fromkeys(found))


def _version(facts: Facts, document: str) -> str:
    for entry in facts.standing("documents", {"document": document}):
        return str(entry.data["version"])
    raise NothingToJudge(f"the register documents has no `{document}`")


def _looked_at(register: Register, facts: Facts, happened: str) -> bool:
    """Whether the register was reviewed since: what was late once is not late for ever."""
    last = facts.last_review(register.definition.name)
    return last is not None and last >= moment(happened).date()


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"`{', '.join(map(str, _as_list(value)))}`"


def _spoken(where: Where) -> str:
    return ", ".join(f"{field} {_shown(value)}" for field, value in (where or {}).items())


def _when(last: Any) -> str:
    return f"{last:%Y-%m-%d %H:%M} UTC"
