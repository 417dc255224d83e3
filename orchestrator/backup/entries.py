"""The catalogue of archives: what each backup said of itself, where no host can change it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.store.private import private_directory, replace_private

_ARCHIVE = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_CLOCK_MOVES, _LONGEST = timedelta(minutes=5), timedelta(hours=48)  # while one is made
_SUM = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One archive: sizes in bytes, `ended` in ISO 8601; `missing` is what it should hold too.

    `manifest_sha256` is of the record of every file's content, owner and mode, which lies in it.
    `unsteady` is what changed while it was made.
    """

    set: str
    archive: str
    id: str
    ended: str
    files: int
    size: int
    stored: int
    manifest_sha256: str
    paths: tuple[str, ...] = ()
    unsteady: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @classmethod
    def from_data(cls, said: Mapping[str, Any]) -> Self:
        """What a source says of an archive; raises ValueError for what is none."""
        try:
            entry = cls(
                set=str(said["set"]),
                archive=str(said["archive"]),
                id=str(said["id"]),
                ended=str(said["ended"]),
                files=int(said["files"]),
                size=int(said["size"]),
                stored=int(said["stored"]),
                manifest_sha256=str(said["manifest_sha256"]),
                paths=tuple(map(str, said["paths"])),
                unsteady=tuple(map(str, said["unsteady"])),
                missing=tuple(map(str, said["missing"])),
            )
            # A name of another day would be that day's archive, and drop the real one.
            took = entry.moment - entry.begun
            timed = -_CLOCK_MOVES <= took <= _LONGEST
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"this is no entry of a backup: {error}") from error
        named = _ARCHIVE.fullmatch(entry.archive)
        if not (timed and named and all(map(_SUM.fullmatch, (entry.id, entry.manifest_sha256)))):
            raise ValueError(f"this is no entry of a backup: {entry.archive!r}")
        return entry

    @property
    def moment(self) -> datetime:
        """When it was done."""
        return datetime.fromisoformat(self.ended)

    @property
    def begun(self) -> datetime:
        """When it was begun, as its name says."""
        return datetime.fromisoformat(self.archive)


@dataclass
class Catalogue:
    """The archives of one host, in their order, and the checks that were made of them."""

    file: Path
    entries: list[Entry]
    # By the name of the data set: when it was checked last, how, and what was found damaged.
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    # The archives that a prune has dropped, or is about to, by the name of the data set.
    pruned: dict[str, list[str]] = field(default_factory=dict)
    # The data sets of which some were dropped, and the target has made no room yet.
    crowded: list[str] = field(default_factory=list)
    # When the source last said what it has registered; None where that was not written down.
    asked: datetime | None = None

    def of(self, name: str) -> list[Entry]:
        """The archives of a data set, the last one last."""
        return sorted((one for one in self.entries if one.set == name), key=lambda one: one.archive)

    def remember(self, said: Iterable[Entry]) -> list[str]:
        """Take in what the source says; what it says otherwise than before is told, not believed.

        So is an archive that is older than one that was known before: it was not there then, and
        could have the real one of its day pruned. Returns the names of such archives.
        """
        known = {(one.set, one.archive): one for one in self.entries}
        newest = {one.set: one.archive for one in self.entries}
        otherwise = []
        for one in said:
            if one.archive in self.pruned.get(one.set, ()):
                continue
            if (one.set, one.archive) not in known and one.archive < newest.get(one.set, ""):
                otherwise.append(f"{one.set}::{one.archive}")
                continue
            before = known.setdefault((one.set, one.archive), one)
            if before != one:
                otherwise.append(f"{one.set}::{one.archive}")
        self.entries = sorted(known.values(), key=lambda one: (one.set, one.archive))
        return otherwise

    def drop(self, name: str, archives: Iterable[str]) -> None:
        """Know no more of these archives than that they are to go."""
        gone = set(archives)
        self.entries = [one for one in self.entries if one.set != name or one.archive not in gone]
        self.pruned[name] = sorted(gone | set(self.pruned.get(name, ())))
        self.crowded = sorted({*self.crowded, name})

    def forget(self, name: str) -> None:
        """Drop what is known of a repository that was removed for good."""
        self.entries = [one for one in self.entries if one.set != name]
        self.checks.pop(name, None)
        self.pruned.pop(name, None)
        self.crowded = [one for one in self.crowded if one != name]

    def save(self) -> None:
        """Keep it."""
        private_directory(self.file.parent.parent)
        private_directory(self.file.parent)
        content = {
            "entries": [asdict(one) for one in self.entries],
            "checks": self.checks,
            "pruned": self.pruned,
            "crowded": self.crowded,
            "asked": self.asked.isoformat() if self.asked else None,
        }
        replace_private(self.file, json.dumps(content, indent=1, sort_keys=True).encode())


def directory_of(environment: Environment) -> Path:
    """Where the catalogues, and the minutes of restore tests, of an environment lie."""
    return environment.store_directory / "backup"


def catalogue_of(environment: Environment, host: str) -> Catalogue:
    """What is known of the archives of a host; raises PasInfraError when it cannot be read."""
    file = directory_of(environment) / f"{host}.json"
    if not file.exists():
        return Catalogue(file, [])
    try:
        content = json.loads(file.read_text("utf-8"))
        asked = content.get("asked")
        return Catalogue(
            file,
            [Entry.from_data(one) for one in content["entries"]],
            content["checks"],
            content.get("pruned", {}),
            content.get("crowded", []),
            datetime.fromisoformat(asked) if asked else None,
        )
    except (ValueError, LookupError, TypeError) as error:
        raise PasInfraError(
            f"this is no catalogue of backups any more: {error}",
            where=file,
            next_step="bring it back from a copy: it is what a changed archive is told by",
        ) from error
