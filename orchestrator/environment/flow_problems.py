"""What must not stand in flows.yml, beyond its shape: each fault with its line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

from orchestrator.catalogue import load_catalogue
from orchestrator.environment.addresses import is_address
from orchestrator.environment.flow_matrix import Ends, Flow, IPNetwork, lets_in
from orchestrator.environment.flows import build_flow
from orchestrator.environment.inventory import Inventory
from orchestrator.environment.lines import Document, Keys
from orchestrator.environment.spelling import remedy
from orchestrator.errors import Problem


@dataclass(frozen=True)
class Path:
    """How Ansible reaches a host: from the control node to this address and port."""

    host: str
    address: str
    port: int


def flow_problems_of(
    document: Document, declared: Document, inventory: Inventory, addresses: Mapping[str, str]
) -> Iterator[Problem]:
    """Every fault of the matrix of an environment, seen against its hosts."""
    listed = {host: declared.mapping("hosts", host).get("addresses") for host in inventory.hosts}
    hosts = {
        host: [str(a) for a in found] if isinstance(found, list) else [addresses[host]]
        for host, found in listed.items()
        if host in addresses
    }
    names = [h for h, found in hosts.items() if not all(map(is_address, found))]
    for host in names:
        yield declared.problem(
            ("hosts", host),
            f"{host} is known by name only, and a firewall knows addresses",
            "list them under `addresses`",
        )
    if names:
        return
    paths: list[Path] = []
    for host, found in hosts.items():
        setting = inventory.merged(host).get("ansible_port")
        port = 22 if setting is None else setting.value
        if setting and not (isinstance(port, int) or (isinstance(port, str) and port.isdecimal())):
            yield setting.problem(
                f"the port of {host} is computed, so that nothing proves that the matrix opens it",
                "write the number itself",
            )
            continue
        reached = [addresses[host]] if is_address(addresses[host]) else found
        paths += [Path(host, address, int(str(port))) for address in reached]
    node = declared.mapping("control_node").get("addresses")
    origins = [str(a) for a in node] if isinstance(node, list) else []
    yield from flow_problems(document, hosts, origins, paths)


def flow_problems(
    document: Document,
    hosts: Mapping[str, Sequence[str]],
    control_node: Sequence[str],
    paths: Sequence[Path],
) -> Iterator[Problem]:
    """Every fault that its shape does not show.

    `hosts` are the addresses of each host, `control_node` those of the control node, and `paths`
    what it needs open: a matrix that closes them would lock pas-infra itself out.
    """
    data: Any = document.data
    faults = list(_network_problems(document, data["networks"], hosts))
    yield from faults
    if faults:
        return  # what follows would speak of addresses that nobody wrote
    ends: dict[str, tuple[IPNetwork, ...]] = {
        name: tuple(map(ip_network, body["addresses"])) for name, body in data["networks"].items()
    } | {name: tuple(map(ip_network, addresses)) for name, addresses in hosts.items()}
    flows: list[tuple[Keys, Flow]] = []
    for index, entry in enumerate(data["flows"]):
        keys: Keys = ("flows", index)
        faults = list(_entry_problems(document, keys, entry, data, ends, hosts))
        yield from faults
        if not faults:
            flows.append((keys, build_flow(entry)))
    yield from _overlaps(document, flows, ends)
    if len(flows) == len(data["flows"]):
        declared = [flow for _, flow in flows]
        yield from _path_problems(document, declared, ends, control_node, paths)


def _network_problems(
    document: Document, networks: Mapping[str, Any], hosts: Mapping[str, Sequence[str]]
) -> Iterator[Problem]:
    for name, body in networks.items():
        if name in hosts:
            yield document.problem(
                ("networks", name), f"`{name}` is a host", "give the network another name"
            )
        for position, written in enumerate(body["addresses"]):
            try:
                ip_network(written)
            except ValueError as error:
                yield document.problem(
                    ("networks", name, "addresses", position),
                    f"{error}",
                    "write an address, or a network such as 192.0.2.0/24",
                )


def _entry_problems(
    document: Document, keys: Keys, entry: Any, data: Any, ends: Ends, hosts: Mapping[str, object]
) -> Iterator[Problem]:
    known = data["interconnections"]
    if entry["interconnection"] not in known:
        yield document.problem(
            (*keys, "interconnection"),
            f"the flow {entry['name']} passes `{entry['interconnection']}`, no interconnection",
            remedy(entry["interconnection"], set(known), "declare it under `interconnections`"),
        )
    yield from _port_problems(document, keys, entry)
    measures = {measure.number for measure in load_catalogue()}
    for position, number in enumerate(entry["measures"]):
        if number not in measures:
            yield document.problem(
                (*keys, "measures", position),
                f"the flow {entry['name']} serves {number}, which is no measure",
                remedy(number, measures, "`pas-infra measures` lists them"),
            )
    unknown = False
    for side in ("from", "to"):
        for position, end in enumerate(entry[side]):
            if end not in ends:
                unknown = True
                yield document.problem(
                    (*keys, side, position),
                    f"`{end}` is neither a host nor a network of this environment",
                    remedy(end, set(ends), "declare it under `networks`, or in hosts.yml"),
                )
    if unknown:
        return
    for source, target in product(entry["from"], entry["to"]):
        where = f"the flow {entry['name']} from {source} to {target}"
        if source == target:
            yield document.problem(
                (*keys, "from"),
                f"{where} stays on one host, where nothing is filtered",
                "take one of the two out of the flow",
            )
        elif source not in hosts and target not in hosts:
            yield document.problem(
                (*keys, "to"),
                f"{where} begins and ends outside: no host of this environment forwards",
                "name a host of hosts.yml on one of the two sides",
            )
        elif not {n.version for n in ends[source]} & {n.version for n in ends[target]}:
            yield document.problem(
                (*keys, "to"),
                f"{where} is impossible: one has only IPv4 addresses, the other only IPv6",
                "add the addresses that are missing",
            )


def _port_problems(document: Document, keys: Keys, entry: Any) -> Iterator[Problem]:
    needs_ports = entry["protocol"] in ("tcp", "udp")
    if needs_ports and "ports" not in entry:
        yield document.problem(
            keys, f"the flow {entry['name']} has no ports", "add `ports`, such as [443]"
        )
    if not needs_ports and "ports" in entry:
        yield document.problem(
            (*keys, "ports"), f"{entry['protocol']} has no ports", "remove `ports`"
        )
    for position, written in enumerate(entry.get("ports", ())):
        first, _, last = str(written).partition("-")
        if not 1 <= int(first) <= int(last or first) <= 65535:
            yield document.problem(
                (*keys, "ports", position),
                f"`{written}` is no range of ports",
                "write the lower one first, both between 1 and 65535",
            )


def _overlaps(
    document: Document, flows: Sequence[tuple[Keys, Flow]], ends: Ends
) -> Iterator[Problem]:
    """Two flows that let the same packet through: neither's counter and reason would be true."""
    for position, (keys, flow) in enumerate(flows):
        for earlier_keys, earlier in flows[:position]:
            if flow.name == earlier.name:
                yield document.problem(
                    (*keys, "name"),
                    f"two flows are named {flow.name} (first in line "
                    f"{document.line((*earlier_keys, 'name'))})",
                    "give each a name of its own",
                )
            elif _overlap(flow, earlier, ends):
                yield document.problem(
                    keys,
                    f"the flow {flow.name} lets through what {earlier.name} does "
                    f"(line {document.line(earlier_keys)})",
                    "narrow one of them, or make one flow of the two",
                )


