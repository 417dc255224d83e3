"""What the runs of drift have found, and what shaped the applies before them."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from orchestrator.records import HostDrift, Sighting
from orchestrator.store.rows import Row
from orchestrator.store.tables import Tables
from orchestrator.store.timestamps import timestamp


class DriftTables(Tables):
    """The tables of drift, in the store of an environment."""

    def set_inputs(self, run_id: int, inputs: Mapping[str, str]) -> None:
        """Save what a run was shaped by: a digest by name, in place of earlier ones."""
        rows = [{"run_id": run_id, "name": n, "digest": d} for n, d in inputs.items()]
        with self._transaction():
            self._connection.execute("DELETE FROM inputs WHERE run_id = ?", (run_id,))
            self._insert("inputs", rows)

    def inputs(self, run_id: int) -> dict[str, str]:
        """What a run was shaped by; empty for one that never came so far."""
        rows = self._select("SELECT name, digest FROM inputs WHERE run_id = ?", run_id)
        return {row["name"]: row["digest"] for row in rows}

    def keep_sightings(
        self,
        run_id: int,
        sightings: Iterable[Sighting],
        *,
        looked_at: Collection[str],
        roles: Sequence[str],
        now: datetime,
    ) -> list[Sighting]:
        """Save what a run found, all or nothing; returns it with `first_seen` and `new` set.

        What was open on a host of `looked_at` (in `roles`, if any are named) and is not among it,
        has gone.
        """
        with self._transaction():
            known = {row["identity"]: row for row in self._select("SELECT * FROM open_findings")}
            found = [_dated(one, known.get(one.identity), timestamp(now)) for one in sightings]
            seen = {one.identity for one in found}
            gone = [
                (row["identity"],)
                for row in known.values()
                if row["identity"] in seen
                or (row["host"] in looked_at and (not roles or row["role"] in roles))
            ]
            self._connection.executemany("DELETE FROM open_findings WHERE identity = ?", gone)
            self._insert("open_findings", [_row_of_open(one, run_id) for one in found])
            self._insert("sightings", [_row_of_sighting(one, run_id) for one in found])
        return found

    def set_hosts(self, run_id: int, hosts: Iterable[HostDrift]) -> None:
        """Save what a run says of each host."""
        rows = [{"run_id": run_id, **asdict(h), "why": json.dumps(h.why)} for h in hosts]
        with self._transaction():
            self._connection.execute("DELETE FROM drift_hosts WHERE run_id = ?", (run_id,))
            self._insert("drift_hosts", rows)

    def hosts(self, run_ids: Collection[int]) -> dict[int, list[HostDrift]]:
        """What each of these runs says of its hosts; of one that died in the middle, nothing."""
        rows = self._select(
            "SELECT * FROM drift_hosts WHERE run_id IN (SELECT value FROM json_each(?))"
            " ORDER BY run_id, host",
            json.dumps(list(run_ids)),
        )
        found: dict[int, list[HostDrift]] = {run_id: [] for run_id in run_ids}
        for row in rows:
            found[row.pop("run_id")].append(_host_of(row))
        return found

    def open(self) -> list[Sighting]:
        """What is still there as far as anybody knows, each as it was seen last."""
        rows = self._select(
            "SELECT sightings.* FROM open_findings JOIN sightings"
            " ON sightings.identity = open_findings.identity AND run_id = last_run"
            " ORDER BY host, severity DESC, object_kind, name"
        )
        return [_sighting_of(row) for row in rows]

    def sightings(self, identity: str) -> list[tuple[int, Sighting]]:
        """Each run that saw a finding, and how, newest first; `identity` may be its beginning."""
        rows = self._select(
            "SELECT * FROM sightings WHERE substr(identity, 1, length(?)) = ? ORDER BY run_id DESC",
            identity,
            identity,
        )
        return [(row["run_id"], _sighting_of(row)) for row in rows]


def _dated(one: Sighting, known: Row | None, now: str) -> Sighting:
    return replace(one, first_seen=known["first_seen"] if known else now, new=known is None)


def _row_of_open(one: Sighting, run_id: int) -> Row:
    return {
        "identity": one.identity,
        "host": one.host,
        "role": one.role,
        "first_seen": one.first_seen,
        "last_run": run_id,
    }


def _row_of_sighting(one: Sighting, run_id: int) -> Row:
    lists = {"measures": json.dumps(one.measures), "checks": json.dumps(one.checks)}
    return {"run_id": run_id, **asdict(one), **lists}


def _sighting_of(row: Row) -> Sighting:
    lists = {name: tuple(json.loads(row[name])) for name in ("measures", "checks")}
    rest = {name: value for name, value in row.items() if name != "run_id"}
    return Sighting(**{**rest, **lists, "new": bool(row["new"])})


def _host_of(row: Row) -> HostDrift:
    why = tuple(json.loads(row["why"]))
    return HostDrift(**{**row, "complete": bool(row["complete"]), "why": why})
