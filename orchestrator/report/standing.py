"""Where each measure stands: what the last runs that looked at its checks have left in the store.

The verdict is `measure_state`'s. What is decided here is only what counts as seen: a check that no
run has looked at, or none for too long, has measured nothing.
"""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from orchestrator.catalogue import CheckReference, Kind, measure_state
from orchestrator.environment import Environment, Waiver
from orchestrator.errors import PasInfraError
from orchestrator.measures import MeasureView
from orchestrator.paths import project_root
from orchestrator.records import (
    BROKE_DOWN,
    NEEDS_FULL_KERNEL,
    CheckResult,
    MeasureState,
    Run,
    Verdict,
    aged,
)
from orchestrator.report.evidence import canonical
from orchestrator.store import Store, last_looks, last_runs_by_host
from orchestrator.verify import REGISTER_CHECKS, applies

EVERY = 10**6  # runs; more than a store ever holds


class Silence(StrEnum):
    """Why a measure, or one of its checks, is unmeasured."""

    NO_CHECK = "no check"
    NO_RECORD = "no record"  # of a measure that people keep: no register or document is looked at
    NEVER = "never looked at"
    STALE = "looked at too long ago"
    KERNEL = "needs a full kernel"
    BROKE = "broke down"
    UNCLEAR = "could not tell"
    DECLARED = "declared only"  # its checks hold, and do not look at all that is promised


@dataclass(frozen=True)
class Look:
    """A check on a host as it counts today; `run` is the last one that looked, if any did.

    `recorded` is what that run has stored, which today may count less.
    """

    check: CheckResult
    recorded: CheckResult | None
    run: Run | None
    waiver: Waiver | None = None

    @property
    def silence(self) -> Silence | None:
        """Why it has measured nothing; None when it has."""
        if self.check.verdict is not Verdict.UNMEASURED:
            return None
        if self.recorded is None:
            return Silence.NEVER
        if self.recorded.verdict is not Verdict.UNMEASURED:
            return Silence.STALE
        if self.check.message.startswith(NEEDS_FULL_KERNEL):
            return Silence.KERNEL
        broke = self.check.message.startswith(BROKE_DOWN)
        return Silence.BROKE if broke else Silence.UNCLEAR


@dataclass(frozen=True)
class Standing:
    """One measure: what is promised and stands behind it, and what the store shows of it."""

    view: MeasureView
    looks: tuple[Look, ...]

    @property
    def number(self) -> str:
        """The measure's number."""
        return self.view.measure.number

    @property
    def state(self) -> MeasureState:
        """The verdict."""
        return measure_state(self.number, [look.check.verdict for look in self.looks])

    @property
    def silences(self) -> Mapping[Silence, int]:
        """Why it is unmeasured, wholly or in part, and of how many checks that is so."""
        if not self.looks:
            people = self.view.measure.kind is Kind.ORGANISATIONAL
            return {Silence.NO_RECORD if people else Silence.NO_CHECK: 0}
        counts = Counter(look.silence for look in self.looks)
        found = {why: counts[why] for why in Silence if counts[why]}
        return found | ({Silence.DECLARED: 0} if self.view.measure.unproven else {})

    @property
    def evidence(self) -> Mapping[str, Run]:
        """The stored records that the verdict rests on, in their canonical form, and their runs."""
        return {
            canonical(look.run, look.recorded): look.run
            for look in self.looks
            if look.run and look.recorded
        }

    @property
    def waivers(self) -> Sequence[Waiver]:
        """The waivers that its verdict rests on."""
        return list(dict.fromkeys(look.waiver for look in self.looks if look.waiver))


