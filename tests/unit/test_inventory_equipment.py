"""What is unknown on a host and what differs from the last inventory; what is no answer of one."""

import json
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import pytest
from host_programs import strangers
from inventory_of import DISK, ETH0, MACHINE, OPENSSL, OWN, ROGUE, SOCKET, SYSTEM, TREE, host

from orchestrator.environment import Waiver, load_environment
from orchestrator.inventory.collect import PROGRAM, read_answer
from orchestrator.inventory.differences import differences
from orchestrator.inventory.equipment import Equipment, Interface, Machine, read_as
from orchestrator.inventory.unknown import (
    Declared,
    accepting,
    declared_of,
    rule_of,
    unknown_equipment,
)
from orchestrator.paths import project_root

ENVIRONMENT = load_environment(project_root() / "inventories/lab")
ADDRESSES = frozenset({"198.18.0.11", "2001:2::11"})
DECLARED = Declared(ADDRESSES, frozenset({"S64"}))
CONTAINER = Machine(container=True, virtualization="systemd-nspawn")
STICK = replace(DISK, name="sdb", serial="USB1", wwn="", bytes=16 * 10**9, removable=True)


def interface(name: str, kind: str = "dummy", **about: Any) -> Interface:
    given: dict[str, Any] = {
        "physical": False, "driver": "", "mac": "02::9", "up": True, "part_of": "", "made_on": "",
        "addresses": (),
    }  # fmt: skip
    return Interface(name, kind, **(given | about))


BOND = (
    replace(ETH0, name="bond0", kind="bond", physical=False, addresses=()),
    replace(SOCKET, name="eth0", up=True, part_of="bond0"),
    replace(SOCKET, name="eth1", up=True, part_of="bond0"),
    replace(ETH0, name="bond0.7", kind="vlan", physical=False, made_on="bond0"),
)
# What the host has, what is declared, and what is found.
UNKNOWN: dict[str, tuple[Equipment, Declared, list[str]]] = {
    "as declared": (host(), DECLARED, []),
    "an address": (
        host(interfaces=(replace(ETH0, addresses=(*ETH0.addresses, "10.9.8.7/24")),)), DECLARED,
        ["unmanaged address 10.9.8.7/24"],
    ),
    "an address that went": (
        host(interfaces=(replace(ETH0, addresses=("198.18.0.11/24",)),)), DECLARED,
        ["missing address 2001:2::11"],
    ),
    "an interface": (
        host(interfaces=(ETH0, interface("dummy0"))), DECLARED, ["unmanaged interface dummy0"]
    ),
    "one that is down": (
        host(interfaces=(ETH0, interface("dummy0", up=False))), DECLARED,
        ["unmanaged interface dummy0"],
    ),
    "a socket that somebody uses": (
        host(interfaces=(ETH0, replace(SOCKET, up=True))), DECLARED, ["unmanaged interface eth1"]
    ),
    "a socket with an address": (
        host(interfaces=(ETH0, replace(SOCKET, addresses=("10.0.0.1/8",)))), DECLARED,
        ["unmanaged address 10.0.0.1/8", "unmanaged interface eth1"],
    ),
    "a VLAN on a bond of two": (host(interfaces=BOND), DECLARED, []),
    "one made on a declared one": (
        host(interfaces=(ETH0, interface("mv9", "macvlan", made_on="eth0"))), DECLARED,
        ["unmanaged interface mv9"],
    ),
    "two that are made on each other": (
        host(interfaces=(ETH0, interface("a", made_on="b"), interface("b", made_on="a"))), DECLARED,
        ["unmanaged interface a", "unmanaged interface b"],
    ),
    "no address is declared": (
        host(interfaces=(interface("dummy0"),)), Declared(None, frozenset({"S64"})), []
    ),
    "interfaces that were not seen": (
        host(interfaces=(), blind={"interfaces": "ip: not found"}), DECLARED, []
    ),
    "a disk": (host(disks=(DISK, STICK)), DECLARED, ["unmanaged disk USB1"]),
    "a disk without a number": (
        host(disks=(DISK, replace(STICK, serial=""))), DECLARED, ["unmanaged disk sdb"]
    ),
    "a disk that went": (host(disks=()), DECLARED, ["missing disk S64"]),
    "another disk in its place": (
        host(disks=(STICK,)), DECLARED, ["unmanaged disk USB1", "missing disk S64"]
    ),
    "a second one of the serial number": (
        host(disks=(DISK, replace(STICK, serial="S64"))), DECLARED, ["unmanaged disk S64"]
    ),
    "by size": (host(), Declared(ADDRESSES, frozenset(), (512,)), []),
    "a second one of a size": (
        host(disks=(DISK, replace(DISK, serial="S65"))),
        Declared(ADDRESSES, frozenset(), (512,)), ["unmanaged disk S65"],
    ),
    "by size and gone": (
        host(), Declared(ADDRESSES, frozenset(), (512, 512)), ["missing disk 512 GB"]
    ),
    "no disk is declared": (host(disks=(STICK,)), Declared(ADDRESSES), []),
    "disks that were not seen": (
        host(disks=(), blind={"disks": "lsblk: not found"}), DECLARED, []
    ),
    "a container's disks": (host(machine=CONTAINER, disks=()), DECLARED, []),
    "a lab's machine from an image": (
        host(disks=(STICK,)), replace(DECLARED, all_or_none=True), []
    ),
    "a lab's machine with another disk": (
        host(disks=(DISK, STICK)), replace(DECLARED, all_or_none=True), ["unmanaged disk USB1"]
    ),
    "another host": (
        host(system=replace(SYSTEM, hostname="ns31.example")), DECLARED,
        ["unmanaged host ns31.example"],
    ),
    "its name in full": (host(system=replace(SYSTEM, hostname="rbx7.sigeco.fr")), DECLARED, []),
}  # fmt: skip


