"""Runs on a host: the packet filter as it is loaded, addresses, ways and tunnels."""

import json
import re
from collections.abc import Iterator
from typing import Any

from orchestrator.drift.collector.host.commands import CannotSay, Objects, installed, output

_TUNNELS = {"wireguard", "ipip", "sit", "gre", "gretap", "ip6tnl", "ip6gre", "ip6gretap", "vti",
            "vti6", "xfrm", "vxlan", "geneve", "tun", "ppp", "l2tp", "macvlan", "macvtap",
            "ipvlan", "dummy", "erspan", "ip6erspan"}  # fmt: skip
# Each network name space has one as soon as the module is loaded.
STANDING = re.compile(r"(?:sit|tunl|gre|gretap|erspan|ip6tnl|ip6gre|ip_vti|ip6_vti)0")
_OF_CONTAINERS = re.compile(r"veth|docker|br-|virbr|vb-|ve-|cni|cali")
# The kernel's own, and what a router or a DHCP server says from time to time.
_GIVEN = ("kernel", "ra", "dhcp")
_LIVING_SET = re.compile(r"flags [^\n]*\b(?:dynamic|timeout)\b|^\s*timeout ", re.MULTILINE)
_ELEMENTS = re.compile(r"elements = \{[^}]*\}\n?")
_ENDPOINTS = ("local", "remote", "link", "key", "id", "port", "type", "mode")


def network() -> Objects:
    """Tables by family and name, addresses, routes by where they lead, tunnels by name."""
    rules = output("nft", "--stateless", "list", "ruleset") if installed("nft") else ""
    return {
        "nftables": dict(_tables(rules)),
        "address": dict(_addresses()),
        "route": dict(_routes()),
        "tunnel": dict(_tunnels()),
    }


def _tables(ruleset: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Without counters and handles; a set that packets fill is the same whatever is in it."""
    for text in re.split(r"^(?=table )", ruleset, flags=re.MULTILINE):
        name = re.match(r"table (\S+ \S+)", text)
        if name is None:
            continue
        blocks = re.split(r"\n\n", text)
        kept = (
            _ELEMENTS.sub("", block) if _LIVING_SET.search(block) else block for block in blocks
        )
        lines = [
            line.expandtabs(4).rstrip()
            for block in kept
            for line in block.splitlines()
            if line.strip()
        ]
        yield name[1], {"rules": lines}


def _addresses() -> Iterator[tuple[str, dict[str, object]]]:
    """Those that somebody gave the host, not those that it gave itself or got on lease."""
    for link in _json("ip", "-j", "address"):
        for one in link.get("addr_info", ()):
            given = not one.get("dynamic") and one.get("scope") != "link"
            if given and not _OF_CONTAINERS.match(link["ifname"]):
                yield f"{one['local']}/{one['prefixlen']}", {"interface": link["ifname"]}


def _routes() -> Iterator[tuple[str, dict[str, object]]]:
    for family in ("-4", "-6"):
        for route in _json("ip", "-j", family, "route", "show", "table", "all"):
            if route.get("protocol") in _GIVEN or route.get("table") == "local":
                continue
            words = ("gateway", "via", "dev", "metric", "protocol", "type", "nexthops", "prefsrc")
            table = f" in {route['table']}" if "table" in route else ""
            family_of = " (IPv6)" if family == "-6" and route["dst"] == "default" else ""
            told: dict[str, object] = {word: _plain(route[word]) for word in words if word in route}
            yield f"{route['dst']}{family_of}{table}", told
        for rule in _json("ip", "-j", family, "rule"):
            told = {word: _plain(value) for word, value in rule.items() if word != "priority"}
            yield f"rule {family} {rule['priority']}", told


def _tunnels() -> Iterator[tuple[str, dict[str, object]]]:
    for link in _json("ip", "-j", "-d", "link"):
        about = link.get("linkinfo", {})
        kind = about.get("info_kind", "")
        if kind in _TUNNELS and not STANDING.fullmatch(link["ifname"]):
            data = about.get("info_data", {})
            ends: dict[str, object] = {
                word: _plain(data[word]) for word in _ENDPOINTS if word in data
            }
            yield link["ifname"], {"kind": kind, **ends}
    if installed("wg"):
        # Where a peer comes from, and when it last did, is its own affair.
        for line in output("wg", "show", "all", "allowed-ips").splitlines():
            interface, peer, allowed = [*line.split("\t"), "", ""][:3]
            yield f"{interface} {peer}", {"allowed": sorted(allowed.split())}
    try:
        policies = output("ip", "xfrm", "policy")
    except CannotSay:  # a kernel without IPsec
        return
    for block in re.split(r"^(?=src )", policies, flags=re.MULTILINE):
        if block.strip() and "socket " not in block:
            first, *rest = block.strip().splitlines()
            # Each negotiation gives the pair another number.
            told = [re.sub(r" (?:reqid|spi) \S+", "", line.strip()) for line in rest]
            yield f"ipsec {first.strip()} {told[0].split()[1]}", {"policy": told}


def _json(*command: str) -> list[dict[str, Any]]:
    text = output(*command)
    try:
        return [entry for entry in json.loads(text or "[]") if entry]
    except ValueError as error:
        raise CannotSay(f"{' '.join(command)}: {error}") from error


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | bool) else json.dumps(value, sort_keys=True)
