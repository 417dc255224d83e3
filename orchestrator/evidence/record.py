"""What speaks against the record of a run, and where in it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from orchestrator.evidence.finding import Finding
from orchestrator.store.chain import SUM_LENGTH, Link, line_sum, parse_canonical, sha256_of

_OF_A_RUN = ("id", "command", "environment", "options", "started", "status")
_OF_A_CHECK = ("host", "name", "title", "measures", "verdict", "message", "duration")
_NAMING = {
    "result": ("host", "role", "task", "status"),
    "check": ("host", "name", "verdict"),
    "recap": ("host",),
    "input": ("name",),
    "drift_host": ("host", "findings"),
    "sighting": ("host", "kind", "object_kind", "name"),
    "run": ("command", "who", "status", "started", "ended", "git_commit", "message"),
}
# The record of a run as a bundle kept it, where there is one.
Original = Callable[[int], str | None]


@dataclass(frozen=True)
class Examined:
    """A record that was read: its link, the run of its first line, the checks in it."""

    link: Link
    run: Mapping[str, Any]
    checks: tuple[Mapping[str, Any], ...]


def examined(link: Link, text: str) -> Examined | None:
    """Read a record; None where it is none."""
    try:
        first, *lines = text.split("\n")
        columns = json.loads(first)["run"]
        run = {name: columns[name] for name in _OF_A_RUN} | columns
        found = (json.loads(line)["check"] for line in lines if line.startswith('{"check"'))
        checks = tuple({name: check[name] for name in _OF_A_CHECK} for check in found)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return Examined(link, run, checks)


def read_record(
    link: Link,
    text: str,
    file: str,
    into: list[Examined],
    original: Original,
    *,
    spelt: bool = False,
) -> Iterator[Finding]:
    """Judge a record, with `spelt` its spelling too, and put what it says into the list."""
    findings = [*_record_findings(link, text, file, original)]
    findings += _spelling_findings(link, text, file) if spelt and not findings else ()
    if one := examined(link, text):
        into.append(one)
    elif not findings:
        findings.append(Finding(file, "it is no record of a run", 1, link.run))
    yield from findings


def _record_findings(link: Link, text: str, file: str, original: Original) -> Iterator[Finding]:
    """Judge the record of a run against its link."""
    if sha256_of(text) == link.record:
        return
    kept, present = original(link.run), text.removesuffix("\n").split("\n")
    if kept is not None and sha256_of(kept) == link.record:
        were = kept.removesuffix("\n").split("\n")
        changes = _changed_lines(1, list(map(line_sum, were)), present, were)
    else:
        changes = _changed_lines(2, _sums_of(present[0]), present[1:], None)
    found = [Finding(file, what, number, link.run) for number, what in changes]
    what = f"the run's own line was changed, it says now: {_shown(present[0])}"
    yield from found or [Finding(file, what, 1, link.run)]


def _sums_of(first: str) -> list[str]:
    """The sums of a record's lines, as its first line has them."""
    try:
        sums = str(parse_canonical(first)["lines"])
    except (ValueError, LookupError, TypeError):
        return []
    return [sums[at : at + SUM_LENGTH] for at in range(0, len(sums), SUM_LENGTH)]


def _spelling_findings(link: Link, text: str, file: str) -> Iterator[Finding]:
    """Judge how the lines are spelt: whoever signs a bundle can make them fit their sums."""
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            parse_canonical(line)
        except ValueError as error:
            yield Finding(file, f"this may be read in two ways: {error}", number, link.run)


def _changed_lines(
    first: int, recorded: list[str], lines: list[str], were: list[str] | None
) -> Iterator[tuple[int, str]]:
    """The number of each line that is not as it was recorded, and what became of it.

    `recorded` are the sums that the lines should have, `first` is the number of the first of them;
    `were` are those that were recorded, where they are known.
    """
    present = list(map(line_sum, lines))
    if recorded != present and Counter(recorded) == Counter(present):
        moved = [n for n, (a, b) in enumerate(zip(recorded, present, strict=True), first) if a != b]
        yield moved[0], f"the lines {', '.join(map(str, moved))} were put into another order"
        return
    matcher = SequenceMatcher(None, recorded, present, autojunk=False)
    for _, was, was_end, now, now_end in (o for o in matcher.get_opcodes() if o[0] != "equal"):
        changed = min(was_end - was, now_end - now)
        for at in range(changed):
            what = f"this line was changed, it says now: {_shown(lines[now + at])}"
            if were:
                what = _difference(were[was + at], lines[now + at]) or what
            yield first + now + at, what
        for at in range(now + changed, now_end):
            again = present.index(present[at]) if present[at] in recorded else at
            copied = "" if again == at else f", a copy of line {first + again}"
            yield first + at, f"this line was inserted{copied}: {_shown(lines[at])}"
        if missing := were[was + changed : was_end] if were else recorded[was + changed : was_end]:
            count = "a line is" if len(missing) == 1 else f"{len(missing)} lines are"
            shown = f": {'; '.join(map(_shown, missing))}" if were else ""
            number = first + was + changed
            yield (
                first + now + changed - 1,
                f"{count} missing after this one (number {number}){shown}",
            )


def _difference(was: str, now: str) -> str:
    """What differs between two lines, column by column; "" where they are not of one kind."""
    (kind, before), (kind_now, after) = _parts(was), _parts(now)
    if not kind or kind != kind_now:
        return ""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    changes = (f"{name} was {before.get(name)}, is {after.get(name)}" for name in names)
    return f"{_shown(was)}: {'; '.join(changes)}"


def _parts(line: str) -> tuple[str, Mapping[str, Any]]:
    """The kind of a line and its columns; "" for what is none."""
    try:
        data = parse_canonical(line)
        ((kind, columns),) = [(name, data[name]) for name in data if name in _NAMING]
        return (kind, columns) if isinstance(columns, dict) else ("", {})
    except (ValueError, TypeError):
        return "", {}


def _shown(line: str) -> str:
    kind, columns = _parts(line)
    if not kind:
        return line[:120]
    return f"{kind} {' · '.join(str(columns.get(name)) for name in _NAMING[kind])}"
