"""What was seen against what is declared, and against what was accepted: pure functions.

A name is compared with the same name; what is ordinary on a host is no part of what is compared:

- account, group: by the files of the system; when a person last came in or changed a password is
  no part, but that a password of the system's own accounts is another is;
- unit: whether it starts at boot, whether it runs if it is a service that starts at boot, and its
  files; not whether a job runs now, what a login or a connection started, or what is loaded;
- listener: address, port, program and unit; a port that the kernel picks is called `ephemeral`,
  and counts only if it is still open a moment later;
- package: origin, mark and state, not the version, nor the release in the name of a kernel's:
  upgrades change it each night, and whether it
  is the right one checks judge. For the same reason a file of the configuration that is as its
  package brought it comes and goes without a finding;
- file: kind, mode, owner, content; of those that programs rewrite as they go (`passwd`, a cache, a
  lease's name servers) mode and owner only. Logs, caches, spools and homes are no part, save what
  lets somebody in or starts something;
- certificate: all of it, and once its end has passed that it has;
- sysctl: what can be written, not what the kernel counts or works out from its memory; a setting
  comes and goes with an interface or a module, so only a changed one is a deviation;
- kernel: its command line without the image's name; modules without those that listing sockets
  loads;
- mount: by its place, its source by the file system's UUID: letters of disks and numbers of loop
  devices change with a start; not those of sessions, services and containers;
- disk: by serial number and size; array: by members and how many are missing;
- nftables: rules without counters, sets that packets fill without their content;
- address, route, tunnel: not those that the kernel makes, a router advertises, a lease gives or a
  container has; not where a peer comes from, nor what was negotiated;
- clock: whether it is more than a second away, not how far.
"""

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime

from orchestrator.drift.collector.baseline import Baseline
from orchestrator.drift.collector.declared import Declared, declared_findings
from orchestrator.drift.collector.kinds import KINDS
from orchestrator.drift.collector.look import Objects, Seen, Value
from orchestrator.drift.finding import Eye, Finding, FindingKind, Severity

_AS_PACKAGED = "as packaged"
_UNKNOWN = "unknown"
_OTHERS_MAY_WRITE = 0o022
_About = Mapping[str, Value]


def compare(
    host: str, seen: Seen, baseline: Baseline | None, declared: Declared, now: datetime
) -> tuple[Finding, ...]:
    """Every deviation of the host, each once, by its name.

    Without a baseline that is a finding of its own. Nothing is said of what was not looked at:
    whoever calls this tells `seen.blind`.
    """
    found = [
        *declared_findings(host, seen.objects, declared),
        *_against_baseline(host, seen.objects, baseline),
        *_ended(host, seen.objects, now),
    ]
    once = {finding.identity: finding for finding in reversed(found)}
    return tuple(sorted(once.values(), key=lambda one: (-one.severity, one.object, one.kind)))


def _against_baseline(host: str, seen: Objects, baseline: Baseline | None) -> Iterator[Finding]:
    if baseline is None:
        yield _no_baseline(host, host, "nothing was accepted before")
        return
    for kind, there in seen.items():
        expected = baseline.objects.get(kind)
        if expected is None:
            why = f"no {KINDS[kind].called} was looked at when the state was accepted"
            yield _no_baseline(host, f"{host} {kind}", why)
            continue
        for name in sorted({*there, *expected}):
            if (finding := _one(host, kind, name, there.get(name), expected.get(name))) is not None:
                yield finding


def deviates(kind: str, name: str, seen: _About | None, expected: _About | None) -> bool:
    """Whether an object is a finding against what was accepted of it."""
    if seen is None and expected is None:
        return False
    return _one("", kind, name, seen, expected) is not None


def _one(
    host: str, kind: str, name: str, seen: _About | None, expected: _About | None
) -> Finding | None:
    """The deviation of one object, or None."""
    if kind == "program" and seen is None and expected is not None and "package" in expected:
        return None  # it was not as its package brought it, and is now
    if KINDS[kind].comes_and_goes and (seen is None or expected is None):
        return None
    if _alike(seen, expected, KINDS[kind].good):
        return None
    if seen is None or seen.get("type") == "missing":
        what = FindingKind.MISSING
    elif expected is None and "package" not in seen:
        what = FindingKind.UNMANAGED
    else:
        what = FindingKind.CHANGED
    about = KINDS[kind]
    return Finding(
        kind=what,
        host=host,
        object_kind=about.called,
        name=name,
        eye=Eye.COLLECTOR,
        severity=about.appears if what is FindingKind.UNMANAGED else about.differs,
        measures=about.measures,
        seen=difference(seen, expected),
    )


def _alike(seen: _About | None, expected: _About | None, good: tuple[str, str]) -> bool:
    """Whether both are the same, or differ as an upgrade makes them differ."""
    if seen is None or expected is None:
        one = seen or expected or {}
        return one.get("content") == _AS_PACKAGED and not _open_to_others(one)
    known = {
        key for key in {*seen, *expected} if _UNKNOWN not in (seen.get(key), expected.get(key))
    }
    return all(seen.get(key) == expected.get(key) or (key, seen.get(key)) == good for key in known)


def _open_to_others(about: _About) -> bool:
    return int(str(about.get("mode", "0")), 8) & _OTHERS_MAY_WRITE != 0


def difference(seen: _About | None, expected: _About | None) -> str:
    """A unified diff from what is there to what is to be there, property by property."""
    lines = difflib.unified_diff(
        _lines(seen), _lines(expected), "seen", "expected", lineterm="", n=1
    )
    return "\n".join(lines)


def _lines(about: _About | None) -> list[str]:
    lines: list[str] = []
    for key, value in sorted((about or {}).items()):
        match value:
            case tuple() if len(about or {}) == 1:
                lines += value or ["none"]
            case tuple():
                lines += [f"{key}: {each}" for each in value] or [f"{key}: none"]
            case None:
                lines.append(f"{key}: none")
            case _:
                lines.append(f"{key}: {value}")
    return lines


def _ended(host: str, seen: Objects, now: datetime) -> Iterator[Finding]:
    for path, about in seen.get("certificate", {}).items():
        ends = about.get("ends")
        if isinstance(ends, str) and datetime.fromisoformat(ends) <= now:
            yield Finding(
                kind=FindingKind.CHANGED,
                host=host,
                object_kind="certificate",
                name=path,
                eye=Eye.COLLECTOR,
                severity=Severity.HIGH,
                measures=KINDS["certificate"].measures,
                seen=f"it ended on {ends[:10]}",
            )


def _no_baseline(host: str, name: str, why: str) -> Finding:
    return Finding(
        kind=FindingKind.MISSING,
        host=host,
        object_kind="baseline",
        name=name,
        eye=Eye.COLLECTOR,
        severity=Severity.MEDIUM,
        seen=why,
    )
