"""The watch (7.6.1): what is open on the hosts now, by data of a known age, recorded as a run."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from orchestrator import runs
from orchestrator.engine import connections
from orchestrator.environment import Environment
from orchestrator.environment.writing import replace_text
from orchestrator.exit_codes import ExitCode
from orchestrator.records import Run, RunStatus
from orchestrator.runs import recorded
from orchestrator.selection import Selection
from orchestrator.store import Store
from orchestrator.vulnerabilities.decisions import Decision, current_decisions, overdue
from orchestrator.vulnerabilities.exposure import Exposure, exposures, reaches
from orchestrator.vulnerabilities.fetch import Origin, fetch, read_file
from orchestrator.vulnerabilities.installed import Source, installed_on
from orchestrator.vulnerabilities.tracker import Advisory, read_advisories

COMMAND = "vulns"
LEAST = "low"  # severity of what has to be decided on
_SEEN = "first_seen.json"

Advisories = Mapping[str, tuple[Advisory, ...]]


@dataclass(frozen=True)
class Watch:
    """What was seen: `missing` names the hosts of which nothing can be said, and why.

    `packages` counts the source packages of each host; `exposures` leaves out what is less grave
    than asked for, which `hidden` counts.
    """

    exposures: tuple[Exposure, ...]
    hidden: int
    packages: Mapping[str, int]
    missing: Mapping[str, str]
    overdue: tuple[Decision, ...]
    data: Origin
    age: timedelta
    oldest: timedelta
    today: date

    @property
    def too_old(self) -> bool:
        """Whether the data may miss what has been known for long."""
        return self.age > self.oldest

    @property
    def undecided(self) -> tuple[Exposure, ...]:
        """What is open and nobody has decided on, or no longer."""
        return tuple(one for one in self.exposures if not one.decided(self.today))

    @property
    def status(self) -> RunStatus:
        """How the run is recorded: what was not seen outweighs what was found."""
        if self.missing or self.too_old:
            return RunStatus.INCOMPLETE
        return RunStatus.FINDINGS if self.undecided or self.overdue else RunStatus.OK

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return self.status.exit_code

    @property
    def summary(self) -> str:
        """One line: how many are open, of them undecided, and what could not be seen."""
        decided = len(self.exposures) - len(self.undecided)
        said = [f"{len(self.exposures)} open on {len(self.packages)} hosts, {decided} decided on"]
        if self.overdue:
            said.append(f"{len(self.overdue)} decisions are overdue")
        if self.too_old:
            said.append(f"the data is {in_words(self.age)} old")
        return "; ".join([*said, *(f"{host}: {why}" for host, why in self.missing.items())])


def watch_and_record(
    environment: Environment,
    selection: Selection,
    *,
    data: Path | None,
    least: str,
    now: datetime,
) -> Watch:
    """Look at hosts and data, as a run of its own; `data` is a file in place of the tracker.

    Raises Incomplete when there is no data that can be read.
    """
    options = {"hosts": selection.hosts, "data": data, "min_severity": least}
    directory = environment.store_directory / "vulnerabilities"
    with recorded(environment, COMMAND, options) as run:
        directory.mkdir(mode=0o700, exist_ok=True)
        installed, missing = installed_on(connections(environment, selection.hosts))
        packages = {source.package for sources in installed.values() for source in sources}

        def read(text: str) -> Advisories:
            return read_advisories(text, packages)

        advisories, origin = _data(environment, data, directory, read, now)
        decisions = current_decisions(environment.directory)
        today = now.astimezone().date()
        found = _seen(directory / _SEEN, installed, advisories, decisions, today)
        shown = tuple(one for one in found if reaches(one.severity, least))
        watch = Watch(
            exposures=shown,
            hidden=len(found) - len(shown),
            packages={host: len(sources) for host, sources in installed.items()},
            missing=missing,
            overdue=tuple(one for one in overdue(decisions, today) if one.host in selection.hosts),
            data=origin,
            age=now - origin.made,
            oldest=environment.vulnerability_data.max_age,
            today=today,
        )
        run.end_with(watch.status, watch.summary)
    return watch


def last_complete_watch(environment: Environment) -> Run | None:
    """The last run that saw all of every host of the environment by data that was not too old."""
    if not environment.store_directory.exists():
        return None
    with Store.open(environment.store_directory, environment.name) as store:
        return last_complete(store, environment)


def last_complete(store: Store, environment: Environment) -> Run | None:
    """The same, of a store that is open."""
    hosts = {host.name for host in environment.hosts}
    return runs.last_complete(store, COMMAND, hosts, counts=shows_all)


def shows_all(run: Run) -> bool:
    """Whether a run left out nothing that has to be decided on: what is not shown is not judged."""
    return reaches(LEAST, str(run.options.get("min_severity", LEAST)))


def in_words(time: timedelta) -> str:
    """A time as one says it: `3 hours`, `5 days`."""
    hours = time / timedelta(hours=1)
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"


def _data(
    environment: Environment,
    file: Path | None,
    directory: Path,
    read: Callable[[str], Advisories],
    now: datetime,
) -> tuple[Advisories, Origin]:
    if file is not None:
        return read_file(file, read)
    return fetch(environment.vulnerability_data.url, directory, read, now=now)


def _seen(
    memory: Path,
    installed: Mapping[str, frozenset[Source]],
    advisories: Advisories,
    decisions: Mapping[tuple[str, str], Decision],
    today: date,
) -> list[Exposure]:
    """What is open, and remembers since when; what is closed is forgotten, unseen hosts are not."""
    first_seen: dict[str, dict[str, str]] = {}
    if memory.exists():
        first_seen = json.loads(memory.read_text("utf-8"))
    found = exposures(installed, advisories, decisions, first_seen, today)
    first_seen |= {host: {} for host in installed}
    for one in found:
        first_seen[one.host][f"{one.cve} {one.package}"] = one.first_seen.isoformat()
    replace_text(memory, json.dumps(first_seen, indent=1))
    return found
