"""The measures as the runs of a bundle saw them: computed from its records, nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.environment import Environment
from orchestrator.evidence.examine import moment
from orchestrator.evidence.record import Examined
from orchestrator.measures import MeasureView
from orchestrator.records import CheckResult, Run, RunStatus, Verdict, aged, state_of
from orchestrator.report.standing import Look, Standing, counting, is_whole, never


@dataclass(frozen=True)
class AsOf:
    """The moment for which a bundle speaks, and how old a look may be then to count."""

    moment: datetime
    max_age: timedelta

    @classmethod
    def of(cls, made: str, max_age_days: int) -> "AsOf | None":
        """What a manifest says; None for one of before looks could be too old."""
        return cls(moment(made), timedelta(days=max_age_days)) if max_age_days else None


def check_of_record(columns: Mapping[str, Any]) -> CheckResult:
    """A check as a record has it; a verdict that is none says nothing: unmeasured."""
    known = columns["verdict"] in tuple(Verdict)
    measures = columns["measures"]
    return CheckResult(
        columns["host"],
        columns["name"],
        columns["title"],
        tuple(map(str, measures)) if isinstance(measures, list) else (),
        Verdict(columns["verdict"]) if known else Verdict.UNMEASURED,
        columns["message"],
        columns["duration"],
    )


def looks(records: Iterable[Examined], as_of: AsOf | None) -> list[Look]:
    """The last word of each check on each host, and what it counts for at that moment.

    A check that ran with several parameters has said several; where `as_of` is None, in a bundle
    of before, the last of them stands for all.
    """
    last: dict[tuple[str, str], list[Look]] = {}
    # From the newest on: of very many runs, few have a last word.
    for one in sorted(records, key=lambda one: one.link.run, reverse=True):
        said: dict[tuple[str, str], list[Look]] = {}
        run = run_of(one)
        for columns in one.checks:
            key = columns["host"], columns["name"]
            if key in last:
                continue
            check = check_of_record(columns)
            look = Look(_counted(check, run, as_of), check, run)
            said[key] = [look] if as_of is None else [*said.get(key, ()), look]
        last |= said
    return [look for said in last.values() for look in said]


def checks_of(records: Iterable[Examined], as_of: AsOf | None) -> dict[str, list[dict[str, Any]]]:
    """Of each measure that a check of these runs proves the looks, as `measures.json` has them."""
    found: dict[str, list[Look]] = {}
    for look in looks(records, as_of):
        for measure in look.check.measures:
            found.setdefault(measure, []).append(look)
    return {
        measure: _in_order(found[measure], dated=as_of is not None) for measure in sorted(found)
    }


def measures_data(
    standings: Sequence[Standing], records: Iterable[Examined], as_of: AsOf
) -> list[dict[str, Any]]:
    """All measures of the catalogue: what no run of the bundle has proven is unmeasured.

    Those follow that a check was once marked with, and that the catalogue does not know.
    """
    known = [
        {
            "measure": one.number,
            "title": one.view.measure.title,
            "kind": str(one.view.measure.kind),
            "owner": str(one.view.measure.owner),
            **({"unproven": one.view.measure.unproven} if one.view.measure.unproven else {}),
            "state": str(one.state),
            "checks": _in_order(one.looks, dated=True),
        }
        for one in standings
    ]
    numbers = {one.number for one in standings}
    unknown = {n: seen for n, seen in checks_of(records, as_of).items() if n not in numbers}
    return known + [
        {
            "measure": number,
            "state": str(state_of([Verdict(one["verdict"]) for one in seen])),
            "checks": seen,
        }
        for number, seen in unknown.items()
    ]


def standings_of(
    views: Sequence[MeasureView],
    records: Sequence[Examined],
    as_of: AsOf,
    environment: Environment,
) -> tuple[Standing, ...]:
    """The same as the report has it: of each measure what promises it, and what was seen.

    What the environment declares and no run of the bundle has looked at is unmeasured, and a waiver
    is one only while it holds.
    """
    day = as_of.moment.date()
    found = [counting(look, environment.waivers, day) for look in looks(records, as_of)]
    seen = {_place(look) for look in found}
    whole = {check["host"] for one in records if is_whole(run_of(one)) for check in one.checks}
    standings = []
    for view in views:
        own = [look for look in found if view.measure.number in look.check.measures]
        silent = never(view, environment, {_place(look) for look in own}, ())
        if own:  # one that was looked at and not marked with the measure yet is asked all the same
            silent = [
                look for look in silent if look.check.host not in whole or _place(look) in seen
            ]
        standings.append(Standing(view, (*own, *silent)))
    return tuple(standings)


def _counted(check: CheckResult, run: Run, as_of: AsOf | None) -> CheckResult:
    if as_of is None:
        return check
    seen = moment(run.started)
    return replace(check, verdict=aged(check.verdict, seen, as_of.moment, as_of.max_age))


def _place(look: Look) -> tuple[str, str]:
    return look.check.host, look.check.check


def _in_order(looks: Iterable[Look], *, dated: bool) -> list[dict[str, Any]]:
    """Looks as JSON has them; one that nobody took is of no run."""
    ordered = sorted(looks, key=lambda look: (look.check.host, look.check.check))
    return [_as_data(look, dated=dated) for look in ordered]


def _as_data(look: Look, *, dated: bool) -> dict[str, Any]:
    check, run, recorded = look.check, look.run, look.recorded
    found = {
        "host": check.host,
        "check": check.check,
        "verdict": str(check.verdict),
        "run": run.id if run else None,
    }
    if dated and run and recorded:
        found["at"] = run.started
        if recorded.verdict is not check.verdict:
            found["recorded"] = str(recorded.verdict)
    return found


def run_of(one: Examined) -> Run:
    """The run of a record; a status that is none is that of a run that died."""
    run = one.run
    return Run(
        id=one.link.run,
        command=str(run["command"]),
        environment=str(run["environment"]),
        who=str(run.get("who", "")),
        control_node=str(run.get("control_node", "")),
        pid=0,
        commit=str(run.get("git_commit", "")),
        options=run["options"] if isinstance(run["options"], dict) else {},
        started=str(run["started"]),
        ended=run.get("ended"),
        status=RunStatus(run["status"]) if run["status"] in tuple(RunStatus) else RunStatus.BROKEN,
        message=str(run.get("message", "")),
    )
