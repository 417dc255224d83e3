"""What an edition of the report says, as plain data: the pages and `--json` show nothing else.

The client's edition is made here and not by leaving things out of a page: no address, account, name
of a host, message or title of a check, and no free text of a waiver ever reaches it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.environment import Waiver
from orchestrator.records import MeasureState, Verdict
from orchestrator.report.equipment import made_of
from orchestrator.report.evidence import digest
from orchestrator.report.material import Material
from orchestrator.report.standing import Look, Standing

Data = dict[str, Any]


def summary(material: Material) -> Data:
    """How many measures stand where."""
    return {
        "counts": counts(material.shown),
        "measures": len(material.shown),
        "whole": len(material.shown) == len(material.standings),
    }


def chapters(material: Material) -> Sequence[Data]:
    """The same by chapter, with the state of each measure."""
    found = []
    for chapter in material.catalogue.chapters:
        inside = [one for one in material.shown if one.view.measure.chapter == chapter.number]
        if inside:
            states = [
                {"number": one.number, "title": one.view.measure.title, "state": one.state}
                for one in inside
            ]
            found.append(asdict(chapter) | {"counts": counts(inside), "measures": states})
    return found


def trend(material: Material) -> Sequence[Data]:
    """How many measures stood where, run by run."""
    return [
        {"run": point.run.id, "at": point.run.started, "counts": point.counts and {**point.counts}}
        for point in material.points
    ]


def changed(material: Material) -> Data:
    """What stands elsewhere than in the report before, None as its time when there is none."""
    shown = {one.number for one in material.shown}
    return {
        "since": material.before.started if material.before else None,
        "run": material.before.id if material.before else None,
        "measures": [
            {
                "number": one.standing.number,
                "title": one.standing.view.measure.title,
                "before": one.before,
                "after": one.standing.state,
            }
            for one in material.changes
            if one.standing.number in shown
        ],
    }


def operations(material: Material) -> Sequence[Data]:
    """The last run of each kind, None where there was none."""
    return [
        {"command": command}
        | (
            {"run": run.id, "at": run.started, "status": run.status}
            | ({"message": run.message} if material.internal else {})
            if run
            else {"run": None}
        )
        for command, run in material.operations.items()
    ]


def measures(material: Material) -> Sequence[Data]:
    """Each measure: what is promised, its verdict, what keeps it, what proves it."""
    return [_measure(one, material) for one in material.shown]


def waivers(material: Material) -> Sequence[Data]:
    """The environment's waivers in full; of a client's the days on which those in use end."""
    in_use = {waiver for one in material.shown for waiver in one.waivers}
    if not material.internal:
        return [{"until": one.until.isoformat()} for one in sorted(in_use, key=lambda w: w.until)]
    today = material.now.date()
    return [
        _in_full(one) | {"expired": one.until < today, "in_use": one in in_use}
        for one in material.environment.waivers
    ]


def procedures(material: Material) -> Sequence[Data]:
    """The operating procedures of the measures that are shown, and how each is approved."""
    shown = {one.number for one in material.shown}
    return [
        {
            "name": one.procedure.name,
            "title": one.procedure.title,
            "measures": list(one.procedure.measures),
            "owner": one.procedure.owner,
            "approval": one.approval,
            "version": one.version,
            "approved_on": one.approved_on,
            "next_review": one.next_review,
            "next_exercise": one.next_exercise,
        }
        for one in material.procedures
        if shown & set(one.procedure.measures)
    ]


def scope(material: Material) -> Sequence[Data]:
    """The servers: what they do, where, and with whom; for ourselves, what they are made of."""
    labels = host_labels(material)
    return [
        {
            "name": labels[host.name],
            "function": host.function,
            "supplier": host.supplier,
            "place": asdict(host.place),
        }
        | (
            {
                "addresses": list(host.addresses or (host.address,)),
                "equipment": made_of(material.equipment.get(host.name)),
            }
            if material.internal
            else {}
        )
        for host in material.environment.hosts
    ]


def evidence(material: Material) -> Sequence[Data]:
    """The runs that the verdicts rest on, with the sum of those of their records that count."""
    records = {line: run for one in material.shown for line, run in one.evidence.items()}
    lines_of: dict[int, list[str]] = {}
    for line, run in records.items():
        lines_of.setdefault(run.id, []).append(line)
    runs = {run.id: run for run in records.values()}
    return [
        {
            "run": run.id,
            "command": run.command,
            "at": run.started,
            "commit": run.commit,
            "records": len(lines),
            "sha256": digest(lines),
        }
        | ({"who": run.who, "control_node": run.control_node} if material.internal else {})
        for run, lines in ((runs[id_], lines_of[id_]) for id_ in sorted(runs))
    ]


def counts(standings: Sequence[Standing]) -> dict[MeasureState, int]:
    """How many of them are in each state."""
    found = Counter(one.state for one in standings)
    return {state: found[state] for state in MeasureState}


def host_labels(material: Material) -> Mapping[str, str]:
    """What hosts are called in this edition: by their name, or by what they do and where."""
    hosts = material.environment.hosts
    if material.internal:
        return {host.name: host.name for host in hosts}
    labels = {host.name: f"{host.function} ({host.place.city})" for host in hosts}
    twice = {label for label, count in Counter(labels.values()).items() if count > 1}
    numbered: Counter[str] = Counter()
    for name, label in labels.items():
        if label in twice:
            numbered[label] += 1
            labels[name] = f"{label} – {numbered[label]}"  # noqa: RUF001 - read by people
    return labels


def _measure(one: Standing, material: Material) -> Data:
    measure = one.view.measure
    until = min((waiver.until for waiver in one.waivers), default=None)
    records = one.evidence
    runs = {run.id: run for run in records.values()}
    found: Data = {
        "number": one.number,
        "chapter": measure.chapter,
        "title": measure.title,
        "kind": measure.kind,
        "owner": measure.owner,
        "wording": [{"number": each.number, "text": each.text} for each in one.view.clauses],
        "summary": measure.summary,
        "note": measure.note,
        "unproven": measure.unproven,
        "not_promised": one.view.not_promised,
        "state": one.state,
        "waived_until": until.isoformat() if until else None,
        "silences": dict(one.silences),
        "verdicts": _verdicts(one.looks),
        "roles": list(dict.fromkeys(task.role for task in one.view.tasks)),
        "registers": any(look.check.host == material.environment.name for look in one.looks),
        "evidence": {
            "sha256": digest(records) if records else "",
            "records": len(records),
            "runs": [{"run": run.id, "at": run.started} for run in runs.values()],
        },
        "hosts": _by_host(one, material),
    }
    if material.internal:
        found["tasks"] = [{"role": task.role, "task": task.task} for task in one.view.tasks]
        found["checks"] = _checks(one.looks)
        found["waivers"] = [_in_full(waiver) for waiver in one.waivers]
    return found


def _verdicts(looks: Sequence[Look]) -> dict[Verdict, int]:
    found = Counter(look.check.verdict for look in looks)
    return {verdict: found[verdict] for verdict in Verdict}


def _by_host(one: Standing, material: Material) -> Sequence[Data]:
    """What was found on each host; the day is that of the oldest look, the least flattering."""
    labels = host_labels(material)
    found = []
    for host in dict.fromkeys(look.check.host for look in one.looks):
        looks = [look for look in one.looks if look.check.host == host]
        days = [look.run.started for look in looks if look.run]
        found.append(
            {"name": labels.get(host), "at": min(days, default=None)} | {**_verdicts(looks)}
        )
    return found


def _checks(looks: Sequence[Look]) -> Sequence[Data]:
    """Each check with its result; the same on several hosts is one line, by run."""
    together: dict[tuple[object, ...], Data] = {}
    for look in looks:
        check, run = look.check, look.run
        line = together.setdefault(
            (check.check, check.title, check.verdict, check.message),
            {
                "check": check.check,
                "title": check.title,
                "verdict": check.verdict,
                "silence": look.silence,
                "message": check.message,
                "seen": {},
            },
        )
        seen: Data = {
            "run": run.id if run else None,
            "at": run.started if run else None,
            "hosts": [],
        }
        hosts = line["seen"].setdefault(seen["run"], seen)["hosts"]
        if check.host not in hosts:
            hosts.append(check.host)
    return [{**line, "seen": list(line["seen"].values())} for line in together.values()]


def _in_full(waiver: Waiver) -> Data:
    hosts = list(waiver.hosts) if waiver.hosts else None
    return asdict(waiver) | {"until": waiver.until.isoformat(), "hosts": hosts}
