"""Runs on a host: the packages as dpkg and apt know them, without their versions.

A version is what upgrades change every night; whether it is the right one, checks judge.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from orchestrator.drift.collector.host.commands import CannotSay, Objects, output

_STATUS = Path("/var/lib/dpkg/status")
_AUTOMATIC = Path("/var/lib/apt/extended_states")
_LISTS = Path("/var/lib/apt/lists")
_ORIGIN = re.compile(r"^Origin: (.*)$", re.MULTILINE)
# Packages of a kernel have its release in their names: each update brings one, and drops another.
_OF_A_KERNEL = re.compile(r"(linux-[a-z]+)-\d[\w.+~]*(-[a-z0-9-]+)?")
_NO_ARCHIVE = "no archive"


def packages() -> Objects:
    """Each package: who asked for it, from which archives it may come, and if it is held."""
    automatic = automatic_packages()
    archives = _archives()
    found: dict[str, dict[str, object]] = {}
    origins: dict[str, set[str]] = {}
    for entry in installed_packages():
        name = entry["Package"]
        wanted, fault, state = entry["Status"].split()
        called = without_release(name)
        before = found.get(called, {})
        # The former kernel's are in no archive any more: they are told with the present one's.
        known = origins.setdefault(called, set())
        known |= {origin for origin, names in archives.items() if name in names}
        found[called] = {
            "manual": name not in automatic or before.get("manual", False),
            "origin": (sorted(known) or [_NO_ARCHIVE]) if archives else "unknown",
            "state": state if fault == "ok" else f"{state}, {fault}",
            "held": wanted == "hold" or before.get("held", False),
        }
    return {"package": found}


def without_release(name: str) -> str:
    """A package's name; of a kernel's the release is `*`: `linux-image-*-amd64`."""
    kernel = _OF_A_KERNEL.fullmatch(name)
    return f"{kernel[1]}-*{kernel[2] or ''}" if kernel else name


@cache
def installed_packages() -> tuple[dict[str, str], ...]:
    """The entries of dpkg's status file of which more is there than configuration files."""
    if not _STATUS.exists():
        raise CannotSay(f"{_STATUS} is not there")
    gone = (" not-installed", " config-files")
    return tuple(entry for entry in _stanzas(_STATUS) if not entry["Status"].endswith(gone))


def automatic_packages() -> set[str]:
    """Names of packages that nobody asked for: others need them."""
    return {
        entry["Package"]
        for entry in _stanzas(_AUTOMATIC)
        if entry.get("Auto-Installed") == "1"
    }  # fmt: skip


def _stanzas(path: Path) -> Iterator[dict[str, str]]:
    if not path.exists():
        return
    for block in path.read_text(errors="replace").split("\n\n"):
        entry: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t"):
                entry[key] += f"\n{line.strip()}"
            else:
                key, _, value = line.partition(":")
                entry[key] = value.strip()
        if "Package" in entry:
            yield entry


def _archives() -> dict[str, set[str]]:
    """Which packages each archive has, by its origin, as the fetched lists say."""
    found: dict[str, set[str]] = {}
    for index in sorted(_LISTS.glob("*_Packages")):
        release = index.name.partition("_dists_")
        suite = "_".join(release[2].split("_")[:1])
        signed = _LISTS / f"{release[0]}_dists_{suite}_InRelease"
        if not signed.exists():
            signed = signed.with_name(f"{release[0]}_dists_{suite}_Release")
        text = signed.read_text(errors="replace")[:4000] if signed.exists() else ""
        named = _ORIGIN.search(text)
        try:
            names = output("grep", "-h", "^Package: ", str(index))
        except CannotSay:  # an empty archive
            continue
        found.setdefault(named[1] if named else "unnamed", set()).update(
            line.removeprefix("Package: ") for line in names.splitlines()
        )
    return found
