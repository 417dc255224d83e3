"""What speaks against a chain, and against runs beside each other."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.evidence.finding import Finding
from orchestrator.evidence.record import Examined
from orchestrator.records import RunStatus
from orchestrator.store.chain import (
    Chained,
    Link,
    sha256_of,
)

CHAIN = "chain.txt"
EXPORT = "evidence export"
# Two processes may take the time in one order and write in the other; the store waits 10 seconds.
SLACK = timedelta(seconds=60)
_NO_MOMENT = datetime.min.replace(tzinfo=UTC) + SLACK


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


def superseded(links: Sequence[Link]) -> set[int]:
    """The positions of links whose run was taken for dead and ended later: it has another link."""
    last = {link.run: link.position for link in links}
    return {
        link.position
        for link in links
        if link.status == RunStatus.BROKEN and link.position < last[link.run]
    }


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
    except (LookupError, TypeError, ValueError, OverflowError):
        return None, None


def moment(written: object) -> datetime:
    """A moment as the store writes it; that of what is none is the first of all."""
    try:
        return datetime.strptime(str(written), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return _NO_MOMENT
