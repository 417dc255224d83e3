"""The keys of the backups, kept on the control node: without the source, they open its archives."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.backup.repositories import Repository
from orchestrator.engine import secret
from orchestrator.environment import Environment
from orchestrator.environment.vault import decrypt, encrypt
from orchestrator.errors import PasInfraError
from orchestrator.store.private import private_directory, replace_private

_PASSPHRASE = "backup_source_escrow_passphrase"  # noqa: S105 - the name of a variable
_LEAST_LETTERS = 32


@dataclass(frozen=True)
class Escrow:
    """The escrow as it is opened for one host; `words` encrypt what lies there."""

    directory: Path
    words: bytes

    def put(self, repository: Repository, key: Mapping[str, str]) -> None:
        """Keep what opens a repository, or see that it is there; it is never replaced.

        Raises PasInfraError when another key is there already: that one opens the older archives.
        """
        file = _file(self.directory, repository)
        wanted = {"key": key["key"], "passphrase": key["passphrase"]}
        if not file.exists():
            private_directory(self.directory.parent)
            private_directory(self.directory)
            replace_private(file, encrypt(json.dumps(wanted), self.words).encode())
        if self.get(repository) != wanted:
            raise PasInfraError(
                f"{repository} has another key than the one in escrow",
                where=file,
                next_step="if its repository was begun anew, move that file to a safe place, and "
                "then again",
            )

    def get(self, repository: Repository) -> dict[str, str]:
        """What opens a repository; raises PasInfraError when it is not there, or not readable."""
        file = _file(self.directory, repository)
        if not file.exists():
            raise PasInfraError(
                f"the key of {repository} is not in escrow",
                where=file,
                next_step=f"pas-infra backup run --host {repository.host} puts it there",
            )
        found: dict[str, str] = json.loads(decrypt(file.read_text("utf-8"), self.words))
        return found


def escrow_of(environment: Environment, host: str) -> Escrow:
    """The escrow with the passphrase that is declared for a host."""
    words = secret(environment, host, _PASSPHRASE).strip()
    if len(words) < _LEAST_LETTERS:
        raise PasInfraError(
            f"{_PASSPHRASE} has fewer than {_LEAST_LETTERS} characters",
            next_step="vault a random one in the inventory (docs/how-to/backup.md)",
        )
    return Escrow(_directory(environment), words.encode())


def holds(environment: Environment, repository: Repository) -> bool:
    """Whether a key is in escrow."""
    return kept_key(environment, repository.host, repository.name) is not None


def kept_key(environment: Environment, host: str, name: str) -> Path | None:
    """Where the key of a repository, declared still or not, is in escrow; None where it is not."""
    file = _directory(environment) / f"{host}-{name}.key"
    return file if file.exists() else None


def _directory(environment: Environment) -> Path:
    return environment.store_directory / "backup-keys"


def _file(directory: Path, repository: Repository) -> Path:
    return directory / f"{repository.host}-{repository.name}.key"
