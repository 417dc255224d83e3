"""What the program on the host makes of what the kernel, dpkg and apt say there."""

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.clients.host import volumes
from orchestrator.drift.collector.host import commands
from orchestrator.drift.collector.host.commands import CannotSay
from orchestrator.drift.collector.host.dpkg import Packaged
from orchestrator.drift.collector.host.storage import Mount
from orchestrator.inventory.host import answers, hardware, software
from orchestrator.paths import project_root

LINKS = [
    {"ifname": "lo", "link_type": "loopback", "flags": ["UP"], "addr_info": []},
    {"ifname": "sit0", "link_type": "sit", "flags": ["NOARP"], "addr_info": []},
    {
        "ifname": "enp1s0", "link_type": "ether", "address": "02:00:00:00:00:01",
        "permaddr": "a8:a1:59:00:00:01", "flags": ["BROADCAST", "UP"], "master": "bond0",
        "addr_info": [],
    },
    {
        "ifname": "bond0.7", "link": "bond0", "link_type": "ether", "address": "02:00:00:00:00:01",
        "flags": ["UP"], "linkinfo": {"info_kind": "vlan"},
        "addr_info": [
            {"local": "192.0.2.11", "prefixlen": 24, "scope": "global"},
            {"local": "2001:db8::11", "prefixlen": 64, "scope": "global", "dynamic": True},
            {"local": "2001:db8::9", "prefixlen": 64, "scope": "global", "temporary": True},
            {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
        ],
    },
    {"ifname": "wg0", "link_type": "none", "flags": ["UP"], "linkinfo": {"info_kind": "wireguard"}},
]  # fmt: skip


def says(monkeypatch: pytest.MonkeyPatch, module: Any, answers: dict[str, str]) -> None:
    """Let some programs say something else; the others are asked for real."""

    def output(*command: str) -> str:
        return answers[command[0]] if command[0] in answers else commands.output(*command)

    monkeypatch.setattr(module, "output", output)


def test_interfaces_are_told_with_what_identifies_them(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, hardware, {"ip": json.dumps(LINKS)})
    found = {str(one["name"]): one for one in hardware.interfaces()}
    assert list(found) == ["enp1s0", "bond0.7", "wg0"]
    assert (found["enp1s0"]["mac"], found["enp1s0"]["part_of"]) == ("a8:a1:59:00:00:01", "bond0")
    vlan = found["bond0.7"]
    assert (vlan["kind"], vlan["made_on"], vlan["up"]) == ("vlan", "bond0", True)
    assert vlan["addresses"] == ["192.0.2.11/24", "2001:db8::11/64"]
    assert (found["wg0"]["kind"], found["wg0"]["mac"]) == ("wireguard", "")


LISTED = {
    "blockdevices": [
        {"name": "nvme0n1", "type": "disk", "size": 512110190592, "serial": " S64 ", "rm": False,
         "wwn": "eui.1", "model": "SAMSUNG ", "tran": "nvme"},
        {"name": "vda", "type": "disk", "size": 10**9, "serial": None, "wwn": None,
         "model": None, "rm": False, "tran": None},
        {"name": "zram0", "type": "disk", "size": 10**9},
        {"name": "sdb", "type": "disk", "size": 0, "model": "Card reader"},
        {"name": "sr0", "type": "rom", "size": 10**9},
        {"name": "loop0", "type": "loop", "size": 10**9},
    ]
}  # fmt: skip


def test_disks_are_those_that_hold_something_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "container", lambda: "")
    says(monkeypatch, hardware, {"lsblk": json.dumps(LISTED)})
    first, second = hardware.disks()
    assert (first["serial"], first["model"], first["bytes"]) == ("S64", "SAMSUNG", 512110190592)
    assert (second["name"], second["serial"], second["model"]) == ("vda", "", "")
    monkeypatch.setattr(hardware, "container", lambda: "lxc")
    assert hardware.disks() == []


