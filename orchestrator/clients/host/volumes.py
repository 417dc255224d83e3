"""The volume of a client: made, grown, opened. Runs on the host, as root."""

import json
import shutil
from pathlib import Path
from typing import Any

from orchestrator.keys.host.luks import (
    Refused,
    cost,
    cryptsetup,
    header_sum,
    opened_by,
    pipe,
    run,
)

# What a volume bears until it holds a file system: only such a one is ever formatted, and it is
# never mounted.
_NEW = "pas-infra-new"
_GROWING = "pas-infra-growing"  # and what one bears until its file system is as large as itself
_CLIENTS = Path("/srv/clients")
_GIGABYTE = 10**9


def create(
    name: str,
    group: str,
    size_gb: int,
    key: str,
    derivation: dict[str, int],
    cipher: str,
    key_bits: int,
) -> dict[str, Any]:
    """Make the client's volume under its key, or let one that is there grow to its size.

    Cut short anywhere, the next call goes on. Raises Refused for a volume that the key does not
    open, that is larger, or that the group has no room for.
    """
    found = volumes(group).get(name)
    device, done = device_of(name, group), []
    if found is None:
        make_room(group, size_gb * _GIGABYTE)
        run("lvcreate", "--quiet", "--yes", "--wipesignatures", "y", "--addtag", _NEW,
            "--name", f"client_{name}", "--size", f"{size_gb * _GIGABYTE}b", group)  # fmt: skip
        done.append("made")
    if found is None or found["new"]:
        format_volume(name, device, key, cost(derivation), cipher, key_bits)
        run("lvchange", "--quiet", "--deltag", _NEW, f"{group}/client_{name}")
        done = ["made"]
    elif opened_by(device, key) is None:
        raise Refused(f"{device} is there, and the key of {name} does not open it")
    elif (more := size_gb * _GIGABYTE - found["size"]) > 0 or found["growing"]:
        if more > 0:
            make_room(group, more)
            run("lvchange", "--quiet", "--addtag", _GROWING, f"{group}/client_{name}")
            run(
                "lvextend", "--quiet", "--size", f"{size_gb * _GIGABYTE}b", f"{group}/client_{name}"
            )
        grow(name, group, key)
        done.append("grown")
    elif -more >= _extent(group):
        raise Refused(
            f"{device} has {found['size'] / _GIGABYTE:.1f} GB, and a volume is never made smaller"
        )
    uuid = run("cryptsetup", "luksUUID", device).strip()
    return {"done": done, "uuid": uuid, "sha256": header_sum(device)}


def format_volume(
    name: str, device: str, key: str, costs: list[str], cipher: str, key_bits: int
) -> None:
    """Encrypt a new volume and put a file system on it."""
    if mapping(name).exists():
        run("cryptsetup", "close", mapping(name).name)
    with pipe(key) as end:
        cryptsetup(
            "luksFormat", "--batch-mode", "--type", "luks2", "--cipher", cipher,
            "--key-size", str(key_bits), *costs, "--label", mapping(name).name,
            "--key-file", end.path, device, pipes=(end,),
        )  # fmt: skip
    open_device(name, device, key)
    run("mkfs.ext4", "-q", "-m", "0", str(mapping(name)))
    run("sync", str(mapping(name)))


def grow(name: str, group: str, key: str) -> None:
    """Let encrypted device and file system follow their volume, while they are used or not."""
    open_device(name, device_of(name, group), key)
    with pipe(key) as end:
        cryptsetup("resize", "--key-file", end.path, mapping(name).name, pipes=(end,))
    if not mounted(name):
        # 1: it has mended something.
        run("sh", "-c", 'e2fsck -f -p "$1" || [ $? -eq 1 ]', "sh", str(mapping(name)))
    run("resize2fs", str(mapping(name)))
    run("lvchange", "--quiet", "--deltag", _GROWING, f"{group}/client_{name}")


