"""flows.yml: what is declared is understood, and what must not be is told with its line."""

from datetime import date
from pathlib import Path

import pytest
from small_environment import ENVIRONMENT, HOSTS

from orchestrator.environment import Environment, load_environment
from orchestrator.errors import ConfigurationInvalid, Problem

TODAY = date(2026, 11, 24)
DECLARED = ENVIRONMENT.replace(
    "country: FR}}\nhosts", "country: FR}, addresses: [192.0.2.40]}\nhosts"
)
FLOWS = """\
networks:
  office: {description: The office, addresses: [192.0.2.32/28]}
  internet: {description: Everybody, addresses: [0.0.0.0/0]}
  new_internet: {description: Everybody else, addresses: ["::/0"]}
interconnections:
  internet: {description: The Internet}
flows:
  - name: administration
    from: [office]
    to: [web1, web2]
    protocol: tcp
    ports: [22]
    reason: Administration
    measures: ["5.6.1"]
    interconnection: internet
  - name: pages
    from: [internet]
    to: [web1]
    protocol: tcp
    ports: [443, 8000-8010]
    reason: The service
    measures: ["6.2.1"]
    interconnection: internet
    rate: 30/minute
"""


def write(directory: Path, flows: str, declared: str = DECLARED) -> Path:
    directory.mkdir()
    (directory / "environment.yml").write_text(declared)
    (directory / "hosts.yml").write_text(HOSTS)
    (directory / "flows.yml").write_text(flows)
    variables = directory / "group_vars/all.yml"
    variables.parent.mkdir()
    variables.write_text(
        "accounts_people: {rights: {}, persons: [], machines: []}\n"
        "firewall_flows: '{{ read from flows.yml }}'\nfirewall_hosts: '{{ read from there }}'\n"
    )
    return directory


def problems(directory: Path) -> list[Problem]:
    with pytest.raises(ConfigurationInvalid) as caught:
        load_environment(directory, today=TODAY)
    return list(caught.value.problems)


def load(directory: Path) -> Environment:
    return load_environment(directory, today=TODAY)


def test_a_matrix_is_read(tmp_path: Path) -> None:
    matrix = load(write(tmp_path / "small", FLOWS)).flows
    assert matrix is not None
    administration, pages = matrix.flows
    assert (administration.sources, administration.destinations) == (("office",), ("web1", "web2"))
    assert pages.service == "tcp 443, 8000-8010"
    assert [pages.carries("tcp", port) for port in (443, 8005, 8011)] == [True, True, False]
    assert not pages.carries("udp", 443)
    assert [flow.name for flow in matrix.to("web2")] == ["administration"]
    assert matrix.out_of("web1") == ()


def test_an_environment_needs_no_matrix(tmp_path: Path) -> None:
    directory = write(tmp_path / "small", FLOWS)
    (directory / "flows.yml").unlink()
    assert load(directory).flows is None


@pytest.mark.parametrize(
    ("was", "becomes", "line", "what", "next_step"),
    [
        pytest.param(
            "    reason: Administration\n", "", 8, "`reason` is missing", "", id="no reason"
        ),
        pytest.param(
            "from: [office]", "from: [ofice]", 9, "`ofice` is neither a host nor a network",
            "did you mean `office`?", id="unknown end",
        ),
        pytest.param(
            "to: [web1]", "to: [internet, web1]", 17, "stays on one host", "", id="to itself"
        ),
        pytest.param(
            "to: [web1]", "to: [office]", 18, "begins and ends outside", "", id="no host"
        ),
        pytest.param(
            "from: [internet]", "from: [new_internet]", 18, "is impossible", "add the addresses",
            id="no common family",
        ),
        pytest.param("ports: [22]\n", "\n", 8, "has no ports", "add `ports`", id="no ports"),
        pytest.param(
            "protocol: tcp\n    ports: [443", "protocol: esp\n    ports: [443", 20,
            "esp has no ports", "remove `ports`", id="ports of esp",
        ),
        pytest.param("8000-8010", "8010-8000", 20, "is no range of ports", "", id="range"),
        pytest.param("8000-8010", "8000-80100", 20, "is no range of ports", "", id="large"),
        pytest.param("443, 8000", "0, 8000", 20, "", "", id="port 0"),
        pytest.param(
            "interconnection: internet\n    rate", "interconnection: intranet\n    rate", 23,
            "no interconnection", "did you mean `internet`?", id="unknown interconnection",
        ),
        pytest.param('["6.2.1"]', '["6.2.9"]', 22, "serves 6.2.9, which is no measure",
                     "did you mean `6.2.1`?", id="measure"),
        pytest.param("30/minute", "30 a minute", 24, "", "such as `30/minute`", id="rate"),
        pytest.param("443, 8", "22, 8", 16, "lets through what administration does (line 8)",
                     "narrow one of them", id="overlap"),
        pytest.param("name: pages", "name: administration", 16,
                     "two flows are named administration (first in line 8)", "", id="same name"),
        pytest.param("192.0.2.32/28", "192.0.2.33/28", 2, "has host bits set", "", id="network"),
        pytest.param("  office:", "  web2:", 2, "`web2` is a host", "", id="name of a host"),
        pytest.param("192.0.2.32/28", "192.0.2.64/28", 7,
                     "no flow lets the control node (192.0.2.40) reach web1 by tcp 22: pas-infra "
                     "would lock itself out", "declare the flow", id="lock-out"),
        pytest.param("ports: [22]", "ports: [2222]", 7, "would lock itself out", "", id="port"),
        pytest.param(
            "reason: Administration\n", "reason: Administration\n    rate: 5/minute\n", 7,
            "has a rate", "take its `rate` away", id="a rate for pas-infra itself",
        ),
    ],
)  # fmt: skip
def test_what_must_not_be_is_told(
    tmp_path: Path, was: str, becomes: str, line: int, what: str, next_step: str
) -> None:
    assert was in FLOWS
    directory = write(tmp_path / "small", FLOWS.replace(was, becomes, 1))
    first = problems(directory)[0]
    assert (first.file, first.line) == (directory / "flows.yml", line)
    assert what in first.what
    assert next_step in (first.next_step or "")


