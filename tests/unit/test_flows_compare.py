"""The matrix against what a host says that it listens on: recorded answers, expected findings."""

from ipaddress import ip_network
from xml.etree import ElementTree as ET

import pytest

from orchestrator.environment import load_environment
from orchestrator.environment.flow_matrix import (
    Flow,
    FlowMatrix,
    FlowNetwork,
    Interconnection,
    Ports,
    Protocol,
)
from orchestrator.flows.compare import Finding, compare
from orchestrator.flows.diagram import draw_flows
from orchestrator.flows.filtering import Filtering
from orchestrator.flows.listeners import Listener, Seen, read_listeners

# The way of the question, what `ss` says, and what `ps` says; the last socket is the kernel's own.
ANSWER = """\
192.0.2.40 50000 198.18.0.11 22
udp UNCONN 0 0 127.0.0.1:323 0.0.0.0:* users:(("chronyd",pid=77,fd=5))
udp UNCONN 0 0 [::1]:323 [::]:* users:(("chronyd",pid=77,fd=6))
udp UNCONN 0 0 [fe80::1]%host0:546 [::]:* users:(("systemd-network",pid=50,fd=20))
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=90,fd=6))
tcp LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=90,fd=7))
tcp LISTEN 0 511 [::ffff:127.0.0.1]:9000 *:* users:(("python3",pid=91,fd=3))
tcp LISTEN 0 511 *:8080 *:* users:(("python3",pid=91,fd=4),("python3",pid=92,fd=4))
udp UNCONN 0 0 198.18.0.11:51820 0.0.0.0:*
-- units --
     50 systemd-networkd.service
     77 chrony.service
     90 ssh.service
     91 session-3.scope
     92 -
-- rules --
{"nftables": [{"metainfo": {"version": "1.1.3"}},
 {"chain": {"family": "inet", "table": "pas_infra", "name": "input", "hook": "input",
  "policy": "drop"}},
 {"chain": {"family": "inet", "table": "pas_infra", "name": "output", "hook": "output",
  "policy": "accept"}},
 {"chain": {"family": "inet", "table": "other", "name": "forward", "hook": "forward",
  "policy": "drop"}},
 {"counter": {"family": "inet", "name": "flow_ssh", "table": "pas_infra", "packets": 12}},
 {"counter": {"family": "inet", "name": "flow_idle", "table": "pas_infra", "packets": 3}},
 {"counter": {"family": "inet", "name": "refused_in", "table": "pas_infra", "packets": 7}},
 {"rule": {"family": "inet", "table": "pas_infra", "chain": "input",
  "expr": [{"counter": "flow_ssh"}, {"accept": null}]}},
 {"rule": {"family": "inet", "table": "pas_infra", "chain": "input",
  "expr": [{"counter": "flow_idle"}, {"drop": null}]}}]}
"""
SSH = Listener("tcp", 22, "*", "sshd", "ssh.service")
HOSTS = {"rbx7": ["198.18.0.11"], "sysfab": ["198.18.0.12"]}


def flow(name: str, protocol: Protocol, *ports: int, to: str = "rbx7") -> Flow:
    return Flow(
        name=name,
        sources=("office",),
        destinations=(to,),
        protocol=protocol,
        ports=tuple(Ports(port, port) for port in ports),
        reason="Essai",
        measures=("5.6.1",),
        interconnection="internet",
        rate=None,
    )


def matrix(*flows: Flow) -> FlowMatrix:
    office = FlowNetwork("office", "Le bureau", (ip_network("192.0.2.0/24"),))
    return FlowMatrix((office,), (Interconnection("internet", "L'Internet"),), flows)


def departures(
    *flows: Flow, origin: str = "192.0.2.40", filtering: Filtering | None = None
) -> list[Finding]:
    """What is found of rbx7, of which only sshd listens, behind a firewall as declared."""
    declared = matrix(*flows)
    opened = {one.name: 0 for one in (*declared.to("rbx7"), *declared.out_of("rbx7"))}
    seen = Seen(origin, 22, (SSH,), filtering or Filtering((), opened))
    return compare(declared, HOSTS, "rbx7", seen)


