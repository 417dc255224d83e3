"""The SQLite file below the store: opening, migrating, transactions, errors that explain."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import PasInfraError
from orchestrator.store.links import chain_what_had_ended
from orchestrator.store.private import private_file
from orchestrator.store.schema import MIGRATIONS

_PATIENCE_SECONDS = 10.0
_NOT_SOUND = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def open_database(path: Path) -> sqlite3.Connection:
    """Open the file, create it or bring its tables up to date.

    Raises PasInfraError when it is not private to this account, no sound database, or written by a
    newer pas-infra.
    """
    private_file(path)
    with explained(path):
        connection = sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        with explained(path):
            connection.execute("PRAGMA foreign_keys = ON")
            if _version(connection, path) < len(MIGRATIONS):
                _write_ahead(connection)
                _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Write everything in the block, or nothing of it."""
    with explained(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk makes SQLite roll back by itself
                connection.execute("ROLLBACK")
            raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says of the file into a PasInfraError; faults of this program pass."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise
    except sqlite3.Error as error:
        raise PasInfraError(
            f"the store cannot be used: {error}", where=path, next_step=_next_step(error, path)
        ) from error


def _next_step(error: sqlite3.Error, path: Path) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _NOT_SOUND:
        return (
            f"put back the file from a backup, or save what is readable (sqlite3 {path.name} "
            ".recover); keep the damaged file, it is evidence"
        )
    if code in _BUSY:
        return f"another program has it open for writing (fuser -v {path}); try again after it"
    return "check the disk (space, mount options) and who owns the file"


def _write_ahead(connection: sqlite3.Connection) -> None:
    # SQLite does not wait by itself for this lock, when several processes create the store at once.
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise PasInfraError(
            f"a newer pas-infra wrote the store: its tables are of version {version}, "
            f"this program knows {len(MIGRATIONS)}; nothing was changed",
            where=path,
            next_step="upgrade pas-infra on this control node",
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection, path):
        # Asked again inside the transaction: another process may have been faster.
        for migration in MIGRATIONS[_version(connection, path) :]:
            for statement in migration:
                connection.execute(statement)
        # After all migrations: what makes up a record is what the latest tables hold.
        chain_what_had_ended(connection, datetime.now(UTC))
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
