"""The hash chain over a store's ended runs: what is hashed, byte for byte.

A *record* is a run as lines of JSON; a *link* is the SHA-256 of one line of text that names the
record's SHA-256 and the link before it. docs/reference/evidence.md says it for auditors, who
recompute both with public tools: what is written here is never changed, only added to.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

FIRST = "0" * 64  # what the first link of a chain follows
SUM_LENGTH = 8  # enough to find a changed line; that nothing was changed, the whole SHA-256 says
_FORM = "pas-infra-chain-1"
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class Chained(StrEnum):
    """When a run got its link."""

    ENDED = "ended"  # as it ended
    NOTICED = "noticed"  # when a later run saw that it had died
    MIGRATED = "migrated"  # later: it had ended before there was a chain


@dataclass(frozen=True)
class Link:
    """One link: the run, how it had ended, when it was chained (ISO 8601, UTC), and the sums."""

    position: int
    run: int
    status: str
    chained: str
    how: str  # one of Chained, unless it was forged
    record: str
    previous: str
    sha256: str

    @property
    def payload(self) -> str:
        """The text whose SHA-256 is the link."""
        return payload(
            self.position, self.run, self.status, self.chained, self.how, self.record, self.previous
        )

    @property
    def line(self) -> str:
        """The link and its payload: the line of an exported chain."""
        return f"{self.sha256} {self.payload}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read such a line, whether its link is right or not. Raises ValueError for another one."""
        sha256, form, position, run, status, chained, how, record, previous = line.split(" ")
        read = cls(int(position), int(run), status, chained, how, record, previous, sha256)
        if form != _FORM or read.line != line:
            raise ValueError(line)
        return read


def payload(
    position: int, run: int, status: str, chained: str, how: str, record: str, previous: str
) -> str:
    """The text whose SHA-256 is a link."""
    return f"{_FORM} {position} {run} {status} {chained} {how} {record} {previous}"


def sha256_of(text: str) -> str:
    """The SHA-256 of a text, in lower-case hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> str:
    """The one spelling of a JSON value: ASCII, sorted keys, no blanks, shortest numbers.

    It is what Python's `json.dumps(value, sort_keys=True, separators=(",", ":"))` writes.
    """
    try:
        return _ENCODE(value)
    except ValueError:  # an infinite number, which nothing but a forger's hand puts into a store
        return json.dumps(value, sort_keys=True, separators=(",", ":"))


def parse_canonical(text: str) -> Any:
    """Read JSON that must be in its one spelling. Raises ValueError where it is not.

    A name given twice, NaN, 1.0 for 1 or another escape says one thing to one reader and another
    to the next.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if canonical(value) != text:
        raise ValueError("it is not in the one spelling that is written")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def line_sum(line: str) -> str:
    """The short sum of a record's line, without its end of line."""
    return sha256_of(line)[:SUM_LENGTH]


def record_text(
    run: Mapping[str, Any], lines: Iterable[tuple[str, Mapping[str, Any]]], sums: str | None = None
) -> str:
    """The record of a run: a first line with the run and the sums of all others, then those.

    `lines` are kinds (`result`, `check`, `recap`) with their columns. With `sums`, those stand in
    the first line whatever the others come to: a line that was changed since is the one that
    differs.
    """
    written = [canonical({kind: _present(columns)}) for kind, columns in lines]
    if sums is None:
        sums = "".join(map(line_sum, written))
    first = canonical({"lines": sums, "run": _present(run)})
    return "\n".join([first, *written, ""])


def _present(columns: Mapping[str, Any]) -> dict[str, Any]:
    # What is NULL is left out, so that a column that a later version adds changes no old record.
    return {name: value for name, value in columns.items() if value is not None}
