"""What differs between two inventories of a host: pure functions."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from orchestrator.inventory.equipment import Equipment, numbered
from orchestrator.vulnerabilities.versions import version_key

# What a start, an unplugged cable or the day changes, and nobody exchanged.
_LIVING = ("up", "name")


class Change(StrEnum):
    """What became of a thing."""

    NEW = "new"
    GONE = "gone"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    CHANGED = "changed"


@dataclass(frozen=True)
class Difference:
    """One thing of a host that is not as it was; `before` and `now` say how it was and is."""

    host: str
    change: Change
    kind: str
    name: str
    before: str = ""
    now: str = ""


def differences(before: Equipment | None, now: Equipment) -> tuple[Difference, ...]:
    """Host, machine, interfaces, disks, packages, programs; nothing of what was not looked at."""
    if before is None:
        return (Difference(now.host, Change.NEW, "host", now.host),)
    return (
        *_one(now.host, "host", now.host, _declared(before), _declared(now)),
        *_one(now.host, "system", now.host, _about(before.system), _about(now.system)),
        *_one(now.host, "machine", now.host, _about(before.machine), _about(now.machine)),
        *_many(now, before, "interface", "interfaces", "name"),
        *_many(now, before, "disk", "disks", "identity"),
        *_packages(now, before),
        *_many(now, before, "program", "programs", "path"),
    )


def _many(
    now: Equipment, before: Equipment, kind: str, part: str, identity: str
) -> Iterator[Difference]:
    if part in now.blind or part in before.blind:
        return
    old, new = (
        {
            name: asdict(one)
            for name, one in numbered(sorted(getattr(each, part), key=_lasting), identity).items()
        }
        for each in (before, now)
    )
    for name in sorted(old.keys() | new.keys()):
        yield from _one(now.host, kind, name, old.get(name), new.get(name))


def _packages(now: Equipment, before: Equipment) -> Iterator[Difference]:
    """By version; of one that came or went, no more than that. Its archive is no news by itself."""
    if "packages" in now.blind or "packages" in before.blind:
        return
    old, new = ({one.identity: one.version for one in each.packages} for each in (before, now))
    for name in sorted(old.keys() | new.keys()):
        was, is_now = old.get(name, ""), new.get(name, "")
        if was != is_now:
            change = Change.GONE if not is_now else Change.NEW if not was else _way(was, is_now)
            yield Difference(now.host, change, "package", name, was, is_now)


def _way(before: str, now: str) -> Change:
    try:
        upwards = version_key(before) < version_key(now)
    except ValueError:  # no version of Debian's
        return Change.CHANGED
    return Change.UPGRADED if upwards else Change.DOWNGRADED


def _one(
    host: str,
    kind: str,
    name: str,
    before: Mapping[str, Any] | None,
    now: Mapping[str, Any] | None,
) -> Iterator[Difference]:
    if before is None and now is None:
        return
    if before is None or now is None:
        change = Change.NEW if before is None else Change.GONE
        yield Difference(host, change, kind, name, _said(before), _said(now))
        return
    other = [key for key in now if key not in _LIVING and before.get(key) != now[key]]
    if other:
        was, is_now = ({key: each.get(key) for key in other} for each in (before, now))
        yield Difference(host, Change.CHANGED, kind, name, _said(was), _said(is_now))


def _lasting(one: Any) -> list[Any]:
    """What orders things that are named alike: the same whatever letter a disk has today."""
    return [value for key, value in asdict(one).items() if key not in _LIVING]


def _about(one: Any) -> dict[str, Any] | None:
    return None if one is None else asdict(one)


def _declared(one: Equipment) -> dict[str, Any]:
    names = ("function", "supplier", "city", "country")
    return {name: getattr(one, name) for name in names}


def _said(about: Mapping[str, Any] | None) -> str:
    """What it says in one line, without what it leaves open."""
    told = {key: value for key, value in (about or {}).items() if key not in (*_LIVING, "path")}
    return ", ".join(
        f"{key} {_plain(value)}" for key, value in told.items() if value not in ("", ())
    )


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )
