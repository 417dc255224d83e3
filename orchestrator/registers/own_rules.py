"""The rules that one register needs of its own; otherwise as in `rules`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date

from orchestrator.environment.documents import departure
from orchestrator.environment.registers import Recorded, Register
from orchestrator.procedures import procedures
from orchestrator.registers.exercises import exercise_due, held
from orchestrator.registers.facts import Facts, NothingToJudge
from orchestrator.registers.intervals import months_after
from orchestrator.registers.rules import Fault, add


def documented(register: Register, facts: Facts, *, measure: str, months: int) -> Iterator[Fault]:
    """A document that is in force, unchanged and looked at lately treats the measure."""
    treating = [entry for entry in facts.standing("documents") if measure in entry.data["measures"]]
    if not treating:
        yield Fault(None, f"no document treats {measure}", add(register, "measures", measure))
    for entry in treating:
        yield from _altered(entry, facts)
        due = months_after(date.fromisoformat(entry.data["approved_on"]), months)
        if due < facts.today:
            what = f"{entry.data['document']}: its next approval was due on {due}"
            yield Fault(entry, what, add(register, "document", entry.data["document"]))


def exercised(register: Register, facts: Facts, *, measure: str) -> Iterator[Fault]:
    """Each procedure whose page treats the measure was exercised as often as the page asks for.

    Raises NothingToJudge when no page that treats it asks for exercises.
    """
    wanted = [one for one in procedures() if one.exercise_months and measure in one.measures]
    if not wanted:
        raise NothingToJudge(f"no procedure that is to be exercised treats {measure}")
    for procedure in wanted:
        due, step = exercise_due(procedure, facts), add(register, "procedure", procedure.name)
        if due is None:
            yield Fault(None, f"{procedure.name}: neither approved nor ever exercised", step)
        elif due < facts.today:
            yield Fault(None, f"{procedure.name}: its exercise was due on {due}", step)
        for entry in held(procedure, facts):
            if date.fromisoformat(entry.data["held_on"]) > facts.today:
                what = f"{procedure.name}: `held_on` is {entry.data['held_on']}, a day to come"
                yield Fault(entry, what, "end that entry (`ended`), and once it is held: " + step)


def approved(register: Register, facts: Facts, *, document: str, role: str) -> Iterator[Fault]:
    """A document was approved, as it stands, by somebody who holds a role."""
    found = facts.standing("documents", {"document": document})
    if not found:
        yield Fault(None, f"there is no `{document}`", add(register, "document", document))
    for entry in found:
        by, holders = entry.data["approved_by"], facts.holders_of(role)
        if by not in holders:
            known = ", ".join(holders) or "nobody"
            what = f"{document}: approved by {by}; {role} is {known}"
            yield Fault(entry, what, add(register, "document", document))
        yield from _altered(entry, facts)


def kept_apart(register: Register, facts: Facts) -> Iterator[Fault]:
    """Nobody holds two duties that exclude each other, unless the risk of it was accepted.

    A duty is a role of the register `roles`, or a right of people.yml.
    """
    duties = _duties(facts)
    for entry in facts.standing(register.definition.name):
        first, second = entry.data["first"], entry.data["second"]
        for name in (first, second):
            if name not in duties and name not in {right.name for right in facts.people.rights}:
                what = f"`{name}` is neither a role nor a right of people.yml"
                yield Fault(entry, what, "correct the name: " + add(register))
        both = sorted(duties.get(first, set()) & duties.get(second, set()))
        if both and not _accepted(facts, entry.data.get("risk")):
            what = f"{', '.join(both)}: both {first} and {second} ({entry.data['reason']})"
            yield Fault(entry, what, "give one of them to somebody else, or accept the risk of it")


def handed_back(register: Register, facts: Facts) -> Iterator[Fault]:
    """Whoever has left has nothing any more, and no account."""
    present = set(facts.names["persons"])
    for entry in facts.standing(register.definition.name, {"returned": [None]}):
        person = entry.data["person"]
        if person not in present:
            what = f"{person} has left, and still has {entry.data['asset']}"
            yield Fault(entry, what, add(register, "asset", entry.data["asset"]))
    staff = facts.registers["personnel"]
    stay = {entry.data["person"] for entry in staff.standing(facts.today)}
    gone = {entry.data["person"] for entry in staff.entries} - stay
    for account in sorted(gone & set(facts.names["accounts"])):
        what = f"{account} has left, and stands in people.yml"
        yield Fault(None, what, f"`pas-infra access revoke {account}`")


def located(register: Register, facts: Facts) -> Iterator[Fault]:
    """The place and the supplier of each host are those that environment.yml declares."""
    hosts = {host.name: host for host in facts.hosts}
    for entry in facts.standing(register.definition.name):
        host = hosts.get(entry.data["host"])
        if host is None:
            what = f"{entry.data['host']} is no host of environment.yml"
            yield Fault(entry, what, "enter that it has ended: " + add(register))
            continue
        declared = {
            "city": host.place.city, "country": host.place.country, "supplier": host.supplier
        }  # fmt: skip
        for field, value in declared.items():
            if entry.data[field] != value:
                what = f"{host.name}: {field} `{entry.data[field]}`, environment.yml says `{value}`"
                yield Fault(entry, what, add(register, "host", host.name))


def _altered(entry: Recorded, facts: Facts) -> Iterator[Fault]:
    says = {"missing": "is missing", "altered": "is not the one that was approved"}
    found = departure(facts.environment.directory, entry.data)
    if found:
        what = f"{entry.data['document']}: {entry.data['file']} {says[found]}"
        step = "bring it back, or have it approved: `pas-infra register add documents`"
        yield Fault(entry, what, step)


def _duties(facts: Facts) -> Mapping[str, set[str]]:
    """Who holds what: roles, deputies included, and rights."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in facts.standing("roles"):
        found[entry.data["role"]] |= set(facts.holders_of(entry.data["role"]))
    for person in facts.people.persons:
        for right in person.rights:
            found[right].add(person.account)
    return found


def _accepted(facts: Facts, risk: str | None) -> bool:
    return risk is not None and any(
        date.fromisoformat(entry.data["until"]) >= facts.today
        for entry in facts.standing("risk_acceptances", {"risk": risk})
    )
