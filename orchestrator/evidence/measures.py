"""The measures as the runs of a bundle saw them: computed from its records, nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.catalogue import Catalogue
from orchestrator.evidence.record import Examined
from orchestrator.records import CheckResult, Verdict, state_of


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


def states(records: Iterable[Examined]) -> dict[str, dict[str, Any]]:
    """Each measure that a check of these runs proves: its state, by the last word of each check."""
    last: dict[tuple[str, str], tuple[int, CheckResult]] = {}
    for one in sorted(records, key=lambda one: one.link.run):
        for columns in one.checks:
            check = check_of_record(columns)
            last[check.host, check.check] = (one.link.run, check)
    found: dict[str, list[tuple[int, CheckResult]]] = {}
    for run, check in last.values():
        for measure in check.measures:
            found.setdefault(measure, []).append((run, check))
    return {
        measure: {
            "state": str(state_of([check.verdict for _, check in found[measure]])),
            "checks": [
                {"host": c.host, "check": c.check, "verdict": str(c.verdict), "run": run}
                for run, c in sorted(found[measure], key=lambda one: (one[1].host, one[1].check))
            ],
        }
        for measure in sorted(found)
    }


def measures_data(catalogue: Catalogue, records: Iterable[Examined]) -> list[dict[str, Any]]:
    """All measures of the catalogue: what no run of the bundle has proven is unmeasured.

    Those follow that a check was once marked with, and that the catalogue does not know.
    """
    seen = states(records)
    silent = {"state": str(state_of([])), "checks": []}
    known = [
        {
            "measure": measure.number,
            "title": measure.title,
            "kind": str(measure.kind),
            "owner": str(measure.owner),
            **({"unproven": measure.unproven} if measure.unproven else {}),
            **seen.get(measure.number, silent),
        }
        for measure in catalogue
    ]
    unknown = [number for number in seen if number not in catalogue]
    return known + [{"measure": number, **seen[number]} for number in unknown]
