"""What the looks of an environment have found: over time, now, and of one finding."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.errors import PasInfraError
from orchestrator.records import HostDrift, Run, Sighting
from orchestrator.store import Store

_IDENTITY = re.compile(r"[0-9a-f]{4,12}")
_LOST = "?"


@dataclass(frozen=True)
class Look:
    """One run of drift, and what it says of its hosts; nothing of a run that did not end."""

    run: Run
    hosts: tuple[HostDrift, ...]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that it was narrowed down to, if it was."""
        named = self.run.options.get("roles")
        return tuple(map(str, named)) if isinstance(named, list) else ()


@dataclass(frozen=True)
class Known:
    """A finding as it was seen last, the runs that saw it (newest first), and if it is open."""

    sighting: Sighting
    runs: tuple[int, ...]
    open: bool


def looks(store: Store, *, limit: int, now: datetime) -> tuple[Look, ...]:
    """The latest runs of drift, newest first; those whose process has died are marked first."""
    store.mark_broken(now)
    return read_looks(store, limit=limit)


def was_looked_at(store: Store) -> bool:
    """Whether anybody has ever looked, quickly or wholly: without, no finding says nothing."""
    return any(store.runs(1, command) for command in ("drift", "drift quick"))


def read_looks(store: Store, *, limit: int) -> tuple[Look, ...]:
    """The same without a word on those that have died: the store stays as it is."""
    runs = store.runs(limit, "drift")
    hosts = store.drift.hosts([run.id for run in runs])
    return tuple(Look(run, tuple(hosts[run.id])) for run in runs)


def last_by_host(found: Sequence[Look]) -> dict[str, tuple[Run, HostDrift]]:
    """The last look at all roles of each host, and its run; `found` are newest first."""
    last: dict[str, tuple[Run, HostDrift]] = {}
    for one in found:
        for host in one.hosts if not one.roles else ():
            last.setdefault(host.host, (one.run, host))
    return last


def trend(found: Sequence[Look]) -> dict[str, list[str]]:
    """By host, how many findings each look had, oldest first; `?` for one that is incomplete.

    Looks at some roles only are left out: they would show a fall where nobody looked.
    """
    found = [one for one in found if not one.roles]
    hosts = dict.fromkeys(host.host for one in found for host in one.hosts)
    return {
        name: [
            str(host.findings) if host.complete else _LOST
            for one in reversed(found)
            for host in one.hosts
            if host.host == name
        ]
        for name in sorted(hosts)
    }


def find(store: Store, identity: str) -> Known:
    """A finding by its identity, or the beginning of it.

    Raises PasInfraError when there is none, or several begin so.
    """
    seen = store.drift.sightings(identity) if _IDENTITY.fullmatch(identity) else []
    meant = dict.fromkeys(one.identity for _, one in seen)
    if len(meant) != 1:
        raise PasInfraError(
            f"`{identity}` begins several findings: {', '.join(meant)}"
            if meant
            else f"no run of drift has found `{identity}`",
            where=store.path,
            next_step="name one of those that `pas-infra drift show` lists",
        )
    newest = seen[0][1]
    still = any(one.identity == newest.identity for one in store.drift.open())
    return Known(newest, tuple(run_id for run_id, _ in seen), still)
