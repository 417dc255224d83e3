"""Hosts for the tests of the inventory: one of metal, and what a program on it would answer."""

from dataclasses import replace
from typing import Any

from orchestrator.environment import Environment
from orchestrator.inventory.collect import declared
from orchestrator.inventory.equipment import (
    Disk,
    Equipment,
    Interface,
    Machine,
    Package,
    Program,
    System,
)

MACHINE = Machine(
    container=False, virtualization="", vendor="ASRockRack", product="E3C246D4U", serial="S-1",
    firmware="American Megatrends L2.21", firmware_date="03/12/2025", processor="Xeon",
    processors=12, memory_gib=32,
)  # fmt: skip
SYSTEM = System("rbx7", "Debian GNU/Linux 13 (trixie)", "trixie", "amd64", "6.12.57+deb13-amd64")
ETH0 = Interface(
    name="eth0", kind="ether", physical=True, driver="igb", mac="02:00:00:00:00:01", up=True,
    part_of="", made_on="", addresses=("198.18.0.11/24", "2001:2::11/64"),
)  # fmt: skip
SOCKET = replace(ETH0, name="eth1", mac="02:00:00:00:00:02", up=False, addresses=())
DISK = Disk(
    name="nvme0n1", model="SAMSUNG MZVL2512", serial="S64", wwn="eui.1", bytes=512_110_190_592,
    firmware="GXA7", transport="nvme", removable=False,
)  # fmt: skip
TREE = Package("tree", "2.2.1-1", "amd64", "Debian", manual=True)
OPENSSL = Package("openssl", "3.5.4-1~deb13u1", "amd64", "Debian (Debian-Security)", manual=False)
OWN = Package("sigeco-portal", "1:1.0+local~1", "all", "no archive", manual=True)
ROGUE = Program("/usr/local/bin/rogue", "0" * 64)


def host(name: str = "rbx7", **parts: Any) -> Equipment:
    """One of metal, with other parts."""
    known: dict[str, Any] = {
        "system": SYSTEM, "machine": MACHINE, "interfaces": (ETH0, SOCKET), "disks": (DISK,),
        "packages": (TREE, OPENSSL, OWN), "programs": (ROGUE,),
    }  # fmt: skip
    return Equipment(name, "Service", "OVHcloud", "Roubaix", "FR", **(known | parts))


def of_environment(environment: Environment, name: str, **parts: Any) -> Equipment:
    """A host with the addresses, and without the disks, that the environment declares of it."""
    addresses = tuple(f"{each}/24" for each in environment.host(name).addresses)
    own: dict[str, Any] = {
        "interfaces": (replace(ETH0, addresses=addresses),),
        "system": replace(SYSTEM, hostname=name),
        "disks": (),
    }
    about: dict[str, Any] = {**declared(environment.host(name))}
    return replace(host(name, **(own | parts)), **about)
