"""What the store remembers beside today: the trend, the report before, the last tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.catalogue import Catalogue, measure_state
from orchestrator.environment import Environment
from orchestrator.records import MeasureState, Run, RunStatus
from orchestrator.report.standing import EVERY, Standing, is_whole
from orchestrator.store import Store, hosts_seen, verdicts_of
from orchestrator.vulnerabilities.watch import shows_all

COMMAND = "report"
# What is shown of the service's operation: the last run of each of these commands.
OPERATIONS = ("drift", "backup test", "vulns", "inventory")
TREND = timedelta(days=365)
DENSE = 60  # points; with more of them, one a day is enough


@dataclass(frozen=True)
class Point:
    """How many measures stood where after a run that looked at all of them.

    `counts` is None for a run that missed a host: of that moment nothing is said.
    """

    run: Run
    counts: Mapping[MeasureState, int] | None


@dataclass(frozen=True)
class Change:
    """A measure that stands elsewhere than in the report before."""

    standing: Standing
    before: MeasureState


def trend(
    store: Store, environment: Environment, catalogue: Catalogue, now: datetime
) -> tuple[Point, ...]:
    """A point for each run of the last year that was asked to look at everything, oldest first.

    As its checks and their marks were then: a check that came later changes no past.
    """
    hosts = {host.name for host in environment.hosts}
    runs = [
        run
        for run in reversed(store.runs(EVERY))
        if datetime.fromisoformat(run.started) > now - TREND and _everywhere(run, hosts)
    ]
    ids = [run.id for run in runs]
    seen, verdicts = hosts_seen(store, ids), verdicts_of(store, ids)
    points = []
    for run in runs:
        if not seen[run.id]:
            continue  # a plan that was declined, an apply that failed before its checks
        counts = dict.fromkeys(MeasureState, 0)
        for measure in catalogue:
            found = list(verdicts[run.id].get(measure.number, ()))
            counts[measure_state(measure.number, found)] += 1
        points.append(Point(run, counts if seen[run.id] >= hosts else None))
    return tuple(points if len(points) <= DENSE else _daily(points))


def report_before(store: Store, edition: str, language: str) -> Run | None:
    """The last finished report of the same edition and language."""
    return next(
        (
            run
            for run in store.runs(EVERY, COMMAND)
            if run.status is RunStatus.OK
            and (run.options.get("edition"), run.options.get("lang")) == (edition, language)
        ),
        None,
    )


def states_as_option(standings: Sequence[Standing]) -> dict[str, list[str]]:
    """The verdicts as a report records them, so that the next one can say what has changed."""
    return {
        state.value: [one.number for one in standings if one.state is state]
        for state in MeasureState
    }


def changes(standings: Sequence[Standing], before: Run | None) -> tuple[Change, ...]:
    """What stands elsewhere than that report said."""
    said = before.options.get("states") if before else None
    if not isinstance(said, dict):
        return ()
    states = {number: MeasureState(state) for state, numbers in said.items() for number in numbers}
    return tuple(
        Change(one, states[one.number])
        for one in standings
        if states.get(one.number, one.state) is not one.state
    )


def operations(store: Store, environment: Environment) -> dict[str, Run | None]:
    """The last run of each command of `OPERATIONS` over all hosts and roles, dead ones among them.

    One that was narrowed says nothing of the rest.
    """
    hosts = {host.name for host in environment.hosts}
    return {
        command: next(
            (
                run
                for run in store.runs(EVERY, command)
                if run.status is not RunStatus.RUNNING and _not_narrowed(run, hosts)
            ),
            None,
        )
        for command in OPERATIONS
    }


def _not_narrowed(run: Run, hosts: set[str]) -> bool:
    asked = run.options.get("hosts")
    return (
        not (run.options.get("roles") or run.options.get("measures"))
        and (not isinstance(asked, list) or hosts <= set(asked))
        and shows_all(run)
    )


def _everywhere(run: Run, hosts: set[str]) -> bool:
    asked = run.options.get("hosts")
    return is_whole(run) and isinstance(asked, list) and hosts <= set(asked)


def _daily(points: Sequence[Point]) -> list[Point]:
    return list({point.run.started[:10]: point for point in points}.values())
