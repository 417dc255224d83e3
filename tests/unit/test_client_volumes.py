"""The clients beside their volumes: what is to be done about each."""

import json
from dataclasses import replace

import pytest

from orchestrator.clients import ClientList, ClientState, Volume
from orchestrator.clients.listing import read_volumes
from orchestrator.clients.volumes import VOLUMES, Opened
from orchestrator.environment import Client
from orchestrator.exit_codes import ExitCode

ALPHA = Client("alpha", "Alpha", "rbx7", 10, 128, 50, 64, 0)
VOLUME = Volume("alpha", 10_000_269_312, 1_000_000, opened=True, mounted=True, unfinished=False)
WELL = ClientState("alpha", "rbx7", ALPHA, VOLUME, has_key=True)

FAULTS = {
    "nothing": (WELL, ()),
    "undeclared": (
        replace(WELL, declared=None),
        ("a volume of somebody whom clients.yml does not declare",),
    ),
    "no volume": (
        replace(WELL, volume=None, has_key=False),
        ("has no volume: pas-infra client add alpha",),
    ),
    "cut short": (
        replace(WELL, volume=replace(VOLUME, unfinished=True)),
        ("has no volume: pas-infra client add alpha",),
    ),
    "no key": (replace(WELL, has_key=False), ("the key store has no key of their volume",)),
    "too small": (
        replace(WELL, declared=replace(ALPHA, volume_gb=11)),
        ("the volume is smaller than declared: pas-infra client add alpha",),
    ),
    "too large": (
        replace(WELL, declared=replace(ALPHA, volume_gb=9)),
        ("the volume is larger than declared",),
    ),
    "closed": (
        replace(WELL, volume=replace(VOLUME, mounted=False, used=None)),
        ("the volume is not mounted: pas-infra unlock rbx7",),
    ),
    "leaving": (
        replace(WELL, leaving=True, volume=None),
        (
            "their erasure was confirmed: pas-infra client offboard alpha ends it; then remove "
            "them from clients.yml",
        ),
    ),
    "a container": (replace(WELL, volume=None, has_key=False, has_disks=False), ()),
}


@pytest.mark.parametrize(("state", "faults"), FAULTS.values(), ids=FAULTS)
def test_what_is_to_be_done(state: ClientState, faults: tuple[str, ...]) -> None:
    assert state.faults == faults
    code = ExitCode.FINDINGS if faults else ExitCode.OK
    assert ClientList((state,), {}).exit_code == code


def test_a_host_that_could_not_be_asked_is_never_fine() -> None:
    assert ClientList((WELL,), {"sysfab": "no answer"}).exit_code == ExitCode.INCOMPLETE


def test_what_a_host_says() -> None:
    said = {
        "has_disks": True,
        "volumes": [
            {"name": "al\x1bpha", "size": 5, "used": None, "opened": False, "mounted": False,
             "unfinished": True}
        ],
    }  # fmt: skip
    volumes, has_disks = read_volumes(said)
    assert has_disks
    assert list(volumes) == ["al�pha"]


@pytest.mark.parametrize(
    "nonsense", [{"refused": "no"}, {}, {"volumes": [{}], "has_disks": True}, {"volumes": 1}]
)
def test_nonsense_is_an_error(nonsense: dict[str, object]) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        read_volumes(nonsense)


def test_a_key_goes_to_the_host_with_the_program_only() -> None:
    asked = VOLUMES.question({"what": "open", "name": "alpha", "group": "g", "key": "s3cret"})
    assert "s3cret" not in asked.command
    assert json.dumps("s3cret") in asked.script


def test_what_has_to_be_looked_at() -> None:
    assert Opened("alpha", mounted=True).trouble == ""
    assert Opened("alpha", mounted=True, failed=("a.service",)).trouble == (
        "a.service does not start"
    )
    assert Opened("alpha", fault="no").trouble == "no"
