"""What a check knows of the host's level and waivers: from the environment, never from the host."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from declared import (
    Declared,
    active_recommendations,
    ended_waivers,
    idle_waivers,
    read_declaration,
    recommendations_that_nothing_keeps,
)

from orchestrator.environment import load_environment
from orchestrator.verify import declaration

TODAY = date(2026, 3, 15)


def declared(level: str = "minimal", **until: str) -> Declared:
    waivers = tuple({"rule": f"ANSSI-BP-028 {rule}", "until": day} for rule, day in until.items())
    return Declared({"hardening_level": level}, waivers)


@pytest.mark.parametrize(
    ("level", "reached", "not_reached"),
    [
        ("minimal", {"R56", "R80"}, {"R9", "R57", "R49"}),
        ("intermediary", {"R56", "R9"}, {"R57", "R49"}),
        ("enhanced", {"R56", "R9", "R57"}, {"R49"}),
        ("high", {"R56", "R9", "R57", "R49"}, set()),
    ],
)
def test_a_level_includes_those_before_it(
    level: str, reached: set[str], not_reached: set[str]
) -> None:
    active = active_recommendations(declared(level), TODAY)
    assert reached <= active
    assert not not_reached & active


def test_a_waiver_lifts_its_recommendation_through_its_last_day() -> None:
    host = declared("high", R56="2026-03-15", R57="2026-03-14")
    active = active_recommendations(host, TODAY)
    assert "R56" not in active
    assert {"R9", "R57"} <= active


def test_an_ended_waiver_is_a_finding_until_it_is_removed() -> None:
    host = declared(R36="2026-03-14", R32="2026-03-15")
    assert ended_waivers(host, TODAY) == [
        "the waiver for R36 ended on 2026-03-14: renew it, or remove it"
    ]


def test_what_nothing_keeps_is_a_finding_unless_it_is_waived() -> None:
    host = declared("enhanced", R5="2026-03-15", R72="2026-03-14")
    found = recommendations_that_nothing_keeps(host, TODAY)
    assert [text.split()[2] for text in found] == ["R72", "R79"]
    assert not {"R5", "R72", "R79"} & active_recommendations(host, TODAY)


def test_a_waiver_of_what_a_role_keeps_anyway_is_a_finding() -> None:
    (said,) = idle_waivers(declared(R31="2026-03-15", R5="2026-03-15", R9="2026-03-15"))
    assert said.startswith("the waiver for R31 lifts nothing, for accounts keeps it")


def test_the_inventory_comes_before_the_defaults_of_the_roles(tmp_path: Path) -> None:
    file = tmp_path / "declared.json"
    file.write_text(json.dumps({"variables": {"hardening_level": "high"}, "waivers": []}))
    host = read_declaration(file)
    assert host["hardening_level"] == "high"
    assert host["hardening_shell_timeout"] == 600
    with pytest.raises(LookupError, match="time_set_clock is computed"):
        host["time_set_clock"]


def test_the_accounts_are_those_of_people_yml_on_this_host(tmp_path: Path) -> None:
    environment = load_environment("lab")
    found = {}
    for host in ("rbx7", "sysfab"):
        file = tmp_path / f"{host}.json"
        file.write_text(json.dumps(declaration(environment, host)))
        found[host] = read_declaration(file)
    persons = {host: [p.account for p in found[host].persons] for host in found}
    assert persons == {"rbx7": ["amartin", "bdurand"], "sysfab": ["amartin"]}
    alice, bruno = found["rbx7"].persons
    assert (alice.sudo, alice.exec, len(alice.keys or ())) == (["ALL"], [], 2)
    assert bruno.sudo == ["/usr/bin/systemctl restart chrony.service"]
    assert bruno.groups == ["systemd-journal"]
    ops, _ = found["rbx7"].machines
    # Its key is made with the lab: only Ansible knows it.
    assert ops.keys is None
    assert ops.origins == ["198.18.0.1", "2001:2::1"]


def test_an_environment_without_people_declares_no_accounts(tmp_path: Path) -> None:
    environment = replace(load_environment("lab"), people=None)
    file = tmp_path / "declared.json"
    file.write_text(json.dumps(declaration(environment, "rbx7")))
    assert read_declaration(file).accounts is None
