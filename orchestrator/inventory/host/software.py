"""Runs on a host: its packages with the archives that have them, and programs of no package."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.drift.collector.host.commands import CannotSay, output
from orchestrator.drift.collector.host.dpkg import packaged
from orchestrator.drift.collector.host.files import NO_FILES, below, digest_of
from orchestrator.drift.collector.host.packages import automatic_packages, installed_packages
from orchestrator.drift.collector.host.storage import mounted

_TOPS = ("/opt", "/srv", "/usr")
# Data of clients, and archives of it: their files' names are not ours to keep, and there is no end
# to them. Volumes are mounted below the first; the others are role backup_target's.
_DATA = ("/srv/clients", "/srv/backup", "/srv/backup-kept")
_LIBRARY = re.compile(r".*\.so(?:\.[\w.]+)?")
_MOST_PROGRAMS = 20_000  # more is no software that somebody put there, but data
_NO_ARCHIVE = "no archive"
_UNKNOWN = "unknown"
# What is read of an archive's list: it is 50 MB, and mostly descriptions. apt-helper unpacks it.
_FAILED = "!"
_FIELDS = (
    f'{{ /usr/lib/apt/apt-helper cat-file "$0" || echo "{_FAILED}"; }}'
    rf" | sed -n '/^\(Package\|Version\|Architecture\): \|^{_FAILED}$/p'"
)


def packages(origins: Mapping[str, str] | None) -> list[dict[str, object]]:
    """Every package of which more is there than its configuration; `origins` as `origins()`."""
    automatic = automatic_packages()
    return [
        {
            "name": entry["Package"],
            "version": entry["Version"],
            "architecture": entry["Architecture"],
            "origin": (origins or {}).get(_key(entry), _NO_ARCHIVE if origins else _UNKNOWN),
            "manual": entry["Package"] not in automatic,
        }
        for entry in installed_packages()
    ]


def origins() -> dict[str, str]:
    """Of each package the archive that has it, by name and architecture: `Debian`.

    `Debian, another version` is one of which the archive has another version now. Empty when apt
    knows of no archive.
    """
    installed = {_key(entry): entry["Version"] for entry in installed_packages()}
    same: dict[str, set[str]] = {}
    other: dict[str, set[str]] = {}
    told = "$(FILENAME)\t$(ORIGIN)\t$(LABEL)"
    targets = output("apt-get", "indextargets", "--format", told, "Created-By: Packages")
    for line in targets.splitlines():
        file, origin, label = line.split("\t")
        archive = _archive(origin, label)
        for key, version in _index(file):
            if key in installed:
                known = same if installed[key] == version else other
                known.setdefault(key, set()).add(archive)
    if not targets:
        return {}
    # What was published as an update is found in the archive itself after the next point release.
    return {key: f"{min(found)}, another version" for key, found in other.items()} | {
        key: min(found) for key, found in same.items()
    }


def programs() -> list[dict[str, object]]:
    """Executable files and shared libraries of no package, where programs lie.

    Not among clients' data, on file systems where the kernel starts none, nor on another host's.
    """
    owner = packaged().owner
    found: dict[str, str] = {}
    for path, status in _files():
        if not stat.S_ISREG(status.st_mode) or path in owner:
            continue
        if status.st_mode & 0o111 or _LIBRARY.fullmatch(path):
            found[path] = digest_of(path, "sha256")
        if len(found) > _MOST_PROGRAMS:
            raise CannotSay(f"over {_MOST_PROGRAMS} executable files came with no package")
    return [{"path": path, "sha256": digest} for path, digest in sorted(found.items())]


def _files() -> Iterator[tuple[str, os.stat_result]]:
    places = {one.place: one for one in mounted()}
    inside = [p for p in places if any(p.startswith(f"{top}/") for top in _TOPS)]
    for place in (*_TOPS, *inside):
        mount = places.get(place)
        if f"{place}/".startswith(tuple(f"{one}/" for one in _DATA)):
            continue
        if mount and (mount.kind in NO_FILES or "noexec" in mount.options):
            continue
        try:
            device = Path(place).stat().st_dev
        except OSError:  # not every host has one
            continue
        yield from below(place, device, _DATA)


def _archive(origin: str, label: str) -> str:
    named = origin or label or "unnamed"
    return named if label in ("", named) else f"{named} ({label})"


def _index(file: str) -> Iterator[tuple[str, str]]:
    """Every package and version of an archive's list."""
    fields: dict[str, str] = {}
    for line in output("sh", "-c", _FIELDS, file).splitlines():
        if line == _FAILED:
            raise CannotSay(f"apt-helper cannot read {file}")
        name, _, value = line.partition(": ")
        if name == "Package":
            fields = {}
        fields[name] = value
        if len(fields) == 3:
            yield _key(fields), fields["Version"]
            fields = {}


def _key(entry: Mapping[str, str]) -> str:
    return f"{entry['Package']}:{entry['Architecture']}"
