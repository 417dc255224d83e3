"""Runs on a host: the machine, its interfaces and its disks, as the kernel knows them."""

import json
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.drift.collector.host.commands import CannotSay, output
from orchestrator.drift.collector.host.kernel import container
from orchestrator.drift.collector.host.network import STANDING
from orchestrator.drift.collector.host.storage import NO_DISK

_DMI = Path("/sys/class/dmi/id")
_DEVICE_TREE = Path("/proc/device-tree")
_NET = Path("/sys/class/net")
_BLOCK = Path("/sys/class/block")
_RELEASE = Path("/etc/os-release")
# What makers leave in the fields that they have not filled in.
_EMPTY = re.compile(
    r"(?:to be filled by o\.?e\.?m\.?|default string|not (?:specified|applicable|available|present)"
    r"|none|unknown|n/?a|o\.e\.m\.|system (?:manufacturer|product name|version|serial number)"
    r"|base board serial number|0123456789|123456789|[0x.*\s-]*)",
    re.IGNORECASE,
)
_COLUMNS = "NAME,TYPE,SIZE,SERIAL,WWN,MODEL,RM,TRAN"


def system() -> dict[str, object]:
    """What runs the machine; a container has no kernel of its own."""
    lines = _RELEASE.read_text("utf-8").splitlines()
    words = {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
    return {
        "hostname": platform.node(),
        "system": words.get("PRETTY_NAME", ""),
        "release": words.get("VERSION_CODENAME", ""),
        "architecture": output("dpkg", "--print-architecture").strip(),
        "kernel": "" if container() else platform.release(),
    }


def machine() -> dict[str, object]:
    """What identifies it; of a container's, that it is one: what it sees is the machine below."""
    if kind := container():
        return {"container": True, "virtualization": kind}
    board = (_dmi("board_vendor"), _dmi("board_name"), _dmi("board_version"))
    firmware = (_dmi("bios_vendor"), _dmi("bios_version"))
    return {
        "container": False,
        "virtualization": _virtual(),
        "vendor": _dmi("sys_vendor"),
        "product": _dmi("product_name") or _tree("model"),
        "version": _dmi("product_version"),
        "serial": _dmi("product_serial") or _tree("serial-number"),
        "uuid": _dmi("product_uuid"),
        "board": " ".join(filter(None, board)),
        "board_serial": _dmi("board_serial"),
        "firmware": " ".join(filter(None, firmware)),
        "firmware_date": _dmi("bios_date"),
        "processor": _processor(),
        "processors": os.cpu_count() or 0,
        # The kernel keeps some for itself, each release another part.
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
    }


def interfaces() -> list[dict[str, object]]:
    """Every one but the loopback and those that each name space has as soon as a module is loaded.

    Link-local and temporary addresses are left out: the host makes them up.
    """
    text = output("ip", "-j", "-d", "address")
    try:
        links = [link for link in json.loads(text or "[]") if link]
    except ValueError as error:
        raise CannotSay(f"ip address: {error}") from error
    return [
        _interface(link)
        for link in links
        if link.get("link_type") != "loopback"
        and not (STANDING.fullmatch(link["ifname"]) and "UP" not in link.get("flags", ()))
    ]


def disks() -> list[dict[str, object]]:
    """Every one that the host has itself; a container has none."""
    if container():
        return []
    text = output("lsblk", "--json", "--bytes", "--nodeps", "--output", _COLUMNS)
    try:
        listed = json.loads(text)["blockdevices"]
    except (ValueError, KeyError) as error:
        raise CannotSay(f"lsblk: {error!r}") from error
    return list(_disks(listed))


def _interface(link: dict[str, Any]) -> dict[str, object]:
    name = link["ifname"]
    device = _NET / name / "device"
    driver = device / "driver"
    of_ethernet = link.get("link_type") == "ether"
    return {
        "name": name,
        "kind": link.get("linkinfo", {}).get("info_kind", "") or link.get("link_type", ""),
        "physical": device.exists(),
        "driver": driver.resolve().name if driver.exists() else "",
        "mac": link.get("permaddr") or link.get("address", "") if of_ethernet else "",
        "up": "UP" in link.get("flags", ()),
        # A bond or a bridge that it belongs to; the one that it is made on, as a VLAN's.
        "part_of": link.get("master", ""),
        "made_on": link.get("link") or "",
        "addresses": [
            f"{one['local']}/{one['prefixlen']}"
            for one in link.get("addr_info", ())
            if one.get("scope") != "link" and not one.get("temporary")
        ],
    }


def _disks(listed: list[dict[str, Any]]) -> Iterator[dict[str, object]]:
    for one in listed:
        name = str(one["name"])
        # An empty drive is none yet.
        if one.get("type") != "disk" or NO_DISK.fullmatch(name) or not one.get("size"):
            continue
        told = (_read(_BLOCK / name / "device" / word) for word in ("firmware_rev", "rev"))
        yield {
            "name": name,
            "model": (one.get("model") or "").strip(),
            "serial": (one.get("serial") or "").strip(),
            "wwn": (one.get("wwn") or "").strip(),
            "bytes": int(one["size"]),
            "firmware": next(filter(None, told), ""),
            "transport": one.get("tran") or "",
            "removable": bool(one.get("rm")),
        }


def _virtual() -> str:
    try:
        return output("systemd-detect-virt", "--vm").strip().replace("none", "")
    except CannotSay:  # says `none`, and fails
        return ""


def _processor() -> str:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _dmi(field: str) -> str:
    told = _read(_DMI / field)
    return "" if _EMPTY.fullmatch(told) else told


def _tree(field: str) -> str:
    return _read(_DEVICE_TREE / field).strip("\0")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