def test_the_loopback_is_the_hosts_own() -> None:
    assert read_listeners(ANSWER).listeners == (
        SSH,
        Listener("tcp", 8080, "*", "python3", "session-3.scope"),
        Listener("udp", 546, "fe80::1", "systemd-network", "systemd-networkd.service"),
        Listener("udp", 51820, "198.18.0.11", "", ""),
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param("", "which unit", id="empty"),
        pytest.param("1 2 3 4\n-- units --\n 1 init.scope\n", "its firewall", id="no rules"),
        pytest.param(
            "1 2 3 4\n-- units --\n 1 init.scope\n-- rules --\n", "nothing listens", id="no socket"
        ),
        pytest.param(
            ANSWER.partition("-- rules --")[0] + "-- rules --\nError: no\n",
            "not what nft prints",
            id="no JSON",
        ),
        pytest.param(
            "1 2 3 4\ntcp \x1b[2J\n-- units --\n-- rules --\n",
            "not what ss prints: tcp �",
            id="garbage",
        ),
        pytest.param(ANSWER.replace(":22 ", ":ssh "), "invalid literal", id="no port"),
        pytest.param(ANSWER.replace("198.18.0.11", "a.host"), "address", id="no address"),
    ],
)
def test_what_is_no_answer_is_refused(answer: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("[", r"\[")):
        read_listeners(answer)


def test_a_host_is_as_declared() -> None:
    assert departures(flow("ssh", "tcp", 22)) == []


def test_what_no_flow_leads_to_is_a_finding() -> None:
    found = compare(matrix(flow("ssh", "tcp", 22)), HOSTS, "rbx7", read_listeners(ANSWER))
    assert [(finding.kind, finding.what) for finding in found if finding.kind == "undeclared"] == [
        ("undeclared", "tcp 8080 by python3 (session-3.scope)"),
        ("undeclared", "udp 546 on fe80::1 by systemd-network (systemd-networkd.service)"),
        ("undeclared", "udp 51820 on 198.18.0.11 by the kernel"),
    ]


def test_the_protocol_counts() -> None:
    found = departures(flow("ssh", "udp", 22))
    assert [finding.kind for finding in found] == ["locked_out", "undeclared", "unserved"]


def test_a_flow_to_another_host_opens_nothing_here() -> None:
    found = departures(flow("ssh", "tcp", 22, to="sysfab"))
    assert [str(finding) for finding in found] == [
        "pas-infra comes to rbx7 by a way that no flow opens: from 192.0.2.40, tcp 22",
        "rbx7 listens, and no flow leads there: tcp 22 by sshd (ssh.service)",
    ]


def test_a_flow_that_nothing_serves_is_a_finding() -> None:
    found = departures(flow("ssh", "tcp", 22), flow("pages", "tcp", 443))
    assert [str(finding) for finding in found] == [
        "rbx7 is to serve a flow, and does not listen: tcp 443 of pages"
    ]


def test_what_has_no_port_needs_no_listener() -> None:
    assert departures(flow("ssh", "tcp", 22), flow("ping", "icmp")) == []


def test_a_way_in_that_no_flow_opens_is_a_finding() -> None:
    found = departures(flow("ssh", "tcp", 22), origin="198.51.100.7")
    assert [str(finding) for finding in found] == [
        "pas-infra comes to rbx7 by a way that no flow opens: from 198.51.100.7, tcp 22"
    ]


def test_the_firewall_says_what_passes_and_what_was_opened() -> None:
    filtering = read_listeners(ANSWER).filtering
    assert filtering == Filtering(("output", "forward"), {"ssh": 12})
    assert read_listeners(ANSWER.partition('{"nft')[0]).filtering == Filtering()


@pytest.mark.parametrize(
    ("filtering", "said"),
    [
        pytest.param(
            Filtering(), ["rbx7 lets through what no flow names: input, output, forward"], id="none"
        ),
        pytest.param(
            Filtering(("output",), {"ssh": 1}),
            ["rbx7 lets through what no flow names: output"],
            id="one way is open",
        ),
        pytest.param(
            Filtering((), {}),
            ["the firewall of rbx7 does not open a declared flow: ssh"],
            id="a flow is closed",
        ),
        pytest.param(
            Filtering((), {"ssh": 1, "games": 4}),
            ["the firewall of rbx7 opens a flow that is not declared: games"],
            id="a stranger is open",
        ),
    ],
)
def test_a_firewall_that_differs_is_a_finding(filtering: Filtering, said: list[str]) -> None:
    found = departures(flow("ssh", "tcp", 22), filtering=filtering)
    assert [str(finding) for finding in found] == said


@pytest.mark.parametrize("name", ["lab", "production"])
def test_the_picture_shows_every_flow(name: str) -> None:
    environment = load_environment(name)
    assert environment.flows is not None
    root = ET.fromstring(draw_flows(environment, environment.flows))  # noqa: S314 - our own
    text = "\n".join("".join(found.itertext()) for found in root.iter())
    for number, one in enumerate(environment.flows.flows, 1):
        assert f"{number} {', '.join(one.sources)} → {', '.join(one.destinations)}" in text
        assert one.reason in text
    arrows = {(s, d) for one in environment.flows.flows for s in one.sources
              for d in one.destinations}  # fmt: skip
    paths = [p for p in root.iter("{http://www.w3.org/2000/svg}path") if p.get("marker-end")]
    assert len(paths) == len(arrows)
