"""What speaks against a chain and its records: pure judgements, for a bundle and for a store."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from typing import Any

from orchestrator.records import RunStatus
from orchestrator.store.chain import (
    SUM_LENGTH,
    Chained,
    Link,
    line_sum,
    parse_canonical,
    sha256_of,
)

CHAIN = "chain.txt"
EXPORT = "evidence export"
# Two processes may take the time in one order and write in the other; the store waits 10 seconds.
SLACK = timedelta(seconds=60)
_NO_MOMENT = datetime.min.replace(tzinfo=UTC) + SLACK
_OF_A_RUN = ("id", "command", "environment", "options", "started", "status")
_OF_A_CHECK = ("host", "name", "title", "measures", "verdict", "message", "duration")
_NAMING = {
    "result": ("host", "role", "task", "status"),
    "check": ("host", "name", "verdict"),
    "recap": ("host",),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was recorded: where (line 1-based), in which run, and what."""

    file: str
    what: str
    line: int | None = None
    run: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {'' if self.run is None else f'run {self.run}: '}{self.what}"


@dataclass(frozen=True)
class Examined:
    """A record that was read: its link, the run of its first line, the checks in it."""

    link: Link
    run: Mapping[str, Any]
    checks: tuple[Mapping[str, Any], ...]


def chain_findings(
    links: Sequence[Link], previous: str, first: int, file: str = CHAIN
) -> Iterator[Finding]:
    """Judge links that are to follow `previous` and to begin with position `first`."""
    lines = {id(link): number for number, link in enumerate(links, start=1)}
    ordered = sorted(links, key=lambda link: link.position)
    if list(links) != ordered:
        moved = [one for one, right in zip(links, ordered, strict=True) if one is not right]
        where = ", ".join(f"{lines[id(link)]} (link {link.position})" for link in moved)
        yield Finding(file, f"the links were put into another order: lines {where}",
                      lines[id(moved[0])], moved[0].run)  # fmt: skip
    expected, before = first, None
    for link in ordered:
        line, position = lines[id(link)], link.position
        if position < expected:
            yield Finding(file, f"link {position} is there once more", line, link.run)
            continue
        if position > expected:
            missing = f"link {expected} is" if position == expected + 1 else (
                f"links {expected} to {position - 1} are")  # fmt: skip
            yield Finding(file, f"{missing} missing before this one", line, link.run)
        elif link.previous != previous:
            what = f"link {position} does not follow the one before it: either was replaced"
            yield Finding(file, what, line, link.run)
        elif sha256_of(link.payload) != link.sha256:
            what = f"link {position} is not the SHA-256 of its line: that was changed"
            yield Finding(file, what, line, link.run)
        if before and moment(link.chained) < moment(before.chained) - SLACK:
            what = (f"link {position} is of {link.chained}, the one before it of {before.chained}: "
                    "back-dated, or the clock was set back")  # fmt: skip
            yield Finding(file, what, line, link.run)
        previous, expected, before = link.sha256, position + 1, link


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


def superseded(links: Sequence[Link]) -> set[int]:
    """The positions of links whose run was taken for dead and ended later: it has another link."""
    last = {link.run: link.position for link in links}
    return {
        link.position
        for link in links
        if link.status == RunStatus.BROKEN and link.position < last[link.run]
    }


def read_record(
    link: Link, text: str, file: str, into: list[Examined], *, spelt: bool = False
) -> Iterator[Finding]:
    """Judge a record, with `spelt` its spelling too, and put what it says into the list."""
    findings = [*_record_findings(link, text, file)]
    findings += _spelling_findings(link, text, file) if spelt and not findings else ()
    if one := examined(link, text):
        into.append(one)
    elif not findings:
        findings.append(Finding(file, "it is no record of a run", 1, link.run))
    yield from findings


def _record_findings(link: Link, text: str, file: str) -> Iterator[Finding]:
    """Judge the record of a run against its link."""
    if sha256_of(text) == link.record:
        return
    first, *lines = text.removesuffix("\n").split("\n")
    try:
        sums = str(parse_canonical(first)["lines"])
    except (ValueError, LookupError, TypeError):
        yield Finding(file, "the run's own line was changed: it is none", 1, link.run)
        return
    recorded = [sums[at : at + SUM_LENGTH] for at in range(0, len(sums), SUM_LENGTH)]
    found = list(_changed_lines(recorded, [line_sum(line) for line in lines], lines))
    for number, what in found:
        yield Finding(file, what, number, link.run)
    if not found:
        what = f"the run's own line was changed, it says now: {_run_shown(first)}"
        yield Finding(file, what, 1, link.run)


def _spelling_findings(link: Link, text: str, file: str) -> Iterator[Finding]:
    """Judge how the lines are spelt: whoever signs a bundle can make them fit their sums."""
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            parse_canonical(line)
        except ValueError as error:
            yield Finding(file, f"this may be read in two ways: {error}", number, link.run)