@pytest.mark.parametrize("case", UNKNOWN)
def test_equipment_that_nobody_declared_is_named(case: str) -> None:
    there, declared, expected = UNKNOWN[case]
    found = unknown_equipment(there, declared)
    assert [f"{one.kind} {one.object}" for one in found] == expected
    assert all(one.measures == ("4.1.1",) and one.seen and one.host == "rbx7" for one in found)


def test_what_is_declared_stands_in_the_environment() -> None:
    disks = [{"serial": "S64"}, {"size_gb": 960}, {"size_gb": 960}]
    declared = declared_of(ENVIRONMENT, "rbx7", disks)
    assert declared == Declared(ADDRESSES, frozenset({"S64"}), (960, 960), all_or_none=True)
    assert declared_of(ENVIRONMENT, "sysfab", None).serials is None


@pytest.mark.parametrize(
    ("written", "addresses"),
    [(("2001:2:0:0::11", "198.18.0.11"), ADDRESSES), (("rbx7.example",), None)],
)
def test_an_address_is_the_same_in_another_spelling(
    written: tuple[str, ...], addresses: frozenset[str] | None
) -> None:
    spelt = replace(ENVIRONMENT.host("rbx7"), addresses=written)
    environment = replace(ENVIRONMENT, hosts=(spelt,))
    assert declared_of(environment, "rbx7", []).addresses == addresses


def test_a_finding_is_accepted_by_its_rule_and_host() -> None:
    there = host(interfaces=(ETH0, interface("wg0", "wireguard")))
    (finding,) = unknown_equipment(there, DECLARED)
    assert rule_of(finding) == "inventory:unmanaged interface wg0"

    def waiver(rule: str, until: int, *hosts: str) -> Waiver:
        return Waiver(rule, "r", "c", "a", date(2027, 1, until), hosts or None)

    others = [waiver(rule_of(finding), 1, "sysfab"), waiver("inventory:unmanaged disk wg0", 1)]
    assert accepting(finding, others) is None
    named = [waiver(rule_of(finding), 2), waiver(rule_of(finding), 3, "rbx7")]
    assert accepting(finding, [*others, *named]) == named[1]


