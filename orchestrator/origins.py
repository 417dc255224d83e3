"""From where the service is administered, as far as the environment declares it.

Where logins really come from, only the hosts know.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from orchestrator.environment import Environment
from orchestrator.environment.model import MachineAccount, People, Place


def declared_origins(environment: Environment) -> Iterator[tuple[str, Place | None]]:
    """Whoever administers, in words, and the place: None where nobody declares one.

    The control node, each person of people.yml, and each machine account by what is declared to
    lie at the addresses that it may come from.
    """
    yield "the control node", environment.control_node.place
    people = environment.people or People((), (), ())
    for person in people.persons:
        yield person.account, person.place
    for machine in people.machines:
        yield from _origins_of(machine, environment)


def _origins_of(
    machine: MachineAccount, environment: Environment
) -> Iterator[tuple[str, Place | None]]:
    node = environment.control_node
    lying = [("the control node", node.place, node.addresses)]
    lying += [
        (host.name, host.place, (host.address, *host.addresses)) for host in environment.hosts
    ]
    for origin in machine.origins:
        network = ip_network(origin, strict=False)
        there = [
            (name, place)
            for name, place, addresses in lying
            if any(ip_address(one) in network for one in addresses)
        ]
        for name, place in there:
            yield f"{machine.account} from {name}", place
        if not there:
            yield f"{machine.account} from {origin}", None