@pytest.mark.parametrize("module", ["disks", "interfaces"])
def test_what_cannot_be_read_is_not_empty(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setattr(hardware, "container", lambda: "")
    says(monkeypatch, hardware, {"lsblk": "{}", "ip": "nothing"})
    with pytest.raises(CannotSay):
        getattr(hardware, module)()


def test_a_machine_is_what_its_firmware_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "sys_vendor": "ASRockRack", "product_name": "E3C246D4U2-2T", "product_serial": "S-1",
        "product_version": "To Be Filled By O.E.M.", "board_vendor": "ASRockRack",
        "board_name": "E3C246D4U", "board_serial": "Default string", "bios_vendor": "AMI",
        "bios_version": "L2.21", "bios_date": "03/12/2025", "product_uuid": "00000000-0000",
    }  # fmt: skip
    for name, text in told.items():
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(hardware, "_DMI", tmp_path)
    monkeypatch.setattr(hardware, "container", lambda: "")
    found = hardware.machine()
    assert (found["vendor"], found["product"], found["serial"]) == (
        "ASRockRack", "E3C246D4U2-2T", "S-1",
    )  # fmt: skip
    assert (found["version"], found["board_serial"], found["uuid"]) == ("", "", "")
    assert (found["board"], found["firmware"]) == ("ASRockRack E3C246D4U", "AMI L2.21")
    assert found["processors"] == os.cpu_count()
    monkeypatch.setattr(hardware, "container", lambda: "systemd-nspawn")
    assert hardware.machine() == {"container": True, "virtualization": "systemd-nspawn"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where programs lie, with one that a package brought."""
    for name, mode in (("brought", 0o755), ("rogue", 0o755), ("data", 0o644), ("lib.so.3", 0o644),
                       ("__pycache__/x.pyc", 0o644), ("__pycache__/run", 0o755),
                       ("share/doc/tool", 0o755)):  # fmt: skip
        file = tmp_path / "usr" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        file.chmod(mode)
    (tmp_path / "usr/link").symlink_to("rogue")
    monkeypatch.setattr(software, "_TOPS", (f"{tmp_path}/usr", f"{tmp_path}/opt"))
    known = Packaged({f"{tmp_path}/usr/brought": "coreutils"}, {}, {})
    monkeypatch.setattr(software, "packaged", lambda: known)
    monkeypatch.setattr(software, "mounted", lambda: iter(()))
    return tmp_path


def test_programs_are_what_can_be_run_and_no_package_brought(tree: Path) -> None:
    assert software.programs() == [
        {"path": f"{tree}/usr/{name}", "sha256": hashlib.sha256(name.encode()).hexdigest()}
        for name in ("__pycache__/run", "lib.so.3", "rogue", "share/doc/tool")
    ]


@pytest.mark.parametrize(
    ("kind", "options", "found"),
    [("ext4", ("rw",), 4), ("ext4", ("rw", "noexec"), 0), ("nfs4", ("rw",), 0)],
)
def test_a_file_system_that_runs_nothing_is_left_out(
    tree: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: tuple[str, ...], found: int
) -> None:
    mount = Mount("8:1", f"{tree}/usr", options, kind, "/dev/sda1", ())
    monkeypatch.setattr(software, "mounted", lambda: iter([mount]))
    assert len(software.programs()) == found


@pytest.mark.parametrize("mounted", [(), ("clients/alpha",), ("clients",)])
def test_what_clients_keep_is_nobody_elses(
    tree: Path, monkeypatch: pytest.MonkeyPatch, mounted: tuple[str, ...]
) -> None:
    """Neither their files' names nor how many there are; whether it is a mount or not."""
    for name in ("clients/alpha/patient.so", "backup/rbx7/x", "clients-old/tool"):
        file = tree / "usr" / name
        file.parent.mkdir(parents=True)
        file.touch(0o755)
    mounts = [
        Mount("8:1", f"{tree}/usr/{name}", ("rw", "nodev", "nosuid"), "ext4", "/dev/dm-1", ())
        for name in mounted
    ]
    monkeypatch.setattr(software, "mounted", lambda: iter(mounts))
    monkeypatch.setattr(software, "_DATA", (f"{tree}/usr/clients", f"{tree}/usr/backup"))
    told = [str(one["path"]).removeprefix(f"{tree}/usr/") for one in software.programs()]
    assert told == ["__pycache__/run", "clients-old/tool", "lib.so.3", "rogue", "share/doc/tool"]


def test_the_places_of_clients_data_are_those_of_the_roles() -> None:
    """The program on the host stands alone, and reads no role."""
    text = (project_root() / "roles/backup_target/defaults/main.yml").read_text()
    target = yaml.safe_load(text)
    places = (target["backup_target_place"], target["backup_target_kept"])
    assert (str(volumes._CLIENTS), *places) == software._DATA


def test_so_many_programs_are_no_software(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "_MOST_PROGRAMS", 1)
    with pytest.raises(CannotSay, match="over 1 executable"):
        software.programs()


STANZA = "Package: {0}\nArchitecture: {1}\nDescription: a\n thing\nVersion: {2}\n\n"
INSTALLED = [("tree", "amd64", "2"), ("zlib", "amd64", "1"), ("old", "amd64", "1"),
             ("mine", "all", "1"), ("tree", "i386", "9")]  # fmt: skip


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two archives, one of them packed, and a host with packages of both and of neither."""
    main = tmp_path / "main_Packages"
    main.write_text(STANZA.format("tree", "amd64", "2") + STANZA.format("old", "amd64", "3"))
    updates = tmp_path / "security_Packages.gz"
    security = STANZA.format("zlib", "amd64", "1") + STANZA.format("tree", "i386", "8")
    updates.write_bytes(gzip.compress(security.encode()))
    entries = tuple(
        {"Package": name, "Architecture": architecture, "Version": version}
        for name, architecture, version in INSTALLED
    )
    monkeypatch.setattr(software, "installed_packages", lambda: entries)
    monkeypatch.setattr(software, "automatic_packages", lambda: {"zlib"})
    targets = f"{main}\tDebian\tDebian\n{updates}\tDebian\tDebian-Security\n"
    says(monkeypatch, software, {"apt-get": targets})
    return tmp_path


def test_a_package_is_told_with_the_archive_that_has_it(archives: Path) -> None:
    found = software.packages(software.origins())
    assert [(one["name"], one["architecture"], one["origin"], one["manual"]) for one in found] == [
        ("tree", "amd64", "Debian", True),
        ("zlib", "amd64", "Debian (Debian-Security)", False),
        ("old", "amd64", "Debian, another version", True),
        ("mine", "all", "no archive", True),
        ("tree", "i386", "Debian (Debian-Security), another version", True),
    ]


def test_a_host_that_knows_no_archive_says_so(
    archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, software, {"apt-get": ""})
    assert {one["origin"] for one in software.packages(software.origins())} == {"unknown"}


def test_a_list_that_cannot_be_read_is_not_an_empty_archive(archives: Path) -> None:
    (archives / "security_Packages.gz").unlink()
    with pytest.raises(CannotSay, match="cannot read"):
        software.origins()


def test_a_part_that_fails_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise ZeroDivisionError

    def silent() -> object:
        raise CannotSay("lsblk: not found")

    parts = {
        "disks": silent, "machine": broken, "system": lambda: {"hostname": "x"},
        "origins": dict,
    }  # fmt: skip
    monkeypatch.setattr(answers, "_PARTS", parts)
    monkeypatch.setattr(answers, "packages", lambda origins: [origins])
    assert answers.answer({}) == {
        "parts": {"system": {"hostname": "x"}, "packages": [{}]},
        "blind": {"disks": "lsblk: not found", "machine": "ZeroDivisionError()"},
    }
