"""From the flow matrix to what a host lets through, in the words of nftables."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from ansible.errors import AnsibleFilterError

_FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}
_ECHO = {4: "icmp type echo-request", 6: "icmpv6 type echo-request"}
# Of an IPv6 source the network of its link: it has as many addresses there as it likes.
_SOURCE = {4: "ip saddr", 6: "ip6 saddr and ffff:ffff:ffff:ffff::"}
# How long a source is remembered that has opened connections: longer than its rate counts.
_MEMORY = {"second": "1m", "minute": "5m", "hour": "2h"}

# What goes into the file as it is written. `env check` tells it with its line, plain Ansible not.
_WORDS = {
    "name": re.compile(r"[a-z][a-z0-9_]{0,30}"),
    "protocol": re.compile(r"tcp|udp|icmp|esp"),
    "ports": re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?"),
    "measures": re.compile(r"[0-9]+\.[0-9]+\.[0-9]+"),
    "rate": re.compile(r"[1-9][0-9]{0,5}/(second|minute|hour)"),
}
_END = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Networks = dict[int, list[IPv4Network | IPv6Network]]


def rules(
    flows: Mapping[str, Any], host: str, hosts: Mapping[str, Any], reached: Mapping[str, Any]
) -> dict[str, Any]:
    """What nftables needs to know of a host: its sets of addresses, and each flow with its rules.

    `hosts` are those of environment.yml; one that lists no addresses has the `ansible_host` that
    `reached` (Ansible's hostvars) gives it. Raises AnsibleFilterError where that is no address.
    """
    _refuse_other_words(flows, hosts)
    ends = {name: _networks(body["addresses"]) for name, body in flows["networks"].items()}
    for name, body in hosts.items():
        listed = body.get("addresses") or [reached[name].get("ansible_host", name)]
        try:
            ends[name] = _networks(listed)
        except ValueError as error:
            raise AnsibleFilterError(
                f"{name} is known by name only, and a firewall knows addresses ({error}): list "
                "them under `addresses` in environment.yml"
            ) from error
    found = [
        {
            "name": flow["name"],
            "reason": " ".join(str(flow["reason"]).split()),
            "measures": flow["measures"],
            "direction": direction,
            "rate": flow.get("rate") if direction == "in" else None,
            "memory": _MEMORY[flow["rate"].partition("/")[2]] if flow.get("rate") else None,
            "matches": list(_matches(flow, peers, ends, direction)),
            "peers": peers,
        }
        for flow in flows["flows"]
        for direction, own, peers in (("in", "to", flow["from"]), ("out", "from", flow["to"]))
        if host in flow[own]
    ]
    named = dict.fromkeys(peer for flow in found for peer in flow["peers"])
    return {
        "sets": [
            {
                "name": f"{name}_{version}",
                "type": _FAMILIES[version][1],
                "elements": [str(network) for network in networks],
            }
            for name in named
            for version, networks in ends[name].items()
            if not _is_everybody(networks)
        ],
        "in": [flow for flow in found if flow["direction"] == "in"],
        "out": [flow for flow in found if flow["direction"] == "out"],
    }


def _refuse_other_words(flows: Mapping[str, Any], hosts: Iterable[str]) -> None:
    for name in (*flows["networks"], *hosts):
        if not _END.fullmatch(name):
            raise AnsibleFilterError(f"{name!r} is no name of a host or a network")
    for flow in flows["flows"]:
        for key, pattern in _WORDS.items():
            written = flow.get(key)
            for word in written if isinstance(written, list) else [written]:
                if word is not None and not pattern.fullmatch(str(word)):
                    raise AnsibleFilterError(f"the flow {flow['name']!r}: {word!r} is no {key}")


def _networks(written: Iterable[str]) -> Networks:
    """The networks of each version, none of them within another: nftables refuses overlaps."""
    parsed = [ip_network(each) for each in written]
    return {
        version: networks
        for version in _FAMILIES
        if (networks := list(collapse_addresses(n for n in parsed if n.version == version)))
    }


def _is_everybody(networks: list[IPv4Network | IPv6Network]) -> bool:
    return networks[0].prefixlen == 0


def _matches(
    flow: Mapping[str, Any], peers: Iterable[str], ends: Mapping[str, Networks], direction: str
) -> Iterable[dict[str, Any]]:
    """One rule for each peer and version of IP: what it matches, and whom its rate counts.

    `answer` matches what goes back to the peer, without what would open a connection there.
    """
    side = "saddr" if direction == "in" else "daddr"
    for peer in peers:
        for version, networks in ends[peer].items():
            service = _service(flow, version)
            who = {
                each: f"meta nfproto ipv{version}"
                if _is_everybody(networks)
                else f"{_FAMILIES[version][0]} {each} @{peer}_{version}"
                for each in ("saddr", "daddr")
            }
            answer = f"{who['daddr']} {service.replace('dport', 'sport')} tcp flags ! syn"
            yield {
                "match": f"{who[side]} {service}",
                "answer": answer if flow["protocol"] == "tcp" else None,
                "version": version,
                "source": _SOURCE[version],
            }


def _service(flow: Mapping[str, Any], version: int) -> str:
    protocol = flow["protocol"]
    if protocol == "icmp":
        return _ECHO[version]
    if protocol == "esp":
        return "meta l4proto esp"
    ports = [str(port) for port in flow["ports"]]
    return f"{protocol} dport {ports[0] if len(ports) == 1 else '{ ' + ', '.join(ports) + ' }'}"


class FilterModule:
    """Ansible's way to find the filters."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"firewall_rules": rules}
