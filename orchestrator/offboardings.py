"""What has been done of an offboarding: it may be cut short, and says at the end what was when."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from orchestrator.environment import Client, Environment
from orchestrator.errors import PasInfraError
from orchestrator.keys.key_store import clients_directory
from orchestrator.store.private import private_directory, replace_private

CERTIFICATE = ".certificate.json"  # how the file's name ends


@dataclass
class Journal:
    """The steps of one offboarding with their facts, each kept as soon as it is done.

    There is none before somebody has confirmed it. `client` is the entry of clients.yml as it was
    then; `steps` are by name, and each has `at` (ISO 8601), the `run` that did it, and what it
    found.
    """

    file: Path
    client: Mapping[str, Any]
    by: str
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def begin(cls, environment: Environment, client: Client, by: str) -> Self:
        """An empty journal, which is written with its first step."""
        return cls(_file(environment, client.name), client.as_data(), by)

    @classmethod
    def found(cls, environment: Environment, name: str) -> Self | None:
        """The journal of an offboarding that was confirmed, ended or not.

        Raises PasInfraError when it cannot be read.
        """
        file = _file(environment, name)
        if not file.exists():
            return None
        try:
            return cls(file, **json.loads(file.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise PasInfraError(
                f"this is no journal of an offboarding any more: {error}",
                where=file,
                next_step="bring it back from a copy: it is what an erasure goes on from",
            ) from error

    @classmethod
    def all_begun(cls, environment: Environment) -> list[Self]:
        """The journals of all offboardings, ended or not; a certificate has another name."""
        names = sorted(file.stem for file in directory_of(environment).glob("[a-z]*.json"))
        found = (cls.found(environment, name) for name in names if "." not in name)
        return [journal for journal in found if journal is not None]

    @property
    def runs(self) -> list[int]:
        """The runs that did something, in their order."""
        return sorted({step["run"] for step in self.steps.values()})

    def done(self, step: str) -> bool:
        """Whether a step has come to its end."""
        return step in self.steps

    def keep(self, step: str, at: str, run: int, **facts: Any) -> None:
        """Write down that a step is done."""
        self.steps[step] = {"at": at, "run": run, **facts}
        content = {name: value for name, value in asdict(self).items() if name != "file"}
        private_directory(self.file.parent)
        replace_private(self.file, json.dumps(content, indent=1, sort_keys=True).encode())


def unfinished(environment: Environment) -> dict[str, Journal]:
    """The offboardings that were confirmed and have no certificate yet, by the client's name."""
    return {
        journal.file.stem: journal
        for journal in Journal.all_begun(environment)
        if not is_certified(environment, journal.file.stem)
    }


def is_certified(environment: Environment, name: str) -> bool:
    """Whether the offboarding of a client has come to its certificate."""
    return (directory_of(environment) / f"{name}{CERTIFICATE}").exists()


def directory_of(environment: Environment) -> Path:
    """Where the journals and certificates of an environment lie."""
    return clients_directory(environment) / "offboarding"


def _file(environment: Environment, name: str) -> Path:
    return directory_of(environment) / f"{name}.json"
