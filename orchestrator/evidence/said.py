"""What a bundle says of the measures, beside what its records show.

Who holds the key can sign anything: what was summed up is summed up again.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.catalogue import state_where
from orchestrator.evidence.bundle import MEASURES, OSCAL
from orchestrator.evidence.finding import Finding
from orchestrator.evidence.measures import AsOf, checks_of
from orchestrator.evidence.record import Examined
from orchestrator.oscal import RESULTS as _FILE
from orchestrator.oscal import number_of
from orchestrator.records import MeasureState, Verdict
from orchestrator.store.chain import parse_canonical

RESULTS = f"{OSCAL}{_FILE}"


def measures_findings(
    content: bytes, records: Sequence[Examined], as_of: AsOf | None
) -> Iterator[Finding]:
    """Whether `measures.json` says of each measure what the records do."""
    try:
        shown = {one["measure"]: one for one in parse_canonical(content.decode().strip())}
        seen = checks_of(records, as_of)
        for number in sorted({*shown, *seen}):
            one = shown.get(number, {"state": "nothing", "checks": None})
            state, checks = _by_the_records(one, seen.get(number, []))
            if (one["state"], one["checks"]) != (state, checks):
                what = f"measure {number} is said to be {one['state']}, the records: {state}"
                yield Finding(MEASURES, what)
    except (ValueError, LookupError, TypeError) as error:
        yield Finding(MEASURES, f"these are no measures: {error}")


def results_findings(
    content: bytes, measures: bytes, records: Sequence[Examined], as_of: AsOf | None
) -> Iterator[Finding]:
    """Whether OSCAL's findings say of each measure of `measures.json` what the records do."""
    try:
        shown = {one["measure"]: one for one in json.loads(measures)}
        missing = {number for number, one in shown.items() if "title" in one}
        seen = checks_of(records, as_of)
        (result,) = json.loads(content)["assessment-results"]["results"]
        for one in result["findings"]:
            number = number_of(one["target"]["target-id"])
            missing.discard(number)
            verdict = next(prop["value"] for prop in one["props"] if prop["name"] == "verdict")
            state = one["target"]["status"]["state"]
            expected, _ = _by_the_records(shown.get(number, {}), seen.get(number, []))
            kept = "satisfied" if expected == MeasureState.KEPT else "not-satisfied"
            if (verdict, state) != (expected, kept):
                what = f"measure {number} is said to be {verdict} ({state}), the records: "
                yield Finding(RESULTS, what + expected)
        for number in sorted(missing):
            yield Finding(RESULTS, f"measure {number} has no finding")
    except (ValueError, LookupError, TypeError, StopIteration, RecursionError) as error:
        yield Finding(RESULTS, f"these are no assessment results: {error!r}")


def _by_the_records(
    one: Mapping[str, Any], seen: list[dict[str, Any]]
) -> tuple[MeasureState, list[dict[str, Any]]]:
    """The state of a measure and its looks: what the records show, and what `one` has beside it.

    No record shows what was declared and nobody looked at, that a waiver had ended when the bundle
    was made, or what no check looked at in full then: `one` may say so, it makes nothing better.
    """
    shown = one.get("checks") or []
    silent = [each for each in shown if each == _silent(each["host"], each["check"])]
    spoken = [each for each in shown if each["run"] is not None]
    if len(spoken) == len(seen):
        pairs = zip(seen, spoken, strict=True)
        seen = [now if now == _ended(was) else was for was, now in pairs]
    checks = sorted([*seen, *silent], key=lambda each: (each["host"], each["check"]))
    verdicts = [Verdict(each["verdict"]) for each in checks]
    return state_where(verdicts, unproven=bool(one.get("unproven"))), checks


def _silent(host: str, check: str) -> dict[str, Any]:
    """What a bundle says of a check that nobody has looked at."""
    return {"host": host, "check": check, "verdict": Verdict.UNMEASURED, "run": None}


def _ended(look: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What is left of a look once its waiver has ended; None of one that had none."""
    if look["verdict"] != Verdict.WAIVED:
        return None
    return {**look, "verdict": Verdict.FAILS, "recorded": Verdict.WAIVED}
