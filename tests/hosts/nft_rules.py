"""What nftables says of its rules, as far as the checks of role firewall must understand it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

Network = IPv4Network | IPv6Network
Rule = list[dict[str, Any]]
Service = tuple[int, str, int, int]  # version of IP, protocol, first and last port

TABLE = {"family": "inet", "table": "pas_infra"}
CHAINS = {"in": "input", "out": "output"}
EVERYBODY = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
ACCEPT: dict[str, Any] = {"accept": None}
# What a host needs of its own network, whoever is on it: IPv6 finds its neighbours, and tells
# switches which groups it listens to. The hop limit keeps other networks out.
NEIGHBOURS = ["nd-neighbor-solicit", "nd-neighbor-advert"]
GROUPS = {"in": "mld-listener-query", "out": "mld2-listener-report"}


@dataclass(frozen=True)
class Ruleset:
    """What is in force in our table: its chains, their rules, the elements of its sets."""

    chains: dict[str, dict[str, Any]]
    rules: dict[str, list[Rule]]
    sets: dict[str, list[Network]]

    def opening(self, direction: str) -> Iterator[Rule]:
        """The rules that let something through, less those that every host has."""
        for rule in self.rules.get(CHAINS[direction], []):
            if not is_frame(rule, direction) and not only_refuses(rule, direction):
                yield rule

    def opens(self, rule: Rule) -> tuple[list[Service], list[Network]] | None:
        """The services that a rule opens and to whom; None for a rule that is of another form."""
        matches = [each["match"] for each in rule if "match" in each]
        others = [each for each in rule if "match" not in each and "counter" not in each]
        if others != [ACCEPT] or len(matches) != 2 or any(m["op"] != "==" for m in matches):
            return None
        who, what = matches
        version, peers = self._peers(who["left"], who["right"])
        protocol, ports = _service(what["left"], what["right"], version)
        if not peers or not protocol:
            return None
        return [(version, protocol, first, last) for first, last in ports], peers

    def _peers(self, left: dict[str, Any], right: Any) -> tuple[int, list[Network]]:
        if left == {"meta": {"key": "nfproto"}}:
            version = {"ipv4": 4, "ipv6": 6}.get(right, 0)
            return version, [EVERYBODY[version]] if version else []
        payload = left.get("payload", {})
        version = {"ip": 4, "ip6": 6}.get(payload.get("protocol"), 0)
        if payload.get("field") not in ("saddr", "daddr") or not isinstance(right, str):
            return version, []
        return version, self.sets.get(right, [])


def read_ruleset(listing: str) -> Ruleset:
    """Our table in what `nft --json list ruleset` prints."""
    found: dict[str, list[dict[str, Any]]] = {"chain": [], "rule": [], "set": []}
    for entry in json.loads(listing)["nftables"]:
        for kind, body in entry.items():
            if kind in found and TABLE.items() <= body.items():
                found[kind].append(body)
    chains = {chain["name"]: chain for chain in found["chain"]}
    return Ruleset(
        chains,
        {name: [r["expr"] for r in found["rule"] if r["chain"] == name] for name in chains},
        {f"@{each['name']}": _elements(each.get("elem", [])) for each in found["set"]},
    )


def is_frame(rule: Rule, direction: str) -> bool:
    """Whether the rule is one that every host has: loopback, answers, neighbours."""
    interface = {"meta": {"key": {"in": "iifname", "out": "oifname"}[direction]}}
    kind, hops = _field("icmpv6", "type"), _field("ip6", "hoplimit")
    return _is_answers(rule, direction) or rule in (
        [_equal(interface, "lo"), ACCEPT],
        [_equal(kind, {"set": NEIGHBOURS}), _equal(hops, 255), ACCEPT],
        [_equal(kind, GROUPS[direction]), _equal(hops, 1), ACCEPT],
    )


def only_refuses(rule: Rule, direction: str) -> bool:
    """Whether the rule, whatever it looks at, can do nothing but refuse."""
    harmless = {"match", "counter", "limit", "log", "set", "drop"}
    return all(harmless >= set(each) or each == refusal(direction) for each in rule)


def refusal(direction: str) -> dict[str, Any]:
    """Where all goes that is refused, to be counted and logged."""
    return {"goto": {"target": f"refused_{direction}"}}


def _is_answers(rule: Rule, direction: str) -> bool:
    if len(rule) != 1 or "vmap" not in rule[0]:
        return False
    verdicts = {str(state): verdict for state, verdict in rule[0]["vmap"]["data"]["set"]}
    wanted = {"established": ACCEPT, "related": ACCEPT, "invalid": refusal(direction)}
    return rule[0]["vmap"]["key"] == {"ct": {"key": "state"}} and verdicts == wanted


def _service(left: dict[str, Any], right: Any, version: int) -> tuple[str, list[tuple[int, int]]]:
    """The protocol, with pairs of ports; one without ports has (0, 0), an unknown one no name."""
    echo = {4: _field("icmp", "type"), 6: _field("icmpv6", "type")}
    if left == echo.get(version) and right == "echo-request":
        return "icmp", [(0, 0)]
    if left == {"meta": {"key": "l4proto"}} and right == "esp":
        return "esp", [(0, 0)]
    payload = left.get("payload", {})
    if payload.get("field") != "dport" or payload.get("protocol") not in ("tcp", "udp"):
        return "", []
    listed = right["set"] if isinstance(right, dict) and "set" in right else [right]
    pairs = [each["range"] if isinstance(each, dict) else [each, each] for each in listed]
    return payload["protocol"], [(first, last) for first, last in pairs]


def _elements(elements: list[Any]) -> list[Network]:
    """Addresses and prefixes; what packets have put into a set is another matter."""
    return [
        ip_network(e if isinstance(e, str) else f"{e['prefix']['addr']}/{e['prefix']['len']}")
        for e in elements
        if isinstance(e, str) or "prefix" in e
    ]


def _field(protocol: str, name: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": name}}


def _equal(left: dict[str, Any], right: Any) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}
