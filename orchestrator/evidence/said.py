"""What a bundle says of the measures, beside what its records show.

Who holds the key can sign anything: what was summed up is summed up again.
"""

import json
from collections.abc import Iterator, Sequence

from orchestrator.evidence.bundle import MEASURES, OSCAL
from orchestrator.evidence.finding import Finding
from orchestrator.evidence.measures import AsOf, states
from orchestrator.evidence.record import Examined
from orchestrator.oscal import RESULTS as _FILE
from orchestrator.oscal import number_of
from orchestrator.records import MeasureState
from orchestrator.store.chain import parse_canonical

RESULTS = f"{OSCAL}{_FILE}"


def measures_findings(
    content: bytes, records: Sequence[Examined], as_of: AsOf | None
) -> Iterator[Finding]:
    """Whether `measures.json` says of each measure what the records do."""
    try:
        seen = states(records, as_of)
        shown = {one["measure"]: one for one in parse_canonical(content.decode().strip())}
        for number in sorted({*shown, *seen}):
            one = shown.get(number, {"state": "nothing", "checks": None})
            expected = seen.get(number, {"state": "unmeasured", "checks": []})
            if (one["state"], one["checks"]) != (expected["state"], expected["checks"]):
                what = f"measure {number} is said to be {one['state']}, the records: "
                yield Finding(MEASURES, what + expected["state"])
    except (ValueError, LookupError, TypeError) as error:
        yield Finding(MEASURES, f"these are no measures: {error}")


def results_findings(
    content: bytes, measures: bytes, records: Sequence[Examined], as_of: AsOf | None
) -> Iterator[Finding]:
    """Whether OSCAL's findings say of each measure of `measures.json` what the records do."""
    try:
        missing = {one["measure"] for one in json.loads(measures) if "title" in one}
        seen = states(records, as_of)
        (result,) = json.loads(content)["assessment-results"]["results"]
        for one in result["findings"]:
            number = number_of(one["target"]["target-id"])
            missing.discard(number)
            verdict = next(prop["value"] for prop in one["props"] if prop["name"] == "verdict")
            state = one["target"]["status"]["state"]
            expected = seen.get(number, {"state": "unmeasured"})["state"]
            kept = "satisfied" if expected == MeasureState.KEPT else "not-satisfied"
            if (verdict, state) != (expected, kept):
                what = f"measure {number} is said to be {verdict} ({state}), the records: "
                yield Finding(RESULTS, what + expected)
        for number in sorted(missing):
            yield Finding(RESULTS, f"measure {number} has no finding")
    except (ValueError, LookupError, TypeError, StopIteration, RecursionError) as error:
        yield Finding(RESULTS, f"these are no assessment results: {error!r}")
