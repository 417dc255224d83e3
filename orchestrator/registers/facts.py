"""What the rules compare registers with: the environment, the other registers, and the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from orchestrator.catalogue import load_catalogue
from orchestrator.environment import Environment, Host, People
from orchestrator.environment.register_names import chapters
from orchestrator.environment.registers import Recorded, Register, read_registers
from orchestrator.procedures import procedures


class NothingToJudge(Exception):
    """There is nothing that the rule could be about: neither kept nor broken."""


@dataclass(frozen=True)
class Facts:
    """The environment as the rules see it at a moment; `names` are what must be covered."""

    environment: Environment
    now: datetime
    registers: Mapping[str, Register]
    names: Mapping[str, Sequence[str]]

    @property
    def today(self) -> date:
        """The day on which the registers are judged."""
        return self.now.date()

    @property
    def people(self) -> People:
        """What people.yml declares; nobody without it."""
        return self.environment.people or People((), (), ())

    @property
    def hosts(self) -> Sequence[Host]:
        """The hosts of the environment."""
        return self.environment.hosts

    def standing(self, name: str, where: Mapping[str, Any] | None = None) -> tuple[Recorded, ...]:
        """What counts today in a register, as far as its fields are as `where` says."""
        return tuple(
            entry
            for entry in self.registers[name].standing(self.today)
            if matches(entry.data, where)
        )

    def last_review(self, name: str) -> date | None:
        """The day on which a register was last reviewed as a whole."""
        days = [
            date.fromisoformat(entry.data["date"])
            for entry in self.standing("register_reviews", {"register": name})
        ]
        return max(days, default=None)

    def holders_of(self, role: str) -> tuple[str, ...]:
        """The persons who hold a role of the organisation, deputies included."""
        return tuple(
            person
            for entry in self.standing("roles", {"role": role})
            for person in (entry.data["person"], entry.data.get("deputy"))
            if person
        )


def facts_of(environment: Environment, now: datetime | None = None) -> Facts:
    """The facts of a valid environment; `now` is by its own account, or the real time.

    A lab's registers are examples, so it may declare the day on which they are judged. Raises
    ConfigurationInvalid when a register is not valid.
    """
    real = now or datetime.now(UTC)
    declared = environment.registers_as_of
    judged = datetime.combine(declared, time(12), UTC) if declared else real
    return gather(environment, read_registers(environment.directory, real.date()), judged)


def gather(environment: Environment, registers: Mapping[str, Register], judged: datetime) -> Facts:
    """The facts at a moment."""
    accounts = [one.account for one in environment.people.persons] if environment.people else []
    staff = [str(one.data["person"]) for one in registers["personnel"].standing(judged.date())]
    names = {
        "accounts": accounts,
        "persons": list(dict.fromkeys([*staff, *accounts])),
        "hosts": [host.name for host in environment.hosts],
        "clients": [client.name for client in environment.clients],
        "suppliers": list(dict.fromkeys(host.supplier for host in environment.hosts)),
        "owners": list(dict.fromkeys(measure.owner for measure in load_catalogue())),
        "chapters": chapters(),
        "procedures": [one.name for one in procedures()],
    }
    return Facts(environment, judged, registers, names)


def matches(entry: Mapping[str, Any], where: Mapping[str, Any] | None) -> bool:
    """Whether an entry's fields are as `where` says: equal, or one of several."""
    return all(
        entry.get(field) in (wanted if isinstance(wanted, list) else [wanted])
        for field, wanted in (where or {}).items()
    )
