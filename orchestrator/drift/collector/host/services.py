"""Runs on a host: what systemd starts, and what listens."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.drift.collector.host.commands import Objects, output

_SHOWN = "Id,Type,UnitFileState,ActiveState,SubState,FragmentPath,DropInPaths,TimersCalendar"
_NOT_LOADED = {"state": "unknown", "files": "unknown", "schedule": "unknown"}
_KINDS = (".service", ".socket", ".timer", ".path", ".automount", ".swap")
# Come and go with whoever logs in, with a connection, with a disk that is looked at.
_PASSING = re.compile(
    r"user@\d+\.service|user-runtime-dir@\d+\.service|.*@\d+-\d.*\.service|dev-.*\.swap"
    r"|systemd-(?:fsck|growfs|coredump)@.*|modprobe@.*"
)
_NUMBERED = re.compile(r"\d+")
_SCHEDULE = re.compile(r"(On\w+=[^;]*\S) ; ")
_USER = re.compile(r'\("([^"]*)",pid=(\d+)')
# Long enough for a question to a name server to be over.
_PASSING_SECONDS = 0.3


def units() -> Objects:
    """Each unit: whether it starts at boot, whether it runs where it should, whose its files are.

    Those that start at boot are asked for by name: systemd forgets a unit once it is stopped. Of
    others that are not loaded nothing else is known: to load them all would take longest of all.
    """
    found: dict[str, dict[str, object]] = {}
    for line in output(
        "systemctl", "list-unit-files", "--no-legend", "--no-pager", "--full"
    ).splitlines():
        name, state, *_ = [*line.split(), ""]
        if name.endswith(_KINDS) and state != "generated":
            found[name] = {"at_boot": state, **_NOT_LOADED}
    enabled = [
        name
        for name, about in found.items()
        if str(about["at_boot"]).startswith("enabled") and "@." not in name
    ]
    asked = ("systemctl", "show", "--no-pager", f"--property={_SHOWN}", "*", "--", *enabled)
    for block in output(*asked).split("\n\n"):
        shown = dict(line.partition("=")[::2] for line in block.splitlines())
        name = shown.get("Id", "")
        if name.endswith(_KINDS) and not _PASSING.fullmatch(name):
            found |= _unit(name, shown, found.get(name))
    return {"unit": found}


def _unit(
    name: str, shown: dict[str, str], listed: dict[str, object] | None
) -> dict[str, dict[str, object]]:
    enabled = shown["UnitFileState"].startswith("enabled")
    state = ""
    if shown["ActiveState"] == "failed":
        state = "failed"
    elif shown.get("Type") != "oneshot" and (enabled or listed is None):
        # Others start on demand and end by themselves: neither is a change of the host.
        state = "up" if shown["ActiveState"] in ("active", "activating", "reloading") else "down"
    if listed is None and state not in ("up", "failed"):
        return {}
    files = [shown["FragmentPath"], *shown["DropInPaths"].split()]
    about: dict[str, object] = {
        "at_boot": listed["at_boot"] if listed else shown["UnitFileState"],
        "state": state,
        "files": [file for file in files if file and "/generator" not in file],
        "schedule": sorted(_SCHEDULE.findall(shown.get("TimersCalendar", ""))),
    }
    transient = "/run/systemd/transient/" in shown["FragmentPath"]
    return {_NUMBERED.sub("N", name) if transient and name.startswith("run-") else name: about}


def listeners() -> Objects:
    """Each socket that waits for others, by its address; whose it is."""
    found = dict(_sockets())
    if any(name.endswith(":ephemeral") for name in found):
        # A socket that waits for one answer looks like a listener: it is one if it is still there.
        time.sleep(_PASSING_SECONDS)
        still = dict(_sockets())
        found = {
            name: about
            for name, about in found.items()
            if not name.endswith(":ephemeral") or name in still
        }
    return {"listener": found}


def _sockets() -> Iterator[tuple[str, dict[str, object]]]:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    users: dict[str, set[tuple[str, str]]] = {}
    for line in output("ss", "-H", "-l", "-n", "-t", "-u", "-w", "-p").splitlines():
        protocol, _, _, _, local, *_ = line.split()
        address, _, port = local.rpartition(":")
        if protocol == "udp" and port.isdecimal() and low <= int(port) <= high:
            port = "ephemeral"  # another after each start
        processes = {(name, _unit_of(pid)) for name, pid in _USER.findall(line)}
        users.setdefault(f"{protocol} {address}:{port}", set()).update(processes)
    for name, processes in users.items():
        units = sorted({unit for _, unit in processes})
        yield name, {"process": sorted({process for process, _ in processes}), "unit": units}


def _unit_of(pid: str) -> str:
    """The unit of a process; of a session, whosever it is, its kind."""
    try:
        path = Path(f"/proc/{pid}/cgroup").read_text().strip()
    except OSError:
        return ""
    parts = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
    return _NUMBERED.sub("N", parts[-1]) if parts and "-" in parts[-1] else (parts or [""])[-1]
