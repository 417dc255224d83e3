"""How the backups are as far as this control node knows, without asking anybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.backup import escrow
from orchestrator.backup.entries import Catalogue, catalogue_of
from orchestrator.backup.repositories import Repository, declared_oldest, declared_repositories
from orchestrator.backup.status import BackupState
from orchestrator.environment import Environment


@dataclass(frozen=True)
class KnownBackup:
    """One repository by the catalogue, whose source was last asked at `asked`, if that is known.

    `missing` says that there is no archive of it, `late` that its last one was older than it may be
    when the source was asked, `stale` that it is so since, and a newer one may have been made;
    `crowded` that the target has made no room yet for what a prune dropped. `faults` are sentences
    about these and others.
    """

    state: BackupState
    asked: datetime | None
    missing: bool
    late: bool
    stale: bool
    crowded: bool
    faults: tuple[str, ...]

    @property
    def repository(self) -> Repository:
        """The repository."""
        return self.state.repository


def known_backups(
    environment: Environment, now: datetime
) -> tuple[tuple[KnownBackup, ...], Mapping[str, tuple[Repository, ...]]]:
    """What the catalogues say of each declared repository, and those without one, by host.

    Nobody has asked the latter's hosts yet. What a night has made since the sources were asked last
    is not known here. Raises PasInfraError for a catalogue that cannot be read.
    """
    found: list[KnownBackup] = []
    unasked: dict[str, tuple[Repository, ...]] = {}
    declared = declared_repositories(environment)
    for host in dict.fromkeys(one.host for one in declared):
        mine = tuple(one for one in declared if one.host == host)
        catalogue = catalogue_of(environment, host)
        if not catalogue.file.exists():
            unasked[host] = mine
            continue
        oldest = declared_oldest(environment, host)
        for one in mine:
            state = BackupState(
                one,
                tuple(catalogue.of(one.name)),
                held=None,
                has_key=escrow.holds(environment, one),
                checked=catalogue.checks.get(one.name),
            )
            found.append(_known(state, catalogue, now, oldest))
    return tuple(found), unasked


def _known(
    state: BackupState, catalogue: Catalogue, now: datetime, oldest: timedelta
) -> KnownBackup:
    crowded = state.repository.name in catalogue.crowded
    room = ("the target has made no room yet: pas-infra backup prune",) if crowded else ()
    too_old = bool(state.entries) and now - state.entries[-1].moment > oldest
    asked = catalogue.asked
    late = too_old and asked is not None and asked - state.entries[-1].moment > oldest
    return KnownBackup(
        state,
        asked,
        missing=not state.entries,
        late=late,
        stale=too_old and not late,
        crowded=crowded,
        faults=(*state.known_faults(now, oldest), *room),
    )