def open_volume(name: str, group: str, key: str) -> dict[str, Any]:
    """Open the client's volume, mount it, and start what is enabled of its services.

    `mounted` is False where role clients has not been there yet, `failed` is what did not start.
    """
    if (found := volumes(group).get(name)) is None or found["new"]:
        raise Refused(f"{name} has no volume yet: pas-infra client add makes it")
    was_mounted = mounted(name)
    open_device(name, device_of(name, group), key)
    unit = Path(f"/etc/systemd/system/srv-clients-{name}.mount")
    if not unit.exists():
        return {"mounted": False, "opened": not was_mounted, "failed": []}
    run("systemctl", "start", unit.name)
    place = _CLIENTS / name
    shutil.chown(place, f"cli-{name}", f"cli-{name}")
    place.chmod(0o700)
    return {"mounted": True, "opened": not was_mounted, "failed": start_services(name)}


def start_services(name: str) -> list[str]:
    """Start the units of a client that are enabled; those that do not start."""
    # It fails where there is none.
    listed = run(
        "sh", "-c", 'systemctl list-unit-files --plain --no-legend --state=enabled "$1" || :', "sh",
        f"client-{name}-*",
    )  # fmt: skip
    failed = []
    for unit in sorted(line.split()[0] for line in listed.splitlines() if line.strip()):
        try:
            run("systemctl", "start", unit)
        except Refused:
            failed.append(unit)
    return failed


def status(group: str) -> dict[str, Any]:
    """Every client's volume of a group; a container `has_disks` of its carrier only."""
    found = []
    for name, volume in volumes(group).items():
        one = {"name": name, "size": volume["size"], "unfinished": volume["new"]}
        one["opened"] = mapping(name).exists()
        one["mounted"] = mounted(name)
        one["used"] = shutil.disk_usage(_CLIENTS / name).used if one["mounted"] else None
        found.append(one)
    kind = run("sh", "-c", "systemd-detect-virt --container || :").strip()
    return {"volumes": found, "has_disks": kind == "none"}


def volumes(group: str) -> dict[str, dict[str, Any]]:
    """Of each client's volume the size in bytes, and whether it is `new` or `growing` still."""
    if not shutil.which("lvs", path="/usr/sbin:/sbin"):
        return {}
    said = json.loads(
        run("lvs", "--reportformat", "json", "--units", "b", "--nosuffix",
            "--options", "lv_name,vg_name,lv_tags,lv_size")
    )  # fmt: skip
    return {
        volume["lv_name"].removeprefix("client_"): {
            "size": int(volume["lv_size"]),
            "new": _NEW in volume["lv_tags"].split(","),
            "growing": _GROWING in volume["lv_tags"].split(","),
        }
        for volume in said["report"][0]["lv"]
        if volume["vg_name"] == group and volume["lv_name"].startswith("client_")
    }


def make_room(group: str, wanted: int) -> None:
    """Raises Refused when the group has not that many bytes left, or is not there."""
    free = int(_group(group, "vg_free"))
    if free < wanted:
        raise Refused(
            f"the volume group {group} has {free / _GIGABYTE:.1f} GB left, and "
            f"{wanted / _GIGABYTE:.1f} GB are needed"
        )


def _extent(group: str) -> int:
    return int(_group(group, "vg_extent_size"))


def _group(group: str, field: str) -> str:
    return run(
        "vgs", "--noheadings", "--units", "b", "--nosuffix", "--options", field, group
    ).strip()


def open_device(name: str, device: str, key: str) -> None:
    """Open the encrypted device, unless it is."""
    if mapping(name).exists():
        return
    with pipe(key) as end:
        cryptsetup(
            "open", "--type", "luks2", "--key-file", end.path, device, mapping(name).name,
            pipes=(end,),
        )  # fmt: skip
    run("udevadm", "settle")


def mounted(name: str) -> bool:
    """Whether the client's volume is mounted at its place."""
    return (_CLIENTS / name).is_mount()


def mapping(name: str) -> Path:
    """What the client's volume is once it is open."""
    return Path(f"/dev/mapper/client_{name}")


def device_of(name: str, group: str) -> str:
    """The logical volume of a client."""
    return f"/dev/{group}/client_{name}"
