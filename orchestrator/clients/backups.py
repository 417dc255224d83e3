"""The backups of a client who leaves: what opens them destroyed at each place, and they removed."""

from dataclasses import dataclass
from typing import Any

from orchestrator.backup.entries import catalogue_of
from orchestrator.backup.escrow import remnants
from orchestrator.backup.repositories import Line, lines_to, name_for
from orchestrator.engine import Connection, HostProgram
from orchestrator.environment import Client, Environment
from orchestrator.environment.vault import decrypt
from orchestrator.errors import PasInfraError
from orchestrator.keys.key_store import erase

_PROGRAM = HostProgram(
    "its backups of a client",
    ("orchestrator.clients.host.backups",),
    remedy="pas-infra backup status shows what there is",
    # A session that is under way there ends first.
    patience=3600.0,
)


@dataclass(frozen=True)
class ClientBackups:
    """The backups of one client, from their source to the target and the escrow."""

    environment: Environment
    client: Client

    def look(self) -> dict[str, Any]:
        """Where what opens them lies, and where they do; an empty answer where there are none."""
        escrow = remnants(self.environment, self.client.host, self._name)
        known = catalogue_of(self.environment, self.client.host).of(self._name)
        line = self._line(needed=bool(escrow or known))
        if line is None:
            return {}
        keys = int(self._at(line.source, "source")["keys"])
        if not (escrow or known or keys):
            return {}
        there = self._at(line.target, "target")
        return {
            "repository": f"{self.client.host}/{self._name}",
            "target": line.target.host,
            "keys_there": keys,
            "in_escrow": bool(escrow),
            "archives": len(known),
            "size": int(there["size"]),
            "copies": int(there["copies"]),
        }

    def destroy(self, found: dict[str, Any], left: list[str]) -> dict[str, Any]:
        """Destroy what opens them, then remove them; `left` are the secrets that still exist.

        Raises PasInfraError when one of those opens the key in escrow. Cut short, it goes on.
        """
        if not found:
            return {"tried": 0}
        line = self._line(needed=True)
        assert line is not None  # noqa: S101 - for mypy
        self._at(line.source, "source", forget=True)
        for file in remnants(self.environment, self.client.host, self._name):
            content = file.read_text("utf-8", "replace")
            if any(_opens(content, one) for one in left):
                raise PasInfraError(
                    f"a secret that still exists opens the key of {found['repository']} in escrow",
                    where=file,
                    next_step="find out which, before this client's data can be called erased",
                )
            erase(file)
        self._at(line.target, "target", forget=True)
        catalogue = catalogue_of(self.environment, self.client.host)
        catalogue.forget(self._name)
        catalogue.save()
        return {"tried": len(left)}

    @property
    def _name(self) -> str:
        return name_for(self.client.name)

    def _line(self, *, needed: bool) -> Line | None:
        """How both ends are reached; None where no backups are declared, and none are known."""
        try:
            return lines_to(self.environment, [self.client.host])[self.client.host]
        except PasInfraError:
            if needed:
                raise
            return None

    def _at(self, end: Connection, which: str, *, forget: bool = False) -> dict[str, Any]:
        return _PROGRAM.call(
            end, self.client.name, name=self._name, source=self.client.host, end=which,
            forget=forget,
        )  # fmt: skip


def _opens(content: str, words: str) -> bool:
    try:
        decrypt(content, words.encode())
    except PasInfraError:
        return False
    return True
