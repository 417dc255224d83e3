"""The firewall under the confirmed commit: rules that shut the operator out do not stay."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import COMMITS, HOST, Rig

LOCK_OUT = Path(__file__).parent / "playbooks/lock_out.yml"
RULES = "/etc/nftables.conf"
SECONDS = 20  # the time limit: the role arms it, loads the rules and then tries a fresh connection


@pytest.fixture(scope="module", autouse=True)
def unfiltered(rig: Rig) -> Iterator[None]:
    """Leave the host to the other tests as they had it."""
    yield
    rig.root("systemctl --quiet disable nftables; nft flush ruleset")


@pytest.fixture
def elsewhere(environment_copy: Path) -> Path:
    """A matrix that is sound, for a control node at another address than this one's."""
    for name in ("flows.yml", "environment.yml"):
        file = environment_copy / name
        text = file.read_text()
        assert '198.18.0.1, "2001:2::1"' in text
        file.write_text(text.replace('198.18.0.1, "2001:2::1"', '203.0.113.1, "2001:db8::1"'))
    return environment_copy


def filtered(rig: Rig) -> tuple[str, str]:
    """The rules in force, and what the next start would load."""
    unit = "systemctl show --property UnitFileState,ActiveState,DropInPaths nftables.service"
    return rig.root("nft --stateless list ruleset").stdout, rig.root(
        f"sha256sum {RULES}; {unit}"
    ).stdout


def refuse(rig: Rig, elsewhere: Path) -> None:
    """Apply the matrix that shuts this control node out, and see that it does not stay."""
    before = filtered(rig)
    done = rig.apply(elsewhere, "--confirm-timeout", str(SECONDS), role="firewall").expect(1)
    for told in ("rolled back", HOST, RULES, "nftables", "not confirmed over a fresh connection"):
        assert told in done.stderr, done.stderr
    assert filtered(rig) == before
    assert rig.armed() == []


def test_first_rules_that_shut_the_operator_out(rig: Rig, elsewhere: Path) -> None:
    """A host that never had rules has none again, and starts without them."""
    rig.root("apt-get update -qq && apt-get install -qq --yes nftables > /dev/null")
    refuse(rig, elsewhere)
    assert rig.root("nft list ruleset").stdout == ""


@pytest.mark.full
def test_later_rules_that_shut_the_operator_out(rig: Rig, elsewhere: Path) -> None:
    """The rules that were in force are in force again."""
    rig.apply(role="firewall").expect(0)
    assert "table inet pas_infra" in filtered(rig)[0]
    refuse(rig, elsewhere)


@pytest.mark.full
def test_power_cut_while_the_operator_is_shut_out(rig: Rig) -> None:
    """After the next boot the former rules are in force before the network is up."""
    rig.apply(role="firewall").expect(0)
    before = filtered(rig)
    shut = "nft insert rule inet pas_infra input tcp dport 22 ct state new drop"
    written = f"echo 'insert rule inet pas_infra input tcp dport 22 drop' >> {RULES}; sync"
    variables = {
        "paths": [RULES], "units": ["nftables.service"], "ruleset": True, "confirm": False,
        "change": f"{shut}; {written}", "confirmed_commit_timeout": 3600,
    }  # fmt: skip
    rig.playbook(LOCK_OUT, variables, "linear").expect(0)
    assert rig.root(":", code=None).code == 255, "the operator is shut out"
    rig.cut_power()
    rig.lab("up", HOST)
    assert filtered(rig) == before
    assert rig.armed() == []
    record = json.loads(rig.root(f"cat {COMMITS}/fault.rolled-back.json").stdout)
    assert record["why"] == "the host was restarted before it was confirmed"
    assert record["changed"] == [RULES]
    assert record["faults"] == []
