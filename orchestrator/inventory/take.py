"""An inventory: the hosts asked, compared with the last one and with what is declared, recorded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import chain

from orchestrator.drift.finding import Finding
from orchestrator.engine import connections, variables
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.inventory.collect import collect
from orchestrator.inventory.differences import Change, Difference, differences
from orchestrator.inventory.equipment import Equipment, read_as
from orchestrator.inventory.unknown import accepting, declared_of, unknown_equipment
from orchestrator.records import RunStatus
from orchestrator.runs import last_complete, recorded
from orchestrator.selection import Selection
from orchestrator.store import Store

COMMAND = "inventory"
_NAME = "inventory of "
_DISKS = "installation_disks"


@dataclass(frozen=True)
class Found:
    """A piece of unknown equipment; `accepted_until` is "" for one that nobody has accepted."""

    finding: Finding
    accepted_until: str = ""
    expired: str = ""


@dataclass(frozen=True)
class Inventory:
    """What hosts are made of; `missing` names those of which not everything is known, and why.

    `whole` says that nothing is missing of any host of the environment. `since` is by host when the
    inventory began with which it was compared (ISO 8601, UTC); `uncompared` says why one could not
    be.
    """

    run_id: int
    environment: str
    taken: datetime
    whole: bool
    hosts: tuple[Equipment, ...]
    missing: Mapping[str, str]
    differences: tuple[Difference, ...]
    found: tuple[Found, ...]
    since: Mapping[str, str]
    uncompared: Mapping[str, str]

    @property
    def unknown(self) -> tuple[Finding, ...]:
        """Equipment that is neither declared nor accepted."""
        return tuple(one.finding for one in self.found if not one.accepted_until)

    @property
    def status(self) -> RunStatus:
        """How the run is recorded: what was not seen outweighs what was found."""
        if self.missing or self.uncompared:
            return RunStatus.INCOMPLETE
        return RunStatus.FINDINGS if self.unknown else RunStatus.OK

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return self.status.exit_code

    @property
    def summary(self) -> str:
        """One line: how much there is, what of it is unknown, and what could not be seen."""
        packages = sum(len(one.packages) for one in self.hosts)
        programs = sum(len(one.programs) for one in self.hosts)
        said = [
            f"{_count(len(self.hosts), 'host')}, {_count(packages, 'package')}, "
            f"{_count(programs, 'program')} of no package"
        ]
        if self.unknown:
            named = ", ".join(f"{one.host}: {one.kind} {one.object}" for one in self.unknown)
            said.append(f"not as declared: {named}")
        unseen = (*self.missing.items(), *self.uncompared.items())
        return "; ".join([*said, *(f"{host}: {why}" for host, why in unseen)])


@dataclass(frozen=True)
class Last:
    """The last whole inventory of a host: its run, when that began, the SHA-256 of the content."""

    run_id: int
    when: str
    digest: str
    equipment: Equipment


def take_inventory(environment: Environment, selection: Selection, now: datetime) -> Inventory:
    """Ask the hosts, compare, and keep what was found, as a run of its own.

    Of a host that could not be looked at as a whole nothing is kept: the next one is compared with
    the last whole one.
    """
    with recorded(environment, COMMAND, {"hosts": selection.hosts}) as run:
        there, missing = collect(environment, connections(environment, selection.hosts))
        found = judge(environment, there, now)
        changes: list[Difference] = []
        since: dict[str, str] = {}
        uncompared: dict[str, str] = {}
        for host, equipment in there.items():
            if equipment.blind:
                parts = "; ".join(f"{part}: {why}" for part, why in equipment.blind.items())
                missing[host] = f"not all that it is made of is known ({parts})"
            try:
                before = last_inventory(run.store, host)
            except PasInfraError as error:
                uncompared[host] = error.what
                continue
            if before is not None:
                since[host] = before.when
            changes += differences(before.equipment if before else None, equipment)
        changes += _hosts_that_went(run.store, environment)
        whole = {host: one for host, one in there.items() if not one.blind}
        digests = run.store.inventories.keep(asdict(one) for one in whole.values())
        run.keep_inputs({_NAME + host: d for host, d in zip(whole, digests, strict=True)})
        inventory = Inventory(
            run_id=run.id,
            environment=environment.name,
            taken=now,
            whole=not missing and {host.name for host in environment.hosts} <= there.keys(),
            hosts=tuple(there.values()),
            missing=missing,
            differences=tuple(changes),
            found=tuple(chain.from_iterable(found.values())),
            since=since,
            uncompared=uncompared,
        )
        run.end_with(inventory.status, inventory.summary)
    return inventory


def last_inventory(store: Store, host: str) -> Last | None:
    """The last whole inventory of a host.

    Raises PasInfraError when it is not as it was kept.
    """
    kept = store.inventories.last(COMMAND, _NAME + host, host)
    if kept is None:
        return None
    try:
        return Last(kept.run_id, kept.when, kept.digest, read_as(Equipment, kept.content))
    except ValueError as error:
        raise PasInfraError(
            f"the inventory of {host} of run {kept.run_id} cannot be read: {error}",
            where=store.path,
            next_step="take another one: pas-infra inventory",
        ) from error


def judge(
    environment: Environment, there: Mapping[str, Equipment], now: datetime
) -> dict[str, tuple[Found, ...]]:
    """What hosts have that is not as the environment declares it, by host.

    Raises PasInfraError when Ansible cannot resolve what is declared.
    """
    disks = variables(environment, list(there), [_DISKS]) if there else {}
    today = now.astimezone().date()
    found = {}
    for host, equipment in there.items():
        declared = declared_of(environment, host, disks[host][_DISKS])
        unknown = unknown_equipment(equipment, declared)
        waivers = [accepting(one, environment.waivers) for one in unknown]
        found[host] = tuple(
            _judged(one, waiver.until if waiver else None, today)
            for one, waiver in zip(unknown, waivers, strict=True)
        )
    return found


def _hosts_that_went(store: Store, environment: Environment) -> list[Difference]:
    """Hosts that the last inventory of all has seen, and that are no longer declared."""
    declared = {host.name for host in environment.hosts}
    last = last_complete(store, COMMAND, ())
    seen = last.options["hosts"] if last else []
    gone = sorted(set(map(str, seen)) - declared) if isinstance(seen, list) else []
    return [Difference(name, Change.GONE, "host", name) for name in gone]


def _judged(finding: Finding, until: date | None, today: date) -> Found:
    if until is None:
        return Found(finding)
    if until < today:
        return Found(finding, expired=until.isoformat())
    return Found(finding, accepted_until=until.isoformat())


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
