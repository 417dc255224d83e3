"""lab.yml: its networks and machines, and whether they are the hosts of the inventory."""

from collections.abc import Iterator, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

from orchestrator.environment.inventory import Inventory
from orchestrator.environment.lines import Document, Keys
from orchestrator.environment.model import Disk, Lab, Machine, Network
from orchestrator.environment.spelling import remedy
from orchestrator.errors import Problem


def read_lab(document: Document) -> tuple[Lab | None, list[Problem]]:
    """The lab that a lab.yml of valid shape describes; None when a network makes no sense."""
    problems: list[Problem] = []
    networks = {
        name: network
        for name, body in document.mapping("networks").items()
        if (network := _network(document, name, body, problems))
    }
    wan = networks.get("wan")
    if wan is None:
        return None, problems
    owners: dict[str, str] = {}
    machines = [
        machine
        for name, body in document.mapping("machines").items()
        if (machine := _machine(document, name, body, wan, owners, problems))
    ]
    return Lab(tuple(networks.values()), tuple(machines)), problems


def _network(document: Document, name: str, body: Any, problems: list[Problem]) -> Network | None:
    families: dict[str, IPv4Network | IPv6Network] = {}
    for family, version in (("ipv4", 4), ("ipv6", 6)):
        keys: Keys = ("networks", name, family)
        try:
            network = ip_network(body[family])
        except ValueError as error:
            problems.append(document.problem(keys, str(error), "write it as 198.18.0.0/24"))
            continue
        if network.version != version:
            what = f"{network} is no IPv{version} network"
            problems.append(document.problem(keys, what, f"write an IPv{version} network"))
            continue
        families[family] = network
    match families:
        case {"ipv4": IPv4Network() as ipv4, "ipv6": IPv6Network() as ipv6}:
            return Network(name, ipv4, ipv6)
        case _:
            return None


def _machine(
    document: Document,
    name: str,
    body: Any,
    wan: Network,
    owners: dict[str, str],
    problems: list[Problem],
) -> Machine | None:
    addresses = []
    networks: tuple[IPv4Network | IPv6Network, ...] = (wan.ipv4, wan.ipv6)
    for index, network in enumerate(networks):
        text = body["wan"][index]
        what = _address_fault(text, network, owners)
        if what:
            next_step = f"choose a free address of {network}, not its first"
            problems.append(document.problem(("machines", name, "wan", index), what, next_step))
            continue
        address = ip_address(text)
        owners[str(address)] = name
        addresses.append(address)
    match addresses:
        case [IPv4Address() as ipv4, IPv6Address() as ipv6]:
            return Machine(
                name,
                managed=body["managed"],
                backend=body["backend"],
                image=body["image"],
                ipv4=ipv4,
                ipv6=ipv6,
                memory_mb=body["memory_mb"],
                cpus=body["cpus"],
                firmware=body.get("firmware", "bios"),
                disks=tuple(Disk(**disk) for disk in body.get("disks", ())),
            )
        case _:
            return None


def _address_fault(
    text: str, network: IPv4Network | IPv6Network, owners: Mapping[str, str]
) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return f"`{text}` is no address"
    if address not in network:
        return f"{address} does not lie in the network wan, {network}"
    if address == network.network_address or address == network.broadcast_address:
        return f"{address} cannot be given to a machine of {network}"
    if address == next(iter(network.hosts())):
        return f"{address} is the gateway of {network}"
    if str(address) in owners:
        return f"the machine {owners[str(address)]} already has the address {address}"
    return None


def lab_problems(
    document: Document,
    lab: Lab,
    inventory: Inventory,
    addresses: Mapping[str, str],
) -> Iterator[Problem]:
    """Where hosts.yml and lab.yml do not speak of the same hosts."""
    machines = {machine.name: machine for machine in lab.machines}
    declared = document.mapping("machines")
    for host in inventory.hosts:
        place = inventory.hosts[host].keys
        if host not in declared:
            yield inventory.document.problem(
                place,
                f"the lab has no machine `{host}`",
                remedy(host, declared, "add it to lab.yml, or take the host out"),
            )
            continue
        machine = machines.get(host)
        if machine is None:
            continue
        if not machine.managed:
            yield inventory.document.problem(
                place,
                f"the machine {host} is not managed, so it is no host",
                "set `managed: true` in lab.yml, or take the host out",
            )
        its_own = [str(machine.ipv4), str(machine.ipv6)]
        if host in addresses and addresses[host] not in its_own:
            yield inventory.merged(host)["ansible_host"].problem(
                f"{host} is at {addresses[host]}, but the machine of that name is at "
                f"{' and '.join(its_own)}",
                f"write `ansible_host: {its_own[0]}`, or correct lab.yml",
            )
    for machine in lab.machines:
        if machine.managed and machine.name not in inventory.hosts:
            yield document.problem(
                ("machines", machine.name),
                f"the machine {machine.name} is managed, but hosts.yml has no such host",
                "add the host, or set `managed: false`",
            )
