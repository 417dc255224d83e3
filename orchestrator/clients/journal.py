"""What has been done of an offboarding: it may be cut short, and says at the end what was when."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from orchestrator.environment import Client
from orchestrator.store.private import open_private, private_directory


@dataclass
class Journal:
    """The steps of one offboarding with their facts, each kept as soon as it is done.

    `steps` are by name; each has `at` (ISO 8601) and what it found. `client` is the entry of
    clients.yml as it was.
    """

    file: Path
    client: Mapping[str, Any]
    began: str
    by: str
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, directory: Path, client: Client, now: str, by: str) -> Self:
        """The journal of this client's offboarding, as far as it has come."""
        private_directory(directory)
        file = directory / f"{client.name}.json"
        if file.exists():
            return cls(file, **json.loads(file.read_text("utf-8")))
        return cls(file, client.as_data(), now, by)

    def done(self, step: str) -> bool:
        """Whether a step has come to its end."""
        return step in self.steps

    def keep(self, step: str, at: str, **facts: Any) -> None:
        """Write down that a step is done."""
        self.steps[step] = {"at": at, **facts}
        content = {name: value for name, value in asdict(self).items() if name != "file"}
        write_whole(self.file, json.dumps(content, indent=1, sort_keys=True).encode())


def write_whole(file: Path, content: bytes) -> None:
    """Put a private file in its place at once, and down to the disk."""
    beside = file.with_name(f".{file.name}")
    with os.fdopen(open_private(beside), "r+b") as opened:
        opened.truncate()
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    beside.rename(file)
