"""What is known of every host by now: the last whole inventory of each, judged as of today."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.environment import Environment
from orchestrator.inventory import take
from orchestrator.store import Store


@dataclass(frozen=True)
class Standing:
    """What a host was last found to be made of; `last` is None where nothing whole is known."""

    host: str
    last: take.Last | None
    found: tuple[take.Found, ...] = ()


def standing(environment: Environment, now: datetime) -> tuple[Standing, ...]:
    """The last whole inventory of every host, each compared with what is declared by now.

    One host that does not answer takes nothing from what is known of the others. Raises
    PasInfraError when an inventory is not as it was kept, or when Ansible cannot resolve what is
    declared.
    """
    names = [host.name for host in environment.hosts]
    last: dict[str, take.Last | None] = dict.fromkeys(names)
    if environment.store_directory.exists():
        with Store.open(environment.store_directory, environment.name) as store:
            last = {name: take.last_inventory(store, name) for name in names}
    known = {name: one.equipment for name, one in last.items() if one}
    found = take.judge(environment, known, now)
    return tuple(Standing(name, last[name], found.get(name, ())) for name in names)
