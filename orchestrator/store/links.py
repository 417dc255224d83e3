"""The links of a store's chain, appended where runs end, and the records that they are of."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from orchestrator.records import RunStatus
from orchestrator.store.chain import FIRST, Chained, payload, record_text, sha256_of
from orchestrator.store.timestamps import timestamp

_RUN = (
    "command", "control_node", "ended", "environment", "git_commit", "id", "message", "options",
    "pid", "process", "started", "status", "who",
)  # fmt: skip
# The tables that make up a record: the kind of their lines, the columns, the order of the rows.
# A later table comes after these; a later column must be NULL in the rows that were there before.
RECORDED = {
    "results": (
        "result",
        (
            "action", "censored", "diff", "duration", "handler", "host", "measures", "message",
            "path", "role", "status", "task",
        ),
        "id",
    ),
    "checks": (
        "check",
        ("duration", "host", "measures", "message", "name", "title", "verdict"),
        "id",
    ),
    "recaps": (
        "recap",
        ("changed", "failed", "host", "ignored", "ok", "rescued", "skipped", "unreachable"),
        "host",
    ),
    "inputs": ("input", ("digest", "name"), "name"),
    "drift_hosts": (
        "drift_host",
        (
            "accepted", "blind", "complete", "coverage", "findings", "host", "new", "pending",
            "seconds", "why",
        ),
        "host",
    ),
    "sightings": (
        "sighting",
        (
            "accepted_until", "because", "cause", "checks", "eye", "first_seen", "host", "identity",
            "kind", "measures", "name", "new", "object_kind", "role", "seen", "severity",
        ),
        "identity",
    ),
}  # fmt: skip
_JSON = {"checks", "measures", "options", "why"}


def append_link(connection: sqlite3.Connection, run_id: int, how: Chained, now: datetime) -> None:
    """Chain a run that has ended, in the transaction in which it does."""
    record = record_of(connection, run_id)
    if record is None:
        raise LookupError(f"there is no run {run_id}")
    first = json.loads(record[: record.index("\n")])
    last = connection.execute(
        "SELECT position, link FROM links ORDER BY position DESC LIMIT 1"
    ).fetchone()
    position, previous = (last["position"] + 1, last["link"]) if last else (1, FIRST)
    status, chained, sha256 = first["run"]["status"], timestamp(now), sha256_of(record)
    link = sha256_of(payload(position, run_id, status, chained, how, sha256, previous))
    connection.execute(
        "INSERT INTO links (position, run_id, status, chained, how, record, link, lines)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (position, run_id, status, chained, how, sha256, link, first["lines"]),
    )


def chain_what_had_ended(connection: sqlite3.Connection, now: datetime) -> None:
    """Chain the runs that ended before there was a chain, and say that it was later."""
    for run_id in unchained(connection):
        append_link(connection, run_id, Chained.MIGRATED, now)


def unchained(connection: sqlite3.Connection) -> list[int]:
    """The runs that have ended and have no link."""
    rows = connection.execute(
        "SELECT id FROM runs WHERE status != ? AND id NOT IN (SELECT run_id FROM links)"
        " ORDER BY id",
        (RunStatus.RUNNING,),
    )
    return [row["id"] for row in rows.fetchall()]


def record_of(connection: sqlite3.Connection, run_id: int, sums: str | None = None) -> str | None:
    """The record of a run as its rows stand (see `record_text`); None when there is no such run."""
    run = next(_rows(connection, "runs", _RUN, "id", run_id, "id"), None)
    return record_text(run, _lines(connection, run_id), sums) if run else None


def _lines(connection: sqlite3.Connection, run_id: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for table, (kind, columns, order) in RECORDED.items():
        for row in _rows(connection, table, columns, "run_id", run_id, order):
            yield kind, row


def _rows(
    connection: sqlite3.Connection,
    table: str,
    columns: tuple[str, ...],
    key: str,
    run_id: int,
    order: str,
) -> Iterator[dict[str, Any]]:
    """The rows of a run; table and columns are this program's own names."""
    query = f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = ? ORDER BY {order}"  # noqa: S608
    for values in connection.execute(query, (run_id,)):
        yield {
            name: _read(value) if name in _JSON else value
            for name, value in zip(columns, values, strict=True)
        }


@lru_cache(maxsize=256)  # thousands of tasks share a few lists of measures
def _read(written: str) -> Any:
    """What a column of JSON holds; the text itself where it may be read in two ways."""
    try:
        return json.loads(written, object_pairs_hook=_once)
    except ValueError:
        return written


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found
