"""Runs on a host: what is mounted, how, and whether it lies encrypted; disks and arrays."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.drift.collector.host.commands import Objects
from orchestrator.drift.collector.host.kernel import container

_PROTECTING = ("ro", "nosuid", "nodev", "noexec", "nosymfollow")
_SUPER = re.compile(r"hidepid=.*|subset=.*|umask=.*|uid=.*|gid=.*|mode=.*")
# Come and go with a login, a service, a network name space, a container's image.
_PASSING = re.compile(
    r"/run/(?:user|credentials|netns|docker|containerd|systemd|host)(?:/.*)?"
    r"|/proc/.*|/sys/.*|/dev/.*|/var/lib/(?:docker|containers|containerd)/.*|.*/\.snapshots/.*"
)
_STANDING = ("/dev/shm", "/dev/pts", "/sys/fs/cgroup", "/proc/sys")  # noqa: S108 - read
_BLOCK = Path("/sys/class/block")
NO_DISK = re.compile(r"(?:loop|ram|zram|dm-|sr|fd|md|nbd)\d*")


@dataclass(frozen=True)
class Mount:
    """A line of /proc/1/mountinfo, unescaped; `options` are those of the mount itself."""

    device: str
    place: str
    options: tuple[str, ...]
    kind: str
    source: str
    of_all: tuple[str, ...]


def mounted() -> Iterator[Mount]:
    """What is mounted for the host's first process, in the order of mounting."""
    for line in Path("/proc/1/mountinfo").read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        _, _, device, _, place, options, *_ = before.split(" ")
        kind, source, of_all = [*after.split(" "), "", ""][:3]
        yield Mount(
            device,
            _unescaped(place),
            tuple(options.split(",")),
            kind,
            _unescaped(source),
            tuple(of_all.split(",")),
        )


def storage() -> Objects:
    """Mounts by their place, the last one of a place; disks by serial number, arrays by name."""
    mounts: dict[str, dict[str, object]] = {}
    on_demand = {one.place for one in mounted() if one.kind == "autofs"}
    for one in mounted():
        passing = _PASSING.fullmatch(one.place) and one.place not in _STANDING
        if passing or one.place in on_demand:
            continue
        mounts[one.place] = {
            "type": one.kind,
            "source": _source(one),
            "options": [
                *(option for option in _PROTECTING if option in (*one.options, *one.of_all)),
                *sorted(option for option in one.of_all if _SUPER.fullmatch(option)),
            ],
            "encrypted": _lies_encrypted(Path("/sys/dev/block", one.device)),
        }
    if container():
        return {"mount": mounts}
    return {"mount": mounts, "disk": dict(_disks()), "array": dict(_arrays())}


def _source(one: Mount) -> str:
    """What is mounted, without the letter that a disk happens to have, and no loop's number."""
    if one.kind == "overlay" or not one.source.startswith("/dev/"):
        return "" if one.kind in ("tmpfs", "overlay") else one.source
    if one.source.startswith("/dev/loop"):
        return "a loop device"
    device = Path(one.source).resolve()
    for link in Path("/dev/disk/by-uuid").glob("*"):
        if link.resolve() == device:
            return f"UUID={link.name}"
    return one.source if one.source.startswith("/dev/mapper/") else "a device"


def _lies_encrypted(device: Path) -> bool:
    """Whether a device is a LUKS mapping, or lies on such ones only."""
    if not device.exists():
        return False
    identifier = device / "dm/uuid"
    if identifier.exists() and identifier.read_text().startswith("CRYPT-"):
        return True
    below = list((device / "slaves").glob("*"))
    if not below and (device / "partition").exists():
        return _lies_encrypted(device.resolve().parent)
    return bool(below) and all(_lies_encrypted(one) for one in below)


def _disks() -> Iterator[tuple[str, dict[str, object]]]:
    for device in _BLOCK.glob("*"):
        if NO_DISK.fullmatch(device.name) or (device / "partition").exists():
            continue
        told = (_read(device / "device" / word) for word in ("serial", "wwid", "model"))
        name = next(filter(None, (_read(device / "wwid"), _read(device / "serial"), *told)), "")
        sectors = int(_read(device / "size") or 0)
        removable = _read(device / "removable") == "1"
        yield name or device.name, {"gigabytes": sectors * 512 // 10**9, "removable": removable}


def _arrays() -> Iterator[tuple[str, dict[str, object]]]:
    for device in _BLOCK.glob("md*"):
        if (device / "md").exists():
            yield (
                _read(device / "md/uuid") or device.name,
                {
                    "level": _read(device / "md/level"),
                    "members": _read(device / "md/raid_disks"),
                    "missing": _read(device / "md/degraded") or "0",
                },
            )


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