def _overlap(one: Flow, other: Flow, ends: Ends) -> bool:
    if one.protocol != other.protocol:
        return False
    if one.ports and not any(a.overlaps(b) for a, b in product(one.ports, other.ports)):
        return False
    return _meet(one.sources, other.sources, ends) and _meet(
        one.destinations, other.destinations, ends
    )


def _meet(one: Sequence[str], other: Sequence[str], ends: Ends) -> bool:
    pairs = product((n for e in one for n in ends[e]), (n for e in other for n in ends[e]))
    return any(a.version == b.version and a.overlaps(b) for a, b in pairs)


def _path_problems(
    document: Document,
    flows: Sequence[Flow],
    ends: Ends,
    control_node: Sequence[str],
    paths: Sequence[Path],
) -> Iterator[Problem]:
    for path in paths:
        target = ip_address(path.address)
        origins = [a for a in map(ip_address, control_node) if a.version == target.version]
        if not origins:
            yield document.problem(
                ("flows",),
                f"nobody says from which address {path.host} ({target}) is administered, so that "
                "nothing proves that the matrix lets pas-infra in",
                f"add the control node's IPv{target.version} address as it arrives there, under "
                "`control_node: addresses:` in environment.yml",
            )
        for origin in origins:
            unlimited = [flow for flow in flows if flow.rate is None]
            if lets_in(flows, ends, origin, path.host, path.port) and not lets_in(
                unlimited, ends, origin, path.host, path.port
            ):
                yield document.problem(
                    ("flows",),
                    f"the flow that lets the control node ({origin}) reach {path.host} has a rate: "
                    "a run that opens more connections would be refused",
                    "take its `rate` away, or give the control node a flow of its own",
                )
            if not lets_in(flows, ends, origin, path.host, path.port):
                yield document.problem(
                    ("flows",),
                    f"no flow lets the control node ({origin}) reach {path.host} by tcp "
                    f"{path.port}: pas-infra would lock itself out",
                    "declare the flow of administration",
                )
