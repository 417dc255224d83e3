"""The subjects that runs have left in the store: drift, restore tests, what is open or there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator.backup.repositories import declared_repositories
from orchestrator.backup.restore_test import last_tests
from orchestrator.drift.finding import Severity
from orchestrator.drift.memory import last_by_host, read_looks
from orchestrator.inventory.take import COMMAND as INVENTORY
from orchestrator.records import HostDrift, Run, RunStatus, Sighting
from orchestrator.status.material import Material
from orchestrator.status.subject import Level, Point, Subject, age, is_recent
from orchestrator.vulnerabilities.decisions import current_decisions, overdue
from orchestrator.vulnerabilities.watch import last_complete

NIGHTLY = timedelta(hours=26)  # a night and what it may take longer than the one before
MONTHLY = timedelta(days=35)
# What is declared nowhere is neither well nor broken, and no hole is green.
NOTHING_DECLARED = Point(
    Level.UNKNOWN, "no data set is declared", next_step="pas-infra backup status"
)
_LOOKS = 100  # the newest, among which the last one of each host is searched


def last_drift(material: Material) -> dict[str, tuple[Run, HostDrift]]:
    """The last look at each host; raises PasInfraError where the store cannot be read."""
    return last_by_host(read_looks(material.opened(), limit=_LOOKS))


def drift(material: Material) -> Subject:
    """What each host has become, by its last look at all roles."""
    last = last_drift(material)
    unaccepted = [
        one
        for one in material.opened().drift.open()
        if not one.accepted_until or one.accepted_until < material.today.isoformat()
    ]
    points = [
        point
        for host in material.hosts
        for point in _drift_of(host, last.get(host), unaccepted, material.now)
    ]
    if all(one.level is Level.OK for one in points):
        seen = min(drifted.coverage for _, drifted in last.values())
        points = [Point(Level.OK, f"none on {len(points)} hosts, {int(seen)} % seen"), *points]
    return Subject("drift", tuple(points), _oldest(last[host][0] for host in last))


def restore_tests(material: Material) -> Subject:
    """The last test of each data set that came to its end."""
    found, points, runs = last_tests(material.opened()), [], []
    for name in map(str, declared_repositories(material.environment)):
        again = f"pas-infra backup test --set {name}"
        if name not in found:
            points.append(Point(Level.UNKNOWN, "never tested", name, "pas-infra backup test"))
            continue
        last = found[name]
        runs.append(last.run)
        ago = age(_ended(last.run), material.now)
        if not last.passed:
            points.append(Point(Level.ALARM, f"failed {ago} ago: {last.what}", name, again))
        elif not is_recent(_ended(last.run), material.now, MONTHLY):
            points.append(Point(Level.ATTENTION, f"last tested {ago} ago", name, again))
        else:
            points.append(Point(Level.OK, f"passed {ago} ago", name))
    known = _oldest(runs)
    if known and all(one.level is Level.OK for one in points):
        whole = f"{len(points)} data sets passed, within {age(known, material.now)}"
        points = [Point(Level.OK, whole), *points]
    return Subject("restore tests", tuple(points) or (NOTHING_DECLARED,), known)


def vulnerabilities(material: Material) -> Subject:
    """What the last watch over all hosts found, and decisions whose last day has passed."""
    environment, again = material.environment, "pas-infra vulns"
    last = last_complete(material.opened(), environment)
    late = [
        Point(
            Level.ATTENTION,
            f"the decision ended on {one.until}",
            f"{one.cve} on {one.host}",
            f"pas-infra vulns decide {one.cve}",
        )
        for one in overdue(current_decisions(environment.directory), material.today)
    ]
    if last is None:
        never = Point(Level.UNKNOWN, "nobody has looked at every host", next_step=again)
        return Subject("vulnerabilities", (never, *late))
    ago = age(_ended(last), material.now)
    found = Point(
        Level.ATTENTION if last.status is RunStatus.FINDINGS else Level.OK,
        f"{last.message} ({ago} ago)",
        next_step=again if last.status is RunStatus.FINDINGS else "",
    )
    stale = Point(Level.UNKNOWN, f"the last whole look is {ago} old", next_step=again)
    recent = is_recent(_ended(last), material.now, environment.vulnerability_data.max_age)
    points = (found,) if recent else (stale, found)
    return Subject("vulnerabilities", (*points, *late), _ended(last))


def inventory(material: Material) -> Subject:
    """The last inventory of each host, however it ended: one that saw less says so."""
    last, points = _last_inventories(material), list[Point]()
    never = [host for host in material.hosts if host not in last]
    if never:
        what, about = "nobody has taken one", _about(never, material)
        points.append(Point(Level.UNKNOWN, what, about, "pas-infra inventory"))
    runs = {run.id: run for run in last.values()}
    for run in runs.values():
        about = _about([host for host in material.hosts if last.get(host) == run], material)
        points += _inventory_of(run, about, material.now)
    return Subject("inventory", tuple(points), _oldest(runs.values()))


def _last_inventories(material: Material) -> Mapping[str, Run]:
    """The newest that was to look at each host; of one that has not ended nothing is known yet."""
    last: dict[str, Run] = {}
    for run in material.opened().runs(_LOOKS, INVENTORY):
        hosts = run.options.get("hosts")
        if run.status is not RunStatus.RUNNING and isinstance(hosts, list):
            last |= {host: run for host in hosts if host in material.hosts and host not in last}
    return last


def _inventory_of(run: Run, about: str, now: datetime) -> Iterator[Point]:
    again, ago = "pas-infra inventory", age(_ended(run), now)
    if not is_recent(_ended(run), now, NIGHTLY):
        yield Point(Level.UNKNOWN, f"the last one is {ago} old", about, again)
    if run.status is RunStatus.OK:
        yield Point(Level.OK, f"{run.message} ({ago} ago)", about)
        return
    # How much there is comes first in its message, and leaves no room for what matters.
    counts, _, matters = run.message.partition("; ")
    said = f"{matters or counts} ({ago} ago)"
    if run.status is RunStatus.FINDINGS:
        yield Point(Level.ALARM, said, about, again)
    else:
        yield Point(Level.UNKNOWN, f"{run.status}: {said}", about, again)


def _about(hosts: Sequence[str], material: Material) -> str:
    """Some hosts by name; all of them are the whole."""
    return "" if len(hosts) == len(material.hosts) else ", ".join(hosts)


def _drift_of(
    host: str,
    last: tuple[Run, HostDrift] | None,
    unaccepted: Iterable[Sighting],
    now: datetime,
) -> Iterator[Point]:
    again = "pas-infra drift"
    if last is None:
        yield Point(Level.UNKNOWN, "nobody has looked", host, again)
        return
    run, seen = last
    if not is_recent(_ended(run), now, NIGHTLY):
        yield Point(Level.UNKNOWN, f"the last look is {age(_ended(run), now)} old", host, again)
    if not seen.complete:
        why = seen.why[0].partition("\n")[0] if seen.why else "not everything could be seen"
        yield Point(Level.UNKNOWN, f"incomplete: {why}", host, again)
    mine = [one for one in unaccepted if one.host == host]
    if mine:
        grave = any(one.severity >= Severity.HIGH for one in mine)
        yield Point(
            Level.ALARM if grave else Level.ATTENTION,
            f"{len(mine)} found, {sum(one.new for one in mine)} new",
            host,
            "pas-infra drift show",
        )
    elif seen.complete and is_recent(_ended(run), now, NIGHTLY):
        yield Point(Level.OK, f"none {age(_ended(run), now)} ago", host)


def _ended(run: Run) -> datetime:
    return datetime.fromisoformat(run.ended or run.started)


def _oldest(runs: Iterable[Run]) -> datetime | None:
    return min(map(_ended, runs), default=None)
