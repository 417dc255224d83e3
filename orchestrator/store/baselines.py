"""The table of baselines: of each host the state that was last accepted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.store.tables import Tables
from orchestrator.store.timestamps import timestamp


@dataclass(frozen=True)
class Accepted:
    """The state of a host that was accepted, by which run (None: deleted since) and when.

    `objects` are as they were given, lists in place of tuples.
    """

    host: str
    run_id: int | None
    when: str
    objects: Mapping[str, Any]


class Baselines(Tables):
    """One row a host."""

    def accept(self, run_id: int, host: str, objects: Mapping[str, Any], now: datetime) -> None:
        """Keep a state in place of the one before; nothing secret belongs into it."""
        row = {
            "host": host,
            "run_id": run_id,
            "accepted": timestamp(now),
            "objects": json.dumps(objects, ensure_ascii=True, separators=(",", ":")),
        }
        with self._transaction():
            self._connection.execute("DELETE FROM baselines WHERE host = ?", (host,))
            self._insert("baselines", [row])

    def of(self, host: str) -> Accepted | None:
        """The state of a host that was last accepted."""
        rows = self._select("SELECT * FROM baselines WHERE host = ?", host)
        if not rows:
            return None
        row = rows[0]
        return Accepted(host, row["run_id"], row["accepted"], json.loads(row["objects"]))
