"""The morning of an environment: every subject, every host, every chapter, and what it comes to."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.catalogue import Catalogue, load_catalogue
from orchestrator.environment import Environment
from orchestrator.errors import ConfigurationInvalid, PasInfraError, refusal
from orchestrator.exit_codes import ExitCode
from orchestrator.measures import view_checks
from orchestrator.paths import project_root
from orchestrator.records import HostDrift, MeasureState
from orchestrator.report.standing import Standing, last_whole_runs, standings, unseen
from orchestrator.status import kept, recorded
from orchestrator.status.material import Material
from orchestrator.status.measures import ChapterState, by_chapter, measures, of_host
from orchestrator.status.subject import Level, Point, Subject, worst
from orchestrator.store import Store

# The last ones are what reading makes of a record that is none.
_FAULTS = (PasInfraError, OSError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class HostState:
    """A host: its measures, when a run last looked at all of its checks, its last look of drift."""

    name: str
    counts: Mapping[MeasureState, int]
    whole: datetime | None
    drift: HostDrift | None


@dataclass(frozen=True)
class Status:
    """All of it; `subjects` are the worst first."""

    environment: str
    now: datetime
    subjects: tuple[Subject, ...]
    hosts: tuple[HostState, ...]
    chapters: tuple[ChapterState, ...]

    @property
    def level(self) -> Level:
        """The worst of all subjects."""
        return worst([one.level for one in self.subjects])

    @property
    def exit_code(self) -> ExitCode:
        """What is not known outweighs what was found: it may be worse."""
        levels = {point.level for one in self.subjects for point in one.points}
        levels |= {one.level for one in self.subjects}
        if not self.subjects or Level.UNKNOWN in levels:
            return ExitCode.INCOMPLETE
        return ExitCode.OK if levels == {Level.OK} else ExitCode.FINDINGS


def status_of(environment: Environment, *, max_age: timedelta, now: datetime) -> Status:
    """The state of an environment; what a run looked at longer ago than `max_age` is not known.

    No host is asked and nothing is made, not even a store. What cannot be read is a subject of
    which nothing is known, and hides no other.
    """
    store = _store_of(environment)
    with store if isinstance(store, Store) else nullcontext():
        material = Material(environment, store, max_age, now)
        catalogue = load_catalogue()
        measured, found, whole = _measured(material, catalogue)
        drifted = _drifted(material)
        subjects = [
            measured,
            _subject("drift", "pas-infra drift", recorded.drift, material),
            _subject("backups", "pas-infra backup status", kept.backups, material),
            _subject("restore tests", "pas-infra backup test", recorded.restore_tests, material),
            _subject("certificates", "pas-infra certs", kept.certificates, material),
            _subject("vulnerabilities", "pas-infra vulns", recorded.vulnerabilities, material),
            _subject("inventory", "pas-infra inventory", recorded.inventory, material),
            *_registers(material),
            kept.waivers(material),
            _subject("offboardings", "pas-infra client list", kept.offboardings, material),
        ]
    return Status(
        environment.name,
        now,
        tuple(sorted(subjects, key=lambda one: -one.level.rank)),
        tuple(
            HostState(name, of_host(name, found), whole.get(name), drifted.get(name))
            for name in material.hosts
        ),
        by_chapter(found, catalogue),
    )


def _store_of(environment: Environment) -> Store | PasInfraError | None:
    """The store, or why it cannot be read; None where there is none: to look makes none."""
    try:
        if not Store.lies_in(environment.store_directory):
            return None
        return Store.open(environment.store_directory, environment.name)
    except PasInfraError as error:
        return error
    except OSError as error:
        return refusal(error)


def _subject(
    name: str, next_step: str, ask: Callable[[Material], Subject], material: Material
) -> Subject:
    """What is to be said of a subject, or that it cannot be read and what shows why."""
    try:
        return ask(material)
    except _FAULTS as error:
        return Subject(name, (_why(error, next_step, material),))


def _registers(material: Material) -> tuple[Subject, ...]:
    """The two subjects that the registers are read once for."""
    try:
        return kept.registers(material)
    except _FAULTS as error:
        why = _why(error, "pas-infra register check", material)
        return Subject("registers", (why,)), Subject("access reviews", (why,))


def _why(error: Exception, next_step: str, material: Material) -> Point:
    if isinstance(error, ConfigurationInvalid):
        first = error.problems[0]
        return Point(Level.UNKNOWN, f"{first.where}: {first.what}", next_step=next_step)
    if isinstance(error, OSError) and error.filename:
        what = f"{refusal(error).what}: {error.filename}"
        return Point(Level.UNKNOWN, what, next_step=next_step)
    if not isinstance(error, PasInfraError):
        what = f"a record cannot be read: {error!r}"
        return Point(Level.UNKNOWN, what, next_step="pas-infra history")
    # What is wrong with the store stands in full where the history is asked for.
    damaged = error is material.store
    return Point(Level.UNKNOWN, error.what, next_step="pas-infra history" if damaged else next_step)


def _measured(
    material: Material, catalogue: Catalogue
) -> tuple[Subject, Sequence[Standing], Mapping[str, datetime]]:
    """Where the measures stand, and when all of each host was last looked at.

    Where that cannot be told, every one of them is unmeasured.
    """
    views, environment = view_checks(catalogue, project_root()), material.environment
    try:
        store = material.opened()
        found = standings(views, environment, store, max_age=material.max_age, now=material.now)
        whole = {
            name: datetime.fromisoformat(store.run(run).started)
            for name, run in last_whole_runs(store, environment).items()
        }
    except _FAULTS as error:
        why = Subject("measures", (_why(error, "pas-infra verify", material),))
        return why, unseen(views, environment), {}
    known = min(whole.values()) if set(material.hosts) <= set(whole) else None
    return measures(found, material, known), found, whole


def _drifted(material: Material) -> dict[str, HostDrift]:
    try:
        return {host: seen for host, (_, seen) in recorded.last_drift(material).items()}
    except _FAULTS:
        return {}  # the subject says why
