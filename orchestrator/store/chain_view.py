"""The chain of a store as who verifies or exports it reads it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.records import RunStatus
from orchestrator.store.chain import FIRST, Link
from orchestrator.store.database import explained
from orchestrator.store.links import record_of, unchained


@dataclass(frozen=True)
class RunNumbers:
    """Which runs there are: the highest number ever given, those that have not ended, and all.

    `unchained` have ended and have no link: nothing of pas-infra leaves such a one.
    """

    begun: int
    present: frozenset[int]
    running: tuple[int, ...]
    unchained: tuple[int, ...]


@dataclass(frozen=True)
class Chain:
    """The chain of a store. Every method raises PasInfraError when the file cannot be read."""

    connection: sqlite3.Connection
    path: Path

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """What is read in the block is of one moment, whatever other processes write."""
        with explained(self.path):
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                self.connection.execute("COMMIT")

    def links(self, after: int = 0) -> list[Link]:
        """The links that follow position `after`, in their order."""
        with explained(self.path):
            rows = self.connection.execute(
                "SELECT position, run_id, status, chained, how, record, link FROM links"
                " WHERE position >= ? ORDER BY position",
                (after,),
            ).fetchall()
        found: list[Link] = []
        previous = FIRST
        for row in rows:
            position, run, status, chained, how, record, sha256 = row
            found.append(Link(position, run, status, chained, how, record, previous, sha256))
            previous = sha256
        return [link for link in found if link.position > after]

    def record(self, link: Link) -> str | None:
        """The record of a link's run as it stands now; None when the run is gone.

        The sums in its first line are those of when it was chained.
        """
        with explained(self.path):
            row = self.connection.execute(
                "SELECT lines FROM links WHERE position = ?", (link.position,)
            ).fetchone()
            return record_of(self.connection, link.run, row["lines"] if row else None)

    def run_numbers(self) -> RunNumbers:
        """Which runs the store holds, and how many it has ever begun."""
        with explained(self.path):
            begun = self.connection.execute(
                "SELECT seq FROM sqlite_sequence WHERE name = 'runs'"
            ).fetchone()
            rows = self.connection.execute("SELECT id, status FROM runs ORDER BY id").fetchall()
            return RunNumbers(
                begun["seq"] if begun else 0,
                frozenset(row["id"] for row in rows),
                tuple(row["id"] for row in rows if row["status"] == RunStatus.RUNNING),
                tuple(unchained(self.connection)),
            )
