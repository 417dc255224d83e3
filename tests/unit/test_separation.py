"""What two environments have in common is found, and named without being given away."""

from pathlib import Path

import pytest
from small_environment import ENVIRONMENT, HARDWARE, HOSTS, OTHER, PLAIN

from orchestrator.environment.separation import belongings, shared
from orchestrator.errors import ConfigurationInvalid
from orchestrator.paths import project_root

PEOPLE = """\
persons:
  - account: anna
    keys: [KEY]
machines:
  - account: runner
    keys: [MACHINE]
    from: [FROM]
"""
VAULTED = "db: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  CIPHER\n"
MORE = "vault: {password_command: [pass, show, NAME]}\n"


def write(directory: Path, name: str, **given: str) -> Path:
    """An environment that has all of its own, but for what is given."""
    number = 1 if name == "one" else 2
    own = {
        "host": f"192.0.{number}.1", "second": f"192.0.{number}.2",
        "key": HARDWARE if number == 1 else PLAIN,
        "machine": OTHER if number == 1 else HARDWARE.replace("IBDx", "IBDy"),
        "origin": f"198.51.{number}.0/24", "cipher": f"61{number}2", "whole": f"7{number}",
        "vault": name, "node": f"203.0.113.{number}",
    } | given  # fmt: skip
    here = directory / name
    (here / "group_vars").mkdir(parents=True)
    environment = ENVIRONMENT.replace("FR}}", f"FR}}, addresses: [{own['node']}]}}", 1)
    (here / "environment.yml").write_text(environment + MORE.replace("NAME", own["vault"]))
    (here / "hosts.yml").write_text(
        HOSTS.replace("192.0.2.1", own["host"]).replace("192.0.2.2", own["second"])
    )
    people = PEOPLE.replace("KEY", own["key"]).replace("MACHINE", own["machine"])
    (here / "people.yml").write_text(people.replace("FROM", own["origin"]))
    (here / "group_vars/all.yml").write_text(VAULTED.replace("CIPHER", own["cipher"]))
    whole = f"$ANSIBLE_VAULT;1.1;AES256\n{own['whole']}\n"
    (here / "group_vars/secret.yml").write_text(whole)
    return here


def compared(tmp_path: Path, **given: str) -> list[str]:
    one, two = write(tmp_path, "one"), write(tmp_path, "two", **given)
    return [f"{pair.mine.spoken} / {pair.other.spoken} {pair.other.where.removeprefix(str(two))}"
            for pair in shared(belongings(one), belongings(two))]  # fmt: skip


SHARED = {
    "host": ({"host": "192.0.1.1"}, "host web1, 192.0.1.1 / host web1, 192.0.1.1 /hosts.yml:3"),
    "another's host": ({"second": "192.0.1.1"},
                       "host web1, 192.0.1.1 / host web2, 192.0.1.1 /hosts.yml:4"),
    "person's key": ({"key": HARDWARE}, "a key of anna / a key of anna /people.yml:3"),
    "machine's key": ({"machine": HARDWARE}, "a key of anna / a key of runner /people.yml:6"),
    "control node": ({"node": "203.0.113.1"}, "the control node, 203.0.113.1 / the control node,"
                     " 203.0.113.1 /environment.yml:3"),
    "network": ({"origin": "198.51.1.128/25"}, "the origin of runner, 198.51.1.0/24 / the origin of"
                " runner, 198.51.1.128/25 /people.yml:7"),
    "host in a network": ({"host": "198.51.1.9"}, "the origin of runner, 198.51.1.0/24 / host"
                          " web1, 198.51.1.9 /hosts.yml:3"),
    "secret": ({"cipher": "6112"}, "the secret db / the secret db /group_vars/all.yml:1"),
    "vaulted file": ({"whole": "71"}, "a vaulted file / a vaulted file /group_vars/secret.yml:1"),
    "vault's password": ({"vault": "one"},
                         "the vault's password / the vault's password /environment.yml:7"),
}  # fmt: skip


def test_what_is_apart_is_apart(tmp_path: Path) -> None:
    assert compared(tmp_path) == []


@pytest.mark.parametrize("case", SHARED)
def test_what_is_shared_is_found_on_both_sides(tmp_path: Path, case: str) -> None:
    given, said = SHARED[case]
    assert compared(tmp_path, **given) == [said]


def test_a_host_by_name(tmp_path: Path) -> None:
    one = write(tmp_path, "one", host="db.example.org")
    two = write(tmp_path, "two", second="DB.example.org")
    (pair,) = shared(belongings(one), belongings(two))
    assert pair.other.spoken == "host web2, db.example.org"


def test_what_cannot_be_read_is_not_taken_for_apart(tmp_path: Path) -> None:
    here = write(tmp_path, "one")
    (here / "people.yml").write_text("persons: [\n")
    with pytest.raises(ConfigurationInvalid):
        belongings(here)


def test_the_project_s_environments_share_nothing() -> None:
    lab, production = (project_root() / "inventories" / name for name in ("lab", "production"))
    mine = belongings(lab)
    assert {one.kind for one in mine} == {"place", "key"}
    assert shared(mine, belongings(production)) == []
