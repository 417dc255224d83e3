"""How the store's classes read and write their tables."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.store.database import explained, transaction
from orchestrator.store.rows import Row, storable


class Tables:
    """Some tables of one file; every method raises PasInfraError when it cannot be used."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    def _select(self, query: str, *values: object) -> list[Row]:
        with explained(self.path):
            return [dict(row) for row in self._connection.execute(query, values)]

    def _insert(self, table: str, rows: list[Row]) -> None:
        """Insert rows of like columns; table and columns are this program's own names."""
        if not rows:
            return
        columns = ", ".join(rows[0])
        places = ", ".join(f":{column}" for column in rows[0])
        self._connection.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608
            [storable(row) for row in rows],
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with transaction(self._connection, self.path):
            yield
