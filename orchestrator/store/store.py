"""The store of an environment: its runs and what they saw, in one SQLite file."""

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from orchestrator.errors import PasInfraError
from orchestrator.records import (
    CheckResult,
    HostRecap,
    Run,
    RunStatus,
    TaskResult,
    TaskStatus,
    Verdict,
)
from orchestrator.store.baselines import Baselines
from orchestrator.store.chain import Chained
from orchestrator.store.chain_view import Chain
from orchestrator.store.database import open_database
from orchestrator.store.drift import DriftTables
from orchestrator.store.inventories import Inventories
from orchestrator.store.links import append_link
from orchestrator.store.private import private_directory
from orchestrator.store.process import process_identity, still_runs
from orchestrator.store.rows import (
    Row,
    check_of,
    result_of,
    row_of_check,
    row_of_result,
    run_of,
    storable,
)
from orchestrator.store.tables import Tables
from orchestrator.store.timestamps import timestamp

STORE_NAME = "pas-infra.sqlite"


@dataclass(frozen=True)
class RunCounts:
    """How many results of a run say so; `failed_tasks` counts unreachable hosts too."""

    changed_tasks: int = 0
    failed_tasks: int = 0
    failed_checks: int = 0


class Store(Tables):
    """The store of one environment; open it with `Store.open`, and use it from one thread.

    Every method raises PasInfraError when the file cannot be read or written.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, environment: str) -> None:
        super().__init__(connection, path)
        self.environment = environment
        self.drift = DriftTables(connection, path)
        self.baselines = Baselines(connection, path)
        self.inventories = Inventories(connection, path)

    @staticmethod
    def lies_in(directory: Path) -> bool:
        """Whether there is one, sound or not: for whoever is to make none.

        Raises OSError where this account may not look.
        """
        try:
            (directory / STORE_NAME).lstat()
        except FileNotFoundError:
            return False
        return True

    @classmethod
    def open(cls, directory: Path, environment: str) -> Self:
        """Open the store that lies in `directory`; create it, or bring its tables up to date.

        Raises PasInfraError when directory or file are not private to this account, the file is no
        sound database, or a newer pas-infra wrote it.
        """
        private_directory(directory)
        path = directory / STORE_NAME
        return cls(open_database(path), path, environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def chain(self) -> Chain:
        """The hash chain over the runs that have ended."""
        return Chain(self._connection, self.path)

    def close(self) -> None:
        """Close the file; what was saved stays, finished or not."""
        self._connection.close()

    def begin(
        self,
        command: str,
        *,
        who: str,
        control_node: str,
        pid: int,
        commit: str,
        options: Mapping[str, object],
        now: datetime,
    ) -> int:
        """Record that a run starts in process `pid`; returns its id, which was never used before.

        `options` are kept as JSON and shown by `history`: nothing secret belongs there.
        """
        row = {
            "command": command,
            "environment": self.environment,
            "who": who,
            "control_node": control_node,
            "pid": pid,
            "process": process_identity(pid),
            "git_commit": commit,
            "options": json.dumps(dict(options), ensure_ascii=False, default=str),
            "started": timestamp(now),
            "status": RunStatus.RUNNING,
            "message": "",
        }
        with self._transaction():
            self._insert("runs", [row])
            run_id: int = self._select("SELECT last_insert_rowid() AS id")[0]["id"]
        return run_id

    def add_results(self, run_id: int, results: Iterable[TaskResult]) -> None:
        """Save what tasks did; saved at once, so a killed run keeps it. Unknown run: raises."""
        self._add("results", run_id, [row_of_result(result) for result in results])

    def set_results(self, run_id: int, results: Iterable[TaskResult]) -> None:
        """Save what tasks did in place of what was saved before, all or nothing."""
        rows = [{"run_id": run_id, **row_of_result(result)} for result in results]
        with self._transaction():
            self._open_run(run_id)
            self._connection.execute("DELETE FROM results WHERE run_id = ?", (run_id,))
            self._insert("results", rows)

    def add_checks(self, run_id: int, checks: Iterable[CheckResult]) -> None:
        """Save what checks said; saved at once, so a killed run keeps it. Unknown run: raises."""
        self._add("checks", run_id, [row_of_check(check) for check in checks])

    def set_recap(self, run_id: int, recap: Mapping[str, HostRecap]) -> None:
        """Save Ansible's final statistics by host, in place of earlier ones of this run."""
        rows = [{"run_id": run_id, "host": h, **asdict(counts)} for h, counts in recap.items()]
        with self._transaction():
            self._open_run(run_id)
            self._connection.execute("DELETE FROM recaps WHERE run_id = ?", (run_id,))
            self._insert("recaps", rows)

    def finish(self, run_id: int, status: RunStatus, message: str, now: datetime) -> None:
        """Record how a run ended. Raises PasInfraError when it is unknown or has already ended."""
        with self._transaction():
            self._open_run(run_id)
            self._connection.execute(
                "UPDATE runs SET status = :status, message = :message, ended = :ended"
                " WHERE id = :id",
                storable(
                    {"status": status, "message": message, "ended": timestamp(now), "id": run_id}
                ),
            )
            append_link(self._connection, run_id, Chained.ENDED, now)

    def mark_broken(self, now: datetime, *, locked_commands: Collection[str] = ()) -> list[int]:
        """Mark as broken every run that is recorded as running and whose process is gone.

        `locked_commands` are those that run under the environment's lock only: pass them when you
        hold it, for then their runs are dead whatever the process table says. This process' own
        runs are never touched. Returns the ids, oldest first.
        """
        message = f"its process ended without a word; noticed at {timestamp(now)}"
        me = (os.getpid(), process_identity(os.getpid()))
        with self._transaction():
            running = self._select(
                "SELECT id, command, pid, process FROM runs WHERE status = ? ORDER BY id",
                RunStatus.RUNNING,
            )
            broken: list[int] = [
                run["id"]
                for run in running
                if (run["pid"], run["process"]) != me
                and (
                    run["command"] in locked_commands or not still_runs(run["pid"], run["process"])
                )
            ]
            self._connection.executemany(
                "UPDATE runs SET status = ?, message = ? WHERE id = ?",
                [(RunStatus.BROKEN, message, run_id) for run_id in broken],
            )
            for run_id in broken:
                append_link(self._connection, run_id, Chained.NOTICED, now)
        return broken

    def runs(self, limit: int, command: str | None = None) -> list[Run]:
        """List the latest `limit` runs (of one command, when given), newest first."""
        rows = self._select(
            "SELECT * FROM runs WHERE ? IS NULL OR command = ? ORDER BY id DESC LIMIT ?",
            command,
            command,
            limit,
        )
        return [run_of(row) for row in rows]

    def run(self, run_id: int) -> Run:
        """Look a run up. Raises PasInfraError when there is none with this id."""
        rows = self._select("SELECT * FROM runs WHERE id = ?", run_id)
        if not rows:
            raise PasInfraError(
                f"there is no run {run_id} in the history of {self.environment}",
                where=self.path,
                next_step=f"see which there are: pas-infra history --env {self.environment}",
            )
        return run_of(rows[0])

    def results(self, run_id: int) -> list[TaskResult]:
        """List what the tasks of a run did, in the order of saving. Unknown run: raises."""
        self.run(run_id)
        rows = self._select("SELECT * FROM results WHERE run_id = ? ORDER BY id", run_id)
        return [result_of(row) for row in rows]

    def checks(self, run_id: int) -> list[CheckResult]:
        """List what the checks of a run said, in the order of saving. Unknown run: raises."""
        self.run(run_id)
        rows = self._select("SELECT * FROM checks WHERE run_id = ? ORDER BY id", run_id)
        return [check_of(row) for row in rows]

    def recap(self, run_id: int) -> dict[str, HostRecap]:
        """Read Ansible's final statistics by host, empty when it gave none. Unknown run: raises."""
        self.run(run_id)
        rows = self._select("SELECT * FROM recaps WHERE run_id = ? ORDER BY host", run_id)
        return {
            row["host"]: HostRecap(**{k: v for k, v in row.items() if k not in ("run_id", "host")})
            for row in rows
        }

    def counts(self, run_ids: Collection[int]) -> dict[int, RunCounts]:
        """Count the changes and failures of each of these runs."""
        rows = self._select(
            "SELECT value AS id,"
            " (SELECT count(*) FROM results WHERE run_id = value AND status = ?)"
            " AS changed_tasks,"
            " (SELECT count(*) FROM results WHERE run_id = value AND status IN (?, ?))"
            " AS failed_tasks,"
            " (SELECT count(*) FROM checks WHERE run_id = value AND verdict = ?)"
            " AS failed_checks"
            " FROM json_each(?)",
            TaskStatus.CHANGED,
            TaskStatus.FAILED,
            TaskStatus.UNREACHABLE,
            Verdict.FAILS,
            json.dumps(list(run_ids)),
        )
        return {row.pop("id"): RunCounts(**row) for row in rows}

    def _open_run(self, run_id: int) -> None:
        """Raises PasInfraError when a run is unknown, or has ended: its record is chained then."""
        found = self.run(run_id)
        if found.ended is not None:
            raise PasInfraError(
                f"run {run_id} has already ended ({found.status}, {found.ended})",
                where=self.path,
                next_step="report this fault of pas-infra: a run ends once",
            )

    def _add(self, table: str, run_id: int, rows: list[Row]) -> None:
        with self._transaction():
            self._open_run(run_id)
            self._insert(table, [{"run_id": run_id, **row} for row in rows])