def _changed_lines(
    recorded: list[str], present: list[str], lines: list[str]
) -> Iterator[tuple[int, str]]:
    """The number in the file of each line that is not as it was recorded, and what became of it."""
    if recorded != present and Counter(recorded) == Counter(present):
        moved = [n for n, (a, b) in enumerate(zip(recorded, present, strict=True), 2) if a != b]
        yield moved[0], f"the lines {', '.join(map(str, moved))} were put into another order"
        return
    matcher = SequenceMatcher(None, recorded, present, autojunk=False)
    for _, was, was_end, now, now_end in (o for o in matcher.get_opcodes() if o[0] != "equal"):
        changed = min(was_end - was, now_end - now)
        for at in range(now, now + changed):
            yield at + 2, f"this line was changed, it says now: {_shown(lines[at])}"
        for at in range(now + changed, now_end):
            again = present.index(present[at]) if present[at] in recorded else at
            what = "was inserted" if again == at else f"was inserted, a copy of line {again + 2}"
            yield at + 2, f"this line {what}: {_shown(lines[at])}"
        if missing := was_end - was - changed:
            count = "a line is" if missing == 1 else f"{missing} lines are"
            yield now + changed + 1, f"{count} missing after this one (number {was + changed + 2})"


def run_findings(
    examined: Sequence[Examined], environment: str, place: Mapping[int, str]
) -> Iterator[Finding]:
    """Judge the runs by what their records say of themselves, and of each other.

    `place` names the file of each run.
    """
    links = {one.link.position: one.link for one in examined}
    before: Mapping[str, Any] | None = None
    for one in sorted(examined, key=lambda one: one.link.run):
        for what in _contradictions(one, environment):
            yield Finding(place[one.link.run], what, 1, one.link.run)
        if before and moment(one.run["started"]) < moment(before["started"]) - SLACK:
            what = (f"it started {one.run['started']}, before run {before['id']} "
                    f"({before['started']}): back-dated, or the clock was set back")  # fmt: skip
            yield Finding(place[one.link.run], what, 1, one.link.run)
        before = one.run
        if one.run["command"] == EXPORT and one.run["status"] != RunStatus.FAILED:
            then = _exported(one.run["options"])
            now = links.get(then[0])
            if now and then[1] != now.sha256:
                what = (f"link {now.position} is not the one that run {one.link.run} exported: "
                        "the chain was calculated anew")  # fmt: skip
                yield Finding(CHAIN, what, None, now.run)


def _contradictions(one: Examined, environment: str) -> Iterator[str]:
    run, link = one.run, one.link
    ended = run.get("ended")
    for name, written in (("started", run["started"]), ("ended", ended)):
        if written and moment(written) == _NO_MOMENT:
            yield f"it {name} `{written}`, which is no time"
    if run["id"] != link.run:
        yield f"it is the record of run {run['id']}"
    if run["status"] != link.status:
        yield f"it ended {run['status']}, its link says {link.status}"
    if run["environment"] != environment:
        yield f"it is of the environment {run['environment']}, the others of {environment}"
    if ended and moment(ended) < moment(run["started"]) - SLACK:
        yield f"it ended {ended}, before it started ({run['started']})"
    if link.how == Chained.ENDED and ended != link.chained:
        yield f"it says that it ended {ended}, its link that this was {link.chained}"
    elif link.how not in tuple(Chained):
        yield f"nothing is chained as `{link.how}`"


def _exported(options: Any) -> tuple[Any, Any]:
    """The position and the link that the options of an export name."""
    try:
        return int(options["last"]["position"]), options["last"]["link"]
    except (LookupError, TypeError, ValueError):
        return None, None


def moment(written: object) -> datetime:
    """A moment as the store writes it; that of what is none is the first of all."""
    try:
        return datetime.strptime(str(written), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return _NO_MOMENT


def _run_shown(line: str) -> str:
    try:
        run = parse_canonical(line)["run"]
    except (ValueError, LookupError, TypeError):
        return line[:160]
    names = ("command", "who", "status", "started", "ended", "git_commit", "message")
    return ", ".join(f"{name} {run.get(name)}" for name in names)


def _shown(line: str) -> str:
    try:
        ((kind, columns),) = parse_canonical(line).items()
        return f"{kind} {' · '.join(str(columns[name]) for name in _NAMING[kind] if columns[name])}"
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return f"{line[:120]} ({error})" if isinstance(error, ValueError) else line[:120]


def once(findings: list[Finding]) -> list[Finding]:
    """Each change once: what it makes of the rest of the same line is not told of."""
    told: dict[tuple[str, int | None, int | None], Finding] = {}
    for finding in findings:
        told.setdefault((finding.file, finding.line, finding.run), finding)
    return list(told.values())
