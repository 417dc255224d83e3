"""The subjects that lie beside the store or in the environment itself."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from orchestrator.access.review import REGISTER as ACCESS_REVIEWS
from orchestrator.access.review import next_due
from orchestrator.backup.known import KnownBackup, known_backups
from orchestrator.certificates import WARN_DAYS
from orchestrator.certificates.memory import SeenHost, last_seen
from orchestrator.offboardings import Journal, unfinished
from orchestrator.registers.facts import facts_of
from orchestrator.registers.judge import RegisterState, states
from orchestrator.status.material import Material
from orchestrator.status.recorded import NOTHING_DECLARED
from orchestrator.status.subject import Level, Point, Subject, age, is_recent, named

SOON = timedelta(days=30)


def backups(material: Material) -> Subject:
    """The last archive of each data set that this control node knows of."""
    found, unasked = known_backups(material.environment, material.now)
    points = [
        Point(Level.UNKNOWN, "nobody has asked", str(one), "pas-infra backup status")
        for repositories in unasked.values()
        for one in repositories
    ]
    points += [point for one in found for point in _backup(one, material.now)]
    moments = [one.state.entries[-1].moment for one in found if one.state.entries]
    known = min(moments, default=None)
    if known and all(one.level is Level.OK for one in points):
        whole = f"{len(points)} data sets, within {age(known, material.now)}"
        points = [Point(Level.OK, whole), *points]
    return Subject("backups", tuple(points) or (NOTHING_DECLARED,), known)


def certificates(material: Material) -> Subject:
    """When the certificates of each host end, by the last look at them."""
    seen = last_seen(material.environment)
    points = [
        point for host in material.hosts for point in _certificates(host, seen.get(host), material)
    ]
    ends = [
        (one.ends, host, one.subject or one.place)
        for host in material.hosts
        if host in seen
        for one in seen[host].certificates
    ]
    if ends and all(point.level is Level.OK for point in points):
        end, host, subject = min(ends)
        points = [Point(Level.OK, f"the first ends on {end:%Y-%m-%d} ({host}, {subject})"), *points]
    moments = [seen[host].at for host in material.hosts if host in seen]
    return Subject("certificates", tuple(points), min(moments, default=None))


def registers(material: Material) -> tuple[Subject, Subject]:
    """The registers, that of the access reviews apart, with what is overdue, missing or wrong."""
    facts = facts_of(material.environment, material.now)
    found = {one.register.definition.name: one for one in states(facts)}
    reviews = found.pop(ACCESS_REVIEWS)
    due = next_due([one.data for one in reviews.standing_entries])
    # Judged on the day that the environment declares, if it does: so say it.
    as_of = material.environment.registers_as_of
    note = f", as of {as_of}" if as_of else ""
    check = "pas-infra register check"
    wrong = [point for name, one in found.items() for point in _register(one, check, about=name)]
    missed = _register(reviews, "pas-infra access review", about="")
    sound = Point(Level.OK, f"nothing is overdue in {len(found)} registers{note}")
    reviewed = Point(Level.OK, f"the next one is due by {due}{note}")
    return (
        Subject("registers", tuple(wrong) or (sound,), material.now),
        Subject("access reviews", tuple(missed) or (reviewed,), material.now),
    )


def waivers(material: Material) -> Subject:
    """The waivers that have ended, or will soon."""
    declared, points = material.environment.waivers, []
    file = material.environment.directory / "waivers.yml"
    for one in sorted(declared, key=lambda waiver: waiver.until):
        if one.until < material.today:
            points.append(Point(Level.ALARM, f"ended on {one.until}", one.rule, f"$EDITOR {file}"))
        elif one.until - material.today <= SOON:
            points.append(
                Point(Level.ATTENTION, f"ends on {one.until}", one.rule, f"$EDITOR {file}")
            )
    sound = Point(Level.OK, f"{len(declared)}, none ends within {SOON.days} days")
    return Subject("waivers", tuple(points) or (sound,), material.now)


def offboardings(material: Material) -> Subject:
    """The clients whose data should be gone and is not, and erasures that have not ended."""
    begun = unfinished(material.environment)
    points = [_offboarding(name, journal, material.now) for name, journal in begun.items()]
    points += [
        Point(
            Level.ATTENTION,
            f"to be erased since {client.erasable_from}",
            client.name,
            f"pas-infra client offboard {client.name}",
        )
        for client in material.environment.clients
        if client.erasable_from
        and client.erasable_from <= material.today
        and Journal.found(material.environment, client.name) is None
    ]
    return Subject(
        "offboardings", tuple(points) or (Point(Level.OK, "none is open"),), material.now
    )


def _backup(one: KnownBackup, now: datetime) -> Iterator[Point]:
    name, host = str(one.repository), one.repository.host
    if one.missing:
        yield Point(Level.ALARM, "no archive", name, f"pas-infra backup run --host {host}")
        return
    if one.stale:
        # In time when it was last heard of: what the nights since have made is not known here.
        what = f"nobody has asked for {age(one.asked, now)}" if one.asked else "nobody has asked"
        yield Point(Level.UNKNOWN, what, name, "pas-infra backup status")
    damaged = one.state.checked and one.state.checked["damaged"]
    for fault in one.faults:
        what, _, command = fault.partition(": pas-infra ")
        yield Point(
            Level.ALARM if one.late or damaged else Level.ATTENTION,
            what,
            name,
            f"pas-infra {command}" if command else "pas-infra backup status",
        )
    if not one.faults:
        yield Point(Level.OK, f"last archive {age(one.state.entries[-1].moment, now)} ago", name)


def _certificates(host: str, seen: SeenHost | None, material: Material) -> Iterator[Point]:
    again = "pas-infra certs"
    if seen is None:
        yield Point(Level.UNKNOWN, "nobody has looked", host, again)
        return
    if not is_recent(seen.at, material.now, material.max_age):
        what = f"the last look is {age(seen.at, material.now)} old"
        yield Point(Level.UNKNOWN, what, host, again)
    ended = [one for one in seen.certificates if one.ends <= material.now]
    soon = [
        one
        for one in seen.certificates
        if one not in ended and (one.faults or one.ends - material.now < timedelta(days=WARN_DAYS))
    ]
    if ended:
        names = named([one.subject or one.place for one in ended])
        yield Point(Level.ALARM, f"{len(ended)} have ended: {names}", host, again)
    if soon:
        first = min(soon, key=lambda one: one.ends)
        what = f"{len(soon)} end soon or are faulty: {first.subject}, {first.ends:%Y-%m-%d}"
        yield Point(Level.ATTENTION, what, host, again)
    if not ended and not soon and is_recent(seen.at, material.now, material.max_age):
        yield Point(Level.OK, f"{len(seen.certificates)} are sound", host)


def _register(one: RegisterState, command: str, *, about: str) -> Iterator[Point]:
    yield from (Point(Level.ATTENTION, finding.what, about, command) for finding in one.findings)


def _offboarding(name: str, journal: Journal, now: datetime) -> Point:
    since = min((step["at"] for step in journal.steps.values()), default=None)
    ago = f"begun {age(datetime.fromisoformat(since), now)} ago, " if since else ""
    return Point(
        Level.ATTENTION, f"{ago}no certificate yet", name, f"pas-infra client offboard {name}"
    )