def standings(
    views: Sequence[MeasureView],
    environment: Environment,
    store: Store,
    *,
    max_age: timedelta,
    now: datetime,
) -> tuple[Standing, ...]:
    """Where each measure stands at the moment `now`; looks older than `max_age` do not count.

    A check counts on every host of the environment, looked at or not, but where the last run that
    looked at all of a host has left it out: it is not asked of that host. It does not count at all
    once it is no check of the project any more.
    """
    whole = last_whole_runs(store, environment)
    seen: dict[tuple[str, str], list[tuple[Run, CheckResult]]] = {}
    runs: dict[int, Run] = {}
    since = 0 if set(whole) < objects(environment) else min(whole.values())
    for run_id, check in last_looks(store, since):
        if run_id < whole.get(check.host, 0):
            continue
        if run_id not in runs:
            runs[run_id] = store.run(run_id)
        seen.setdefault((check.host, check.check), []).append((runs[run_id], check))
    found = []
    for view in views:
        asked = [(each, host) for each in view.checks for host in _hosts_of(each, environment)]
        looks = [
            _counted(run, check, environment.waivers, max_age, now)
            for reference, host in asked
            for run, check in seen.get((host, name_of(reference)), ())
        ]
        looks += never(view, environment, seen, whole if looks else ())
        found.append(Standing(view, tuple(looks)))
    return tuple(found)


def never(
    view: MeasureView,
    environment: Environment,
    seen: Container[tuple[str, str]],
    whole: Container[str],
) -> list[Look]:
    """What nobody has looked at of a measure; `seen` are hosts and the names of checks.

    Of a host of `whole`, what is not seen is not asked.
    """
    return [
        _never(reference, host, view.measure.number)
        for reference in view.checks
        for host in _hosts_of(reference, environment)
        if (host, name_of(reference)) not in seen and host not in whole
    ]


def counting(look: Look, waivers: Sequence[Waiver], day: date) -> Look:
    """The same as it counts on a day: one that was waived has failed unless a waiver holds then."""
    if look.check.verdict is not Verdict.WAIVED:
        return look
    in_force = (one for one in waivers if one.until >= day and applies(one, look.check))
    waiver = next(in_force, None)
    if waiver is None:  # it has ended since, or was taken back
        return replace(look, check=replace(look.check, verdict=Verdict.FAILS))
    return replace(look, waiver=waiver)


def unseen(views: Sequence[MeasureView], environment: Environment) -> tuple[Standing, ...]:
    """Where each measure stands when nothing was ever recorded, or none of it can be read."""
    return tuple(Standing(view, tuple(never(view, environment, (), ()))) for view in views)


def objects(environment: Environment) -> set[str]:
    """Of what checks have results: the hosts, and the environment itself for its registers."""
    return {environment.name, *(host.name for host in environment.hosts)}


def last_whole_runs(store: Store, environment: Environment) -> dict[str, int]:
    """The last run that was to look at every check of each of `objects`, and has results of it."""
    runs = [run.id for run in store.runs(EVERY) if is_whole(run)]
    return last_runs_by_host(store, runs, objects(environment))


def is_whole(run: Run) -> bool:
    """Whether a run was to look at every check of its hosts."""
    narrowed = run.options.get("roles") or run.options.get("measures")
    return run.command in ("verify", "apply") and not narrowed


def name_of(reference: CheckReference) -> str:
    """A check's name as runs record it."""
    return f"{reference.file.name}::{reference.check.rpartition('::')[2]}"


def is_of_registers(reference: CheckReference) -> bool:
    """Whether a check looks at the environment's registers, and at no host."""
    return reference.file.parent == project_root() / REGISTER_CHECKS


def require_looks(standings: Sequence[Standing], store: Store) -> None:
    """Raises PasInfraError where no run has looked at a check yet: there is nothing to show."""
    if not any(one.evidence for one in standings):
        raise PasInfraError(
            f"no run of {store.environment} has looked at a check yet",
            where=store.path,
            next_step=f"pas-infra verify --env {store.environment}",
        )


def _hosts_of(reference: CheckReference, environment: Environment) -> Sequence[str]:
    if is_of_registers(reference):
        return [environment.name]
    return [host.name for host in environment.hosts]


def _never(reference: CheckReference, host: str, number: str) -> Look:
    check = CheckResult(host, name_of(reference), reference.title, (number,), Verdict.UNMEASURED)
    return Look(check, None, None)


def _counted(
    run: Run, check: CheckResult, waivers: Sequence[Waiver], max_age: timedelta, now: datetime
) -> Look:
    verdict = aged(check.verdict, datetime.fromisoformat(run.started), now, max_age)
    return counting(Look(replace(check, verdict=verdict), check, run), waivers, now.date())
