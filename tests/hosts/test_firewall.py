"""Checks of role firewall: what the kernel lets through, held against flows.yml.

flows.yml is rendered here, as the role renders it, and loaded on the host in a network namespace of
its own: what is in force there must be in force for the host, all of it and nothing else. That the
rendering itself is right is seen from outside, by tests/e2e/scanners.
"""

import base64
import importlib.util
import json
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
from conftest import Answers
from declared import ROLES, Declared
from jinja2 import Environment, StrictUndefined

ROLE = ROLES / "firewall"
FILE = "/etc/nftables.conf"
LIST = "nft --json list ruleset"
# The file is handed over in the command: what the role has left on the host is what is judged.
LOAD = "echo {} | base64 --decode | unshare --net sh -euc 'nft --file -; exec " + LIST + "'"
DISCARD = 9  # a port of UDP where nobody listens

Objects = list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def in_force(answers: Answers) -> Objects:
    """What the kernel says of itself."""
    return objects(answers(LIST))


@pytest.fixture(scope="module")
def wanted(answers: Answers, declared: Declared) -> Objects:
    """What flows.yml gives for this host, in the kernel's own words."""
    assert declared.flows is not None, "the environment declares no flows"
    render = of_the_role("filter_plugins/firewall.py").rules
    rules = render(declared.flows, declared.host, declared.flows["hosts"], {})
    templates = Environment(undefined=StrictUndefined, trim_blocks=True)  # noqa: S701 - no page
    text = templates.from_string((ROLE / "templates/nftables.conf.j2").read_text("utf-8")).render(
        __firewall_rules=rules,
        firewall_log_rate=declared["firewall_log_rate"],
        firewall_dynamic_addresses=declared["firewall_dynamic_addresses"],
    )
    return objects(answers(LOAD.format(base64.b64encode(text.encode()).decode())))


def of_the_role(file: str) -> Any:
    """A file of the role: how it renders flows.yml, or what of a listing somebody has set."""
    specification = importlib.util.spec_from_file_location(
        f"firewall_{Path(file).stem}", ROLE / file
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def objects(listing: str) -> Objects:
    """Tables, chains, sets, counters and rules, in the kernel's order."""
    return [
        (kind, body)
        for entry in json.loads(listing)["nftables"]
        for kind, body in entry.items()
        if kind != "metainfo"
    ]


def differences(found: Objects, wanted: Objects) -> str:
    """What is there and should not be (-), and what should be and is not (+)."""
    lines = of_the_role("files/in_force.py").lines
    compared = list(unified_diff(lines(found), lines(wanted), n=0, lineterm=""))[2:]
    return "\n".join(line for line in compared if not line.startswith("@@"))


@pytest.mark.pas("5.7.2", "5.7.3")
def test_what_no_rule_names_is_refused(in_force: Objects) -> None:
    """In, out and through: the kernel's last word on a packet is no."""
    ours = [body for kind, body in in_force if kind == "chain" and body["table"] == "pas_infra"]
    policies = {body.get("hook"): body.get("policy") for body in ours}
    for hook in ("input", "output", "forward"):
        assert policies.get(hook) == "drop", f"{hook}: {policies.get(hook) or 'no rule at all'}"


@pytest.mark.pas("5.7.2", "5.7.3")
def test_declared_flows_pass_and_nothing_else(in_force: Objects, wanted: Objects) -> None:
    """Every table, chain, set and rule in force comes from flows.yml, in its order."""
    assert not differences(in_force, wanted), differences(in_force, wanted)


@pytest.mark.pas("5.7.2", "5.7.3")
def test_next_start_loads_declared_flows(answers: Answers, wanted: Objects) -> None:
    """So does what the next start will load."""
    loaded = answers(f"unshare --net sh -euc 'nft --file {FILE}; exec {LIST}'")
    assert not differences(objects(loaded), wanted), differences(objects(loaded), wanted)


@pytest.mark.pas("5.7.2", "5.7.3")
def test_rules_are_there_before_the_network_and_stay(answers: Answers) -> None:
    """They are loaded at every start before an interface is up; stopping the unit opens nothing."""
    asked = "UnitFileState,ActiveState,ExecStart,ExecStop,Before,NeedDaemonReload"
    places = "FragmentPath,DropInPaths"
    shown = answers(f"systemctl show --property {asked},{places} nftables.service").splitlines()
    unit = dict(line.split("=", 1) for line in shown)
    assert unit["UnitFileState"] == "enabled", f"at boot: {unit['UnitFileState']}"
    assert unit["ActiveState"] == "active", f"its unit is {unit['ActiveState']}"
    # Conditions, and commands before and after: whatever else could decide comes from other files.
    assert unit["FragmentPath"] == "/usr/lib/systemd/system/nftables.service", unit["FragmentPath"]
    ours = "/etc/systemd/system/nftables.service.d/pas-infra.conf"
    assert unit["DropInPaths"] in ("", ours), f"changed by {unit['DropInPaths']}"
    assert f"argv[]=/usr/sbin/nft -f {FILE} ;" in unit["ExecStart"], unit["ExecStart"]
    assert "ExecStop" not in unit, f"stopping it does: {unit['ExecStop']}"
    assert "network-pre.target" in unit["Before"].split(), "it may come after the network"
    assert unit["NeedDaemonReload"] == "no", "its unit was changed, which counts from the next load"


@pytest.mark.pas("8.1.1")
def test_what_is_refused_is_counted_and_logged(in_force: Objects) -> None:
    """A probe's eyes: each direction's refusals have a counter and a line in the kernel's log."""
    for direction in ("in", "out", "forward"):
        chain = f"refused_{direction}"
        rules = [body["expr"] for kind, body in in_force
                 if kind == "rule" and body["chain"] == chain]  # fmt: skip
        statements = [each for rule in rules for each in rule]
        assert {"counter": chain} in statements, f"{direction}: not counted"
        prefixes = [each["log"].get("prefix", "") for each in statements if "log" in each]
        assert prefixes == [f"pas-infra refused {direction}: "], f"{direction}: not logged"


@pytest.mark.pas("5.7.2")
def test_an_undeclared_packet_leads_nowhere(answers: Answers, client_address: str) -> None:
    """Tried: root sends one that no flow names, and the kernel says that it may not."""
    target = f"/dev/udp/{client_address}/{DISCARD}"
    said = answers(f"LC_ALL=C bash -c 'echo > {target}' 2>&1 || true")
    assert "Operation not permitted" in said, f"udp {DISCARD} to {client_address} went out"
