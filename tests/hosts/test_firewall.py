"""Checks of role firewall: what the kernel lets through, held against flows.yml."""

import json
from collections import defaultdict
from ipaddress import collapse_addresses, ip_network

import pytest
from conftest import Answers
from declared import Declared, Flow
from nft_rules import CHAINS, Network, Ruleset, Service, read_ruleset, refusal

LIST = "nft --json list ruleset"
FILE = "/etc/nftables.conf"
COUNTER = "nft --json list counter inet pas_infra refused_out"
DISCARD = 9  # a port of TCP where nobody listens

Open = dict[tuple[str, Service], frozenset[Network]]


@pytest.fixture(scope="module")
def in_force(answers: Answers) -> Ruleset:
    """What the kernel says of itself."""
    return read_ruleset(answers(LIST))


@pytest.fixture(scope="module")
def flows(declared: Declared) -> tuple[Flow, ...]:
    """What flows.yml lets through here."""
    assert declared.flows is not None, "the environment declares no flows"
    return declared.flows


def passing(in_force: Ruleset) -> Open:
    """What the rules let through, by direction and service: the networks at the other end."""
    peers: defaultdict[tuple[str, Service], list[Network]] = defaultdict(list)
    for direction in CHAINS:
        for rule in in_force.opening(direction):
            services, networks = in_force.opens(rule) or ([], [])
            for service in services:
                peers[direction, service] += networks
    return joined(peers)


def declared_open(flows: tuple[Flow, ...]) -> Open:
    """What flows.yml lets through, in the same form."""
    peers: defaultdict[tuple[str, Service], list[Network]] = defaultdict(list)
    for flow in flows:
        for network in map(ip_network, flow.peers):
            for first, last in flow.ports or [[0, 0]]:
                peers[flow.direction, (network.version, flow.protocol, first, last)].append(network)
    return joined(peers)


def joined(peers: dict[tuple[str, Service], list[Network]]) -> Open:
    # All of a key are of one version, which no type says.
    return {key: frozenset(collapse_addresses(found)) for key, found in peers.items()}  # type: ignore[type-var]


def told(open_ones: Open, other: Open) -> list[str]:
    """What is in the one and not in the other, in words."""
    found = []
    for (direction, (_, protocol, first, last)), networks in open_ones.items():
        key = (direction, (next(iter(networks)).version, protocol, first, last))
        side = "from" if direction == "in" else "to"
        ports = f" {first}" if first == last else f" {first}-{last}"
        found += [
            f"{direction} {protocol}{ports if first else ''} {side} {network}"
            for network in sorted(networks - other.get(key, frozenset()), key=str)
        ]
    return found


@pytest.mark.pas("5.7.2", "5.7.3")
def test_what_no_rule_names_is_refused(in_force: Ruleset) -> None:
    """In, out and through: the kernel's last word on a packet is no."""
    for hook in ("input", "output", "forward"):
        chain = in_force.chains.get(hook, {})
        seen = (chain.get("type"), chain.get("hook"), chain.get("policy"))
        assert seen == ("filter", hook, "drop"), f"{hook}: {seen[2] or 'no rule at all'}"


@pytest.mark.pas("5.7.2", "5.7.3")
def test_only_declared_flows_pass(in_force: Ruleset, flows: tuple[Flow, ...]) -> None:
    """Every rule that opens something opens what flows.yml declares, and all of that is open."""
    for direction in CHAINS:
        strange = [rule for rule in in_force.opening(direction) if not in_force.opens(rule)]
        assert not strange, f"{direction}: {json.dumps(strange[0])}"
    through = in_force.rules.get("forward", [])
    assert through in ([], [[refusal("forward")]]), f"through: {json.dumps(through[0])}"
    now, wanted = passing(in_force), declared_open(flows)
    assert not told(now, wanted), f"passes undeclared: {', '.join(told(now, wanted))}"
    assert not told(wanted, now), f"does not pass: {', '.join(told(wanted, now))}"


