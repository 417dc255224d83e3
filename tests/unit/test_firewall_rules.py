"""Role firewall: from the flow matrix to the rules of one host."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from jinja2 import Environment, StrictUndefined

ROLE = Path(__file__).parents[2] / "roles/firewall"
SPECIFICATION = importlib.util.spec_from_file_location(
    "firewall_rules", ROLE / "filter_plugins/firewall.py"
)
assert SPECIFICATION is not None
assert SPECIFICATION.loader is not None
firewall = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(firewall)

MATRIX = """
networks:
  office:
    description: Le bureau
    addresses: [192.0.2.0/25, 192.0.2.128/25, 192.0.2.7, "2001:db8::/32"]
  internet: {description: Tout, addresses: [0.0.0.0/0, "::/0"]}
flows:
  - {name: ssh, from: [office], to: [web, db], protocol: tcp, ports: [22], reason: Administration,
     measures: ["5.6.1"], rate: 30/minute}
  - {name: https, from: [internet], to: [web], protocol: tcp, ports: [80, 443, 8000-8010],
     reason: Le service, measures: ["1.1.1"]}
  - {name: ping, from: [office], to: [web], protocol: icmp, reason: Surveillance,
     measures: ["1.1.1"]}
  - {name: tunnel, from: [web], to: [db], protocol: esp, reason: Liaison, measures: ["6.2.1"]}
"""
HOSTS: dict[str, Any] = {
    "web": {"addresses": ["198.51.100.1", "2001:db8:1::1"]},
    "db": {"function": "its address is Ansible's"},
}
REACHED = {"web": {}, "db": {"ansible_host": "198.51.100.2"}}


def rules(host: str, **changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = firewall.rules(yaml.safe_load(MATRIX), host, HOSTS, REACHED | changed)
    return found


def matches(flows: list[dict[str, Any]], name: str) -> list[str]:
    return [m["match"] for flow in flows if flow["name"] == name for m in flow["matches"]]


def test_a_flow_is_in_at_one_end_and_out_at_the_other() -> None:
    web, db = rules("web"), rules("db")
    assert [flow["name"] for flow in web["in"]] == ["ssh", "https", "ping"]
    assert [flow["name"] for flow in web["out"]] == ["tunnel"]
    assert matches(web["out"], "tunnel") == ["ip daddr @db_4 meta l4proto esp"]
    assert matches(db["in"], "tunnel") == [
        "ip saddr @web_4 meta l4proto esp",
        "ip6 saddr @web_6 meta l4proto esp",
    ]


def test_each_version_of_ip_has_its_rule_and_everybody_needs_no_set() -> None:
    web = rules("web")
    ports = "tcp dport { 80, 443, 8000-8010 }"
    assert matches(web["in"], "https") == [
        f"meta nfproto ipv4 {ports}",
        f"meta nfproto ipv6 {ports}",
    ]
    assert matches(web["in"], "ping") == [
        "ip saddr @office_4 icmp type echo-request",
        "ip6 saddr @office_6 icmpv6 type echo-request",
    ]
    assert {each["name"] for each in web["sets"]} == {"office_4", "office_6", "db_4"}


def test_answers_open_no_connection() -> None:
    web = rules("web")
    answers = {m["answer"] for flow in web["in"] for m in flow["matches"]}
    assert answers == {
        "ip daddr @office_4 tcp sport 22 tcp flags ! syn",
        "ip6 daddr @office_6 tcp sport 22 tcp flags ! syn",
        "meta nfproto ipv4 tcp sport { 80, 443, 8000-8010 } tcp flags ! syn",
        "meta nfproto ipv6 tcp sport { 80, 443, 8000-8010 } tcp flags ! syn",
        None,
    }


def test_networks_within_others_are_joined_for_nftables_refuses_them() -> None:
    sets = {each["name"]: each["elements"] for each in rules("web")["sets"]}
    assert sets["office_4"] == ["192.0.2.0/24"]


def test_a_host_that_is_known_by_name_only_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^db is known by name only.*db\.example"):
        rules("web", db={"ansible_host": "db.example"})


def test_only_who_answers_limits_the_rate() -> None:
    assert [(flow["name"], flow["rate"]) for flow in rules("db")["in"]] == [
        ("ssh", "30/minute"),
        ("tunnel", None),
    ]
    templates = Environment(undefined=StrictUndefined, trim_blocks=True)  # noqa: S701 - no page
    text = templates.from_string((ROLE / "templates/nftables.conf.j2").read_text()).render(
        __firewall_rules=rules("db"), firewall_log_rate="5/second", firewall_dynamic_addresses=False
    )
    lines = [line.strip() for line in text.splitlines()]
    limit = lines.index(
        "ip6 saddr @office_6 tcp dport 22 update @rate.ssh_6 { ip6 saddr and ffff:ffff:ffff:ffff:: "
        "limit rate over 30/minute burst 30 packets } goto refused_in"
    )
    assert lines[limit + 1] == "ip6 saddr @office_6 tcp dport 22 counter name flow_ssh accept"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('["5.6.1"]', '["5.6.1)\\n    accept # ("]', "is no measures"),
        ("name: ssh", 'name: "ssh accept"', "is no name"),
        ("30/minute", "30/minute accept", "is no rate"),
        ("[22]", '["22 accept"]', "is no ports"),
        ("protocol: esp", "protocol: all", "is no protocol"),
        ("office:", '"office }":', "is no name of a host or a network"),
    ],
)
def test_what_is_no_word_of_a_matrix_reaches_no_file(was: str, becomes: str, said: str) -> None:
    assert was in MATRIX
    matrix = yaml.safe_load(MATRIX.replace(was, becomes, 1))
    with pytest.raises(AnsibleFilterError, match=said):
        firewall.rules(matrix, "web", HOSTS, REACHED)


def test_a_reason_stays_within_its_comment() -> None:
    matrix = yaml.safe_load(MATRIX.replace("reason: Liaison", 'reason: "a\\naccept\\rb"'))
    (tunnel,) = firewall.rules(matrix, "web", HOSTS, REACHED)["out"]
    assert tunnel["reason"] == "a accept b"
