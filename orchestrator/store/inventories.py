"""The table of inventories: what hosts were made of, by the digest that a run's record names."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import PasInfraError
from orchestrator.store.chain import canonical, sha256_of
from orchestrator.store.tables import Tables


@dataclass(frozen=True)
class Kept:
    """What a host was made of, as a run that began at `when` (ISO 8601, UTC) has found it."""

    host: str
    run_id: int
    when: str
    digest: str
    content: Mapping[str, Any]


class Inventories(Tables):
    """Contents by their digests; that a host had one, the `inputs` of a run of `command` say."""

    def keep(self, contents: Iterable[Mapping[str, Any]]) -> list[str]:
        """Keep contents, each once; returns the digest of each. Nothing secret belongs into one.

        One that was changed since is put right: its digest says what it was.
        """
        texts = [canonical(content) for content in contents]
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO inventories (digest, content) VALUES (?, ?)",
                [(sha256_of(text), text) for text in texts],
            )
        return [sha256_of(text) for text in texts]

    def last(self, command: str, name: str, host: str) -> Kept | None:
        """What the last run of `command` that names its digest `name` has kept of a host.

        Raises PasInfraError when the content is not the one that the run has recorded.
        """
        rows = self._select(
            "SELECT run_id, started, inputs.digest, content FROM inputs"
            " JOIN runs ON runs.id = run_id"
            " LEFT JOIN inventories ON inventories.digest = inputs.digest"
            " WHERE command = ? AND name = ? ORDER BY run_id DESC LIMIT 1",
            command,
            name,
        )
        if not rows:
            return None
        row = rows[0]
        if row["content"] is None or sha256_of(row["content"]) != row["digest"]:
            raise PasInfraError(
                f"the inventory of {host} is not the one that run {row['run_id']} has recorded: "
                "somebody has changed it in the store",
                where=self.path,
                next_step="find out who, as docs/how-to/evidence.md says; the next inventory of "
                "the host is complete by itself",
            )
        content = json.loads(row["content"])
        return Kept(host, row["run_id"], row["started"], row["digest"], content)

    def forged(self, command: str) -> list[tuple[int, str, bool]]:
        """Of the runs of `command` the inputs of which the content is not what was recorded.

        The run, the name of the input, and whether there is any content at all.
        """
        sound = {
            row["digest"]: sha256_of(row["content"]) == row["digest"]
            for row in self._select("SELECT digest, content FROM inventories")
        }
        rows = self._select(
            "SELECT run_id, name, digest FROM inputs JOIN runs ON runs.id = run_id"
            " WHERE command = ? ORDER BY run_id, name",
            command,
        )
        return [
            (row["run_id"], row["name"], row["digest"] in sound)
            for row in rows
            if not sound.get(row["digest"], False)
        ]