NEWER = replace(OPENSSL, version="3.5.4-1~deb13u2")
# The host before and now, and what is told.
DIFFERENCES: dict[str, tuple[Equipment | None, Equipment, list[str]]] = {
    "nothing": (host(), host(), []),
    "the first time": (None, host(), ["new host rbx7"]),
    "added": (host(packages=()), host(packages=(TREE,)), ["new package tree:amd64"]),
    "removed": (host(), host(packages=(TREE, OWN)), ["gone package openssl:amd64"]),
    "upgraded": (
        host(), host(packages=(TREE, NEWER, OWN)), ["upgraded package openssl:amd64"]
    ),
    "downgraded": (
        host(packages=(NEWER,)), host(packages=(OPENSSL,)), ["downgraded package openssl:amd64"]
    ),
    "no version of Debian's": (
        host(packages=(replace(OWN, version="x:1"),)), host(packages=(OWN,)),
        ["changed package sigeco-portal:all"],
    ),
    "the archive has a newer one": (
        host(packages=(replace(TREE, origin="Debian, another version"),)), host(packages=(TREE,)),
        [],
    ),
    "a program": (host(programs=()), host(), ["new program /usr/local/bin/rogue"]),
    "another content": (
        host(programs=(replace(ROGUE, sha256="f" * 64),)), host(),
        ["changed program /usr/local/bin/rogue"],
    ),
    "an interface": (host(), host(interfaces=(ETH0,)), ["gone interface eth1"]),
    "another card": (
        host(), host(interfaces=(ETH0, replace(SOCKET, mac="02::7"))), ["changed interface eth1"]
    ),
    "a cable": (host(), host(interfaces=(ETH0, replace(SOCKET, up=True))), []),
    "a disk": (
        host(), host(disks=(replace(DISK, serial="S65"),)), ["gone disk S64", "new disk S65"]
    ),
    "another letter": (host(), host(disks=(replace(DISK, name="nvme1n1"),)), []),
    "a second one of the serial number": (
        host(), host(disks=(DISK, replace(STICK, serial="S64", wwn="eui.2"))),
        ["new disk S64 (2)"],
    ),
    "two of a serial number in other letters": (
        host(disks=(DISK, replace(STICK, serial="S64"))),
        host(disks=(replace(STICK, serial="S64", name="sda"), replace(DISK, name="sdb"))), [],
    ),
    "firmware": (
        host(), host(disks=(replace(DISK, firmware="GXA8"),)), ["changed disk S64"]
    ),
    "another machine": (
        host(), host(machine=replace(MACHINE, serial="S-2")), ["changed machine rbx7"]
    ),
    "another kernel": (
        host(), host(system=replace(SYSTEM, kernel="6.12.63")), ["changed system rbx7"]
    ),
    "another place": (replace(host(), city="Paris"), host(), ["changed host rbx7"]),
    "not seen now": (
        host(), host(disks=(), packages=(), blind={"disks": "?", "packages": "?"}), []
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERENCES)
def test_what_differs_is_told_by_its_name(case: str) -> None:
    before, now, expected = DIFFERENCES[case]
    found = differences(before, now)
    assert [f"{one.change} {one.kind} {one.name}" for one in found] == expected


def test_a_difference_says_how_it_was_and_is() -> None:
    (one,) = differences(host(), host(machine=replace(MACHINE, serial="S-2")))
    assert (one.before, one.now) == ("serial S-1", "serial S-2")
    (one,) = differences(host(interfaces=(SOCKET,)), host(interfaces=(ETH0, SOCKET)))
    assert one.before == ""
    assert one.now.startswith("kind ether, physical yes, driver igb, mac 02:00:00:00:00:01")
    assert one.now.endswith("addresses 198.18.0.11/24 2001:2::11/64")


def written(there: Equipment) -> Any:
    return json.loads(json.dumps(asdict(there)))


def test_what_is_written_is_read_back() -> None:
    assert read_as(Equipment, written(host())) == host()
    blind = host(machine=None, blind={"machine": "no"})
    assert read_as(Equipment, written(blind)) == blind


def answer(**other: Any) -> dict[str, Any]:
    """What a host would answer, with other parts; None leaves one out."""
    names = ("system", "machine", "interfaces", "disks", "packages", "programs")
    parts = {name: written(host())[name] for name in names} | other
    return {"parts": {k: v for k, v in parts.items() if v is not None}, "blind": {}}


def test_an_answer_and_what_is_declared_make_a_host() -> None:
    found = read_answer(ENVIRONMENT.host("rbx7"), answer())
    assert (found.city, found.packages, found.disks) == ("Roubaix", host().packages, (DISK,))
    part = {**answer(disks=None), "blind": {"disks": "lsblk: not found"}}
    assert dict(read_answer(ENVIRONMENT.host("rbx7"), part).blind) == part["blind"]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"parts": {}, "blind": {}},
        {"parts": [], "blind": {}},
        answer(disks=None),
        answer(disks={}),
        answer(disks=[{"name": "sda"}]),
        answer(system=[]),
        answer(machine={"container": "no", "virtualization": ""}),
        answer(machine={"container": 1, "virtualization": ""}),
        answer(machine={"container": False, "virtualization": "", "processors": True}),
        answer(programs=[{"path": "/x", "sha256": None}]),
        answer(programs=[{"path": "/x", "sha256": "0" * 64, "more": ""}]),
        *(
            answer(programs=[{"path": "/x", "sha256": digest}])
            for digest in ("", "[/foo]", "0" * 63, "A" * 64, "0" * 64 + "\n")
        ),
        *(answer(disks=[asdict(DISK) | {"bytes": size}]) for size in (10**400, 2**63, -1)),
        answer(packages="none"),
        answer(nonsense={}),
        *(
            {**answer(), "parts": answer()["parts"] | {part: None}}
            for part in ("system", "machine")
        ),
        {**answer(), "blind": {"disks": 7}},
    ],
)
def test_nonsense_is_no_answer(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_answer(ENVIRONMENT.host("rbx7"), said)


def test_nothing_that_a_host_says_speaks_to_the_terminal() -> None:
    said = answer(programs=[{"path": "/usr/\x1b[2J", "sha256": "unreadable"}])
    said["blind"] = {"di\x1b": "\x1b"}
    assert "\\u001b" not in json.dumps(asdict(read_answer(ENVIRONMENT.host("rbx7"), said)))


def test_it_stands_alone_on_the_host() -> None:
    """Its modules know the standard library and those sent before them, and nothing else."""
    assert strangers(PROGRAM) == []