@pytest.mark.parametrize(
    ("was", "becomes", "file", "what"),
    [
        pytest.param(
            ", addresses: [192.0.2.40]", "", "flows.yml",
            "nobody says from which address web1 (192.0.2.1) is administered", id="no origin",
        ),
        pytest.param(
            "192.0.2.40", "nowhere", "environment.yml", "`nowhere` is no address", id="origin"
        ),
        pytest.param(
            "Web, supplier", "Web, addresses: [192.0.2.9], supplier", "environment.yml",
            "192.0.2.1, at which Ansible reaches web1, is not among its addresses", id="other",
        ),
        pytest.param(
            "Web, supplier", 'Web, addresses: [192.0.2.1, "x"], supplier', "environment.yml",
            "`x` is no address", id="no address",
        ),
    ],
)  # fmt: skip
def test_addresses_are_looked_at(
    tmp_path: Path, was: str, becomes: str, file: str, what: str
) -> None:
    directory = write(tmp_path / "small", FLOWS, DECLARED.replace(was, becomes, 1))
    first = problems(directory)[0]
    assert first.file == directory / file
    assert what in first.what


def test_two_hosts_share_no_address(tmp_path: Path) -> None:
    declared = DECLARED
    for host, number in (("web1", 1), ("web2", 2)):
        declared = declared.replace(
            f"{host}: {{function: Web",
            f"{host}: {{function: Web, addresses: [192.0.2.{number}, 192.0.2.7]",
        )
    found = problems(write(tmp_path / "small", FLOWS, declared))
    assert [problem.what for problem in found] == ["web2 has the same address as web1: 192.0.2.7"]


def test_a_port_that_is_computed_proves_nothing(tmp_path: Path) -> None:
    directory = write(tmp_path / "small", FLOWS)
    port = "ansible_user: runner, ansible_port: '{{ 20 + 2 }}'"
    (directory / "hosts.yml").write_text(HOSTS.replace("ansible_user: runner", port))
    first, second = problems(directory)
    assert first.what.startswith("the port of web1 is computed")
    assert (second.file, second.line) == (directory / "hosts.yml", 5)


def test_a_host_that_is_known_by_name_needs_addresses(tmp_path: Path) -> None:
    directory = write(tmp_path / "small", FLOWS)
    (directory / "hosts.yml").write_text(HOSTS.replace("192.0.2.1}", "web1.example.net}"))
    (found,) = problems(directory)
    assert found.file == directory / "environment.yml"
    assert "web1 is known by name only" in found.what


def test_a_host_that_is_known_by_name_may_list_addresses(tmp_path: Path) -> None:
    declared = DECLARED.replace("web1: {function", "web1: {addresses: [192.0.2.1], function")
    directory = write(tmp_path / "small", FLOWS, declared)
    (directory / "hosts.yml").write_text(HOSTS.replace("192.0.2.1}", "web1.example.net}"))
    assert load(directory).host("web1").addresses == ("192.0.2.1",)


def test_a_port_of_ansible_is_respected(tmp_path: Path) -> None:
    directory = write(tmp_path / "small", FLOWS)
    hosts = HOSTS.replace("ansible_user: runner", "ansible_user: runner, ansible_port: 2222")
    (directory / "hosts.yml").write_text(hosts)
    assert [problem.what.split("reach ")[1].split(":")[0] for problem in problems(directory)] == [
        "web1 by tcp 2222",
        "web2 by tcp 2222",
    ]
