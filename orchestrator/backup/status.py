"""How the backups are: what the sources say, what the target holds, and what was known before."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.backup import escrow
from orchestrator.backup.entries import Entry, catalogue_of
from orchestrator.backup.repositories import Line, Repository, lines_to
from orchestrator.engine import Question, ask, printable
from orchestrator.environment import Environment
from orchestrator.exit_codes import ExitCode

_MUCH_SMALLER = 0.5  # of what the archive before held
_CLOCKS_DIFFER = timedelta(hours=1)
_CHECKED = timedelta(days=35)  # how long a look for damage holds
_ENTRIES = "sudo -n sh -c 'cat /var/lib/pas-infra/backup/catalogue/*.jsonl 2>/dev/null || :'"
# What the target sees of each repository without a key: when it was last written, its size, and
# the copies of root's own.
_HELD = """\
import json, os
from pathlib import Path
found = {}
for file in Path("/etc/pas-infra/backup-target").glob("*.json"):
    asked = json.loads(file.read_text())
    kept = sorted(one.name for one in Path(asked["kept"]).glob("2*"))
    for name in asked["repositories"]:
        files = [one.lstat() for one in (Path(asked["place"]) / name / "data").rglob("*")]
        found[file.stem + "/" + name] = {
            "written": max((one.st_mtime for one in files), default=0),
            "size": sum(one.st_blocks * 512 for one in files),
            "kept": kept,
        }
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Held:
    """What the target holds of a repository; `size` in bytes, `kept` are root's copies."""

    written: datetime
    size: int
    kept: tuple[str, ...]


@dataclass(frozen=True)
class BackupState:
    """One repository: its archives by the catalogue, what the target holds, and its last check.

    `otherwise` are archives of which the source now says something else than it did at their time.
    """

    repository: Repository
    entries: tuple[Entry, ...]
    held: Held | None
    has_key: bool
    checked: Mapping[str, Any] | None = None
    otherwise: tuple[str, ...] = ()

    def faults(self, now: datetime, oldest: timedelta) -> tuple[str, ...]:
        """What somebody has to look at, one sentence each."""
        known = self.known_faults(now, oldest)
        if not self.entries:
            return known
        last = self.entries[-1]
        sentences = {
            "the target holds nothing of it": self.held is None,
            "root's last copy at the target is older than the last archive": self.held
            and (not self.held.kept or _of_copy(self.held.kept[-1]) < last.moment),
            "the target has not written it since its last archive began": self.held
            and self.held.written < last.moment - timedelta(hours=1),
            f"the source now says otherwise of {', '.join(self.otherwise)}": self.otherwise,
        }
        return (*known, *(sentence for sentence, holds in sentences.items() if holds))

    def known_faults(self, now: datetime, oldest: timedelta) -> tuple[str, ...]:
        """Those that the catalogue shows by itself, whatever source and target would say now."""
        if not self.entries:
            return (f"no archive: pas-infra backup run --host {self.repository.host}",)
        last, before = self.entries[-1], self.entries[-2] if len(self.entries) > 1 else None
        age = now - last.moment
        smaller = before and last.size < _MUCH_SMALLER * before.size
        sentences = {
            f"the last archive is {age.total_seconds() / 3600:.0f} h old": age > oldest,
            # It would be the last one, and never too old, until that day.
            f"the source says that its last archive is of {last.ended}": age < -_CLOCKS_DIFFER,
            f"the last archive lacks {len(last.missing)} files, such as "
            f"{printable((last.missing or ('',))[0])}": last.missing,
            f"the last archive holds {last.size} bytes, the one before {before.size}"
            if before
            else "": smaller,
            "its key is not in escrow": not self.has_key,
            f"its last check found damage: {'; '.join((self.checked or {}).get('damaged', ()))}": (
                self.checked and self.checked["damaged"]
            ),
            "it was never looked through for damage: pas-infra backup check": not self.checked,
            f"it was not looked through for damage for {_CHECKED.days} days: pas-infra backup check"
            "": self.checked and now - datetime.fromisoformat(self.checked["at"]) > _CHECKED,
        }
        return tuple(sentence for sentence, holds in sentences.items() if holds)


@dataclass(frozen=True)
class BackupStatus:
    """Every repository with its faults, and the hosts that could not be asked."""

    states: tuple[BackupState, ...]
    faults: Mapping[str, tuple[str, ...]]
    missing: Mapping[str, str]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        if self.missing:
            return ExitCode.INCOMPLETE
        return ExitCode.FINDINGS if any(self.faults.values()) else ExitCode.OK


def status(environment: Environment, chosen: Sequence[Repository], now: datetime) -> BackupStatus:
    """Ask sources and target, and take into the catalogue what is new."""
    sources = sorted({one.host for one in chosen})
    lines = lines_to(environment, sources)
    said, missing = registers_of(lines.values())
    held, silent = ask(
        {line.target.host: line.target for line in lines.values()}.values(),
        Question("its repositories", "sudo -n python3 -I -", _read_held, script=_HELD),
    )
    there = {name: one for found in held.values() for name, one in found.items()}
    states, faults = [], {}
    for host in sources:
        catalogue = catalogue_of(environment, host)
        otherwise = catalogue.remember(said.get(host, ()))
        if said.get(host):
            catalogue.asked = now
            catalogue.save()
        for one in (each for each in chosen if each.host == host):
            state = BackupState(
                one,
                tuple(catalogue.of(one.name)),
                there.get(str(one)),
                escrow.holds(environment, one),
                catalogue.checks.get(one.name),
                tuple(each for each in otherwise if each.startswith(f"{one.name}::")),
            )
            states.append(state)
            faults[str(one)] = state.faults(now, lines[host].oldest)
    return BackupStatus(tuple(states), faults, {**missing, **silent})


def registers_of(lines: Iterable[Line]) -> tuple[dict[str, list[Entry]], dict[str, str]]:
    """What each source has registered of its backups, nightly ones too; why one says nothing."""
    return ask([line.source for line in lines], Question("its backups", _ENTRIES, _read_entries))


def _read_entries(text: str) -> list[Entry]:
    return [Entry.from_data(json.loads(line)) for line in text.splitlines() if line.strip()]


def _read_held(text: str) -> dict[str, Held]:
    return {
        name: Held(
            datetime.fromtimestamp(one["written"], UTC), int(one["size"]), tuple(one["kept"])
        )
        for name, one in json.loads(text).items()
    }


def _of_copy(name: str) -> datetime:
    return datetime.strptime(name, "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)
