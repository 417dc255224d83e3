"""The keys of the backups, kept on the control node: without the source, they open its archives.

A data set's lies under a passphrase. A client's lies under a key of theirs in the key store: once
that is destroyed, whatever copy there is of the one in escrow opens nothing any more (13.3.1).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.backup.repositories import Repository
from orchestrator.engine import secret
from orchestrator.environment import Environment
from orchestrator.environment.vault import decrypt, encrypt
from orchestrator.errors import PasInfraError
from orchestrator.keys.key_store import KeyStore, clients_directory, key_store
from orchestrator.runs import utc_now
from orchestrator.store.private import private_directory, replace_private

PASSPHRASE = "backup_source_escrow_passphrase"  # noqa: S105 - the name of a variable
_LEAST_LETTERS = 32


@dataclass(frozen=True)
class Escrow:
    """The escrow as it is opened for one host.

    `words` encrypt what lies there of its data sets, keys in `clients` what lies there of its
    clients.
    """

    directory: Path
    words: bytes
    clients: KeyStore

    def put(self, repository: Repository, key: Mapping[str, str]) -> None:
        """Keep what opens a repository, or see that it is there; it is never replaced.

        Raises PasInfraError when another key is there already: that one opens the older archives.
        """
        file = _file(self.directory, repository.host, repository.name)
        wanted = {"key": key["key"], "passphrase": key["passphrase"]}
        if not file.exists():
            private_directory(self.directory)
            private_directory(file.parent)
            if repository.client:
                self.clients.for_backups(repository.client, utc_now())
            replace_private(file, encrypt(json.dumps(wanted), self._words(repository)).encode())
        if self.get(repository) != wanted:
            raise PasInfraError(
                f"{repository} has another key than the one in escrow",
                where=file,
                next_step="if its repository was begun anew, move that file to a safe place, and "
                "then again",
            )

    def all_of(self, repositories: Iterable[Repository]) -> dict[str, dict[str, str]]:
        """What opens these, by their names; nothing of those whose keys are not here yet."""
        return {
            one.name: self.get(one)
            for one in repositories
            if _file(self.directory, one.host, one.name).exists()
        }

    def get(self, repository: Repository) -> dict[str, str]:
        """What opens a repository; raises PasInfraError when it is not there, or not readable."""
        file = _file(self.directory, repository.host, repository.name)
        if not file.exists():
            raise PasInfraError(
                f"the key of {repository} is not in escrow",
                where=file,
                next_step=f"pas-infra backup run --host {repository.host} puts it there",
            )
        found: dict[str, str] = json.loads(
            decrypt(file.read_text("utf-8"), self._words(repository))
        )
        return found

    def _words(self, repository: Repository) -> bytes:
        if not repository.client:
            return self.words
        wrapping = self.clients.for_backups(repository.client)
        if wrapping is None:
            raise PasInfraError(
                f"the key store has nothing that opens the key of {repository} in escrow",
                where=self.clients.directory,
                next_step="bring the key store back from the copy in the safe "
                "(docs/how-to/clients.md)",
            )
        return wrapping.key.encode()


def escrow_of(environment: Environment, host: str) -> Escrow:
    """The escrow with the passphrase that is declared for a host."""
    words = secret(environment, host, PASSPHRASE).strip()
    if len(words) < _LEAST_LETTERS:
        raise PasInfraError(
            f"{PASSPHRASE} has fewer than {_LEAST_LETTERS} characters",
            next_step="vault a random one in the inventory (docs/how-to/backup.md)",
        )
    return Escrow(_directory(environment), words.encode(), key_store(environment, host))


def holds(environment: Environment, repository: Repository) -> bool:
    """Whether a key is in escrow."""
    return kept_key(environment, repository.host, repository.name) is not None


def kept_key(environment: Environment, host: str, name: str) -> Path | None:
    """Where the key of a repository, declared still or not, is in escrow; None where it is not."""
    file = _file(_directory(environment), host, name)
    return file if file.exists() else None


def remnants(environment: Environment, host: str, name: str) -> list[Path]:
    """Every file that holds the key of a repository: also one that a cut has left, half-way."""
    file = _file(_directory(environment), host, name)
    hidden = (f".{file.name}.gone", f".{file.name}.new")
    return [one for one in (file, *map(file.with_name, hidden)) if one.exists()]


def _directory(environment: Environment) -> Path:
    return clients_directory(environment) / "backup-keys"


def _file(directory: Path, host: str, name: str) -> Path:
    return directory / host / f"{name}.key"