@pytest.mark.pas("5.7.3")
def test_one_source_cannot_open_as_much_as_it_likes(
    in_force: Ruleset, flows: tuple[Flow, ...]
) -> None:
    """Where flows.yml gives a rate, whoever opens more is refused before the flow lets in."""
    limited = {f"@rate_{flow.name}_{ip_network(peer).version}": flow.rate
               for flow in flows if flow.rate for peer in flow.peers}  # fmt: skip
    seen = {}
    for rule in in_force.rules.get("input", []):
        kept = next((each["set"] for each in rule if "set" in each), None)
        if kept and rule[-1] == refusal("in"):
            limit = next(each["limit"] for each in kept["stmt"] if "limit" in each)
            if limit.get("inv"):
                seen[kept["set"]] = f"{limit['rate']}/{limit['per']}"
    assert seen == limited, f"limited are {seen or 'none'}"


@pytest.mark.pas("8.1.1")
def test_what_is_refused_is_counted_and_logged(in_force: Ruleset) -> None:
    """A probe's eyes: each direction's refusals have a counter and a line in the kernel's log."""
    for direction in ("in", "out", "forward"):
        rules = in_force.rules.get(f"refused_{direction}", [])
        statements = [each for rule in rules for each in rule]
        assert {"counter": f"refused_{direction}"} in statements, f"{direction}: not counted"
        prefixes = [each["log"].get("prefix", "") for each in statements if "log" in each]
        assert prefixes == [f"pas-infra refused {direction}: "], f"{direction}: not logged"


@pytest.mark.pas("5.7.2", "5.7.3")
def test_rules_are_there_before_the_network_and_stay(answers: Answers) -> None:
    """They are loaded at every start before an interface is up; stopping the unit opens nothing."""
    asked = "UnitFileState,ActiveState,ExecStart,ExecStop,Before,NeedDaemonReload"
    shown = answers(f"systemctl show --property {asked} nftables.service").splitlines()
    unit = dict(line.split("=", 1) for line in shown)
    assert unit["UnitFileState"] == "enabled", f"at boot: {unit['UnitFileState']}"
    assert unit["ActiveState"] == "active", f"its unit is {unit['ActiveState']}"
    assert f"argv[]=/usr/sbin/nft -f {FILE} ;" in unit["ExecStart"], unit["ExecStart"]
    assert "ExecStop" not in unit, f"stopping it does: {unit['ExecStop']}"
    assert "network-pre.target" in unit["Before"].split(), "it may come after the network"
    assert unit["NeedDaemonReload"] == "no", "its unit was changed, which counts from the next load"


@pytest.mark.pas("5.7.2", "5.7.3")
def test_next_start_loads_what_is_in_force(answers: Answers) -> None:
    """The file, loaded in a network of its own, gives the rules that are in force, all and only."""
    loaded = answers(f"unshare --net sh -euc 'nft --file {FILE}; exec {LIST}'")
    now, then = comparable(answers(LIST)), comparable(loaded)
    assert not [each for each in now if each not in then], (
        f"in force alone: {next(each for each in now if each not in then)}"
    )
    missing = [each for each in then if each not in now]
    assert not missing, f"not in force: {missing[0]}"
    assert now == then, "the same rules, in another order"


def comparable(listing: str) -> list[str]:
    """What somebody has set: without numbers, counts, and what packets have put into sets."""
    found = []
    for entry in json.loads(listing)["nftables"]:
        for kind, body in entry.items():
            dropped = {"handle", "packets", "bytes"}
            dropped |= {"elem"} if "dynamic" in body.get("flags", ()) else set()
            if kind != "metainfo":
                found.append(
                    json.dumps({kind: {k: v for k, v in body.items() if k not in dropped}})
                )
    return found


@pytest.mark.pas("5.7.2")
def test_an_undeclared_connection_out_leads_nowhere(
    answers: Answers, client_address: str, flows: tuple[Flow, ...]
) -> None:
    """Tried: root opens a connection that no flow names, and the firewall counts its refusal."""
    assert (4, "tcp", DISCARD, DISCARD) not in {key[1] for key in declared_open(flows)}
    target = f"/dev/tcp/{client_address}/{DISCARD}"
    said = answers(
        f"{COUNTER}; timeout 1 bash -c 'exec 3<>{target}' 2> /dev/null && echo || echo; {COUNTER}"
    ).split("\n")
    counts = [
        entry["counter"]["packets"]
        for line in said
        if line.strip()
        for entry in json.loads(line)["nftables"]
        if "counter" in entry
    ]
    assert counts[1] > counts[0], f"nothing was refused on the way to tcp {DISCARD}"
