"""What the engine makes of a recorded case: shared by its test and by what records it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.engine.events import EventReader, Ledger, rescue
from orchestrator.engine.reconcile import find_gaps
from orchestrator.engine.redaction import redactor
from orchestrator.records import TaskResult

CASES = Path(__file__).parent / "events"
CANARY = 'canary "é" \\ 17'
_ALWAYS_SAID = ("host", "task", "status")


def events_of(case: Path) -> list[dict[str, Any]]:
    """The case's events, in their order."""
    return [json.loads(line) for line in (case / "events.jsonl").read_text().splitlines()]


def replay(case: Path, *, without: int | None = None) -> EventReader:
    """Read the case's events, all or without one, as the engine does while they come in."""
    ledger = Ledger()
    lines = (case / "ledger.jsonl").read_text().splitlines()
    reader = EventReader(ledger, refresh=lambda: ledger.read(lines), redact=redactor([CANARY]))
    for index, event in enumerate(events_of(case)):
        if index != without:
            reader.read(event)
    return reader


def settled(reader: EventReader) -> list[TaskResult]:
    """The results, with what the statistics say of them."""
    return rescue(reader.results, reader.recap or {})


def results_of(case: Path) -> dict[str, Any]:
    """The case's results (less what is as by default), statistics and gaps, as JSON has them."""
    reader = replay(case)
    results = settled(reader)
    found = {
        "results": [_shown(result) for result in results],
        "recap": {host: asdict(counts) for host, counts in (reader.recap or {}).items()},
        "gaps": find_gaps(results, reader.recap, list(reader.recap or {}), reader.more_ok),
        "no_hosts_matched": reader.no_hosts_matched,
        "lost": reader.lost,
        "talk": reader.talk,
    }
    parsed: dict[str, Any] = json.loads(json.dumps(found))
    return parsed


def _shown(result: TaskResult) -> dict[str, object]:
    defaults = asdict(TaskResult("", "", "", "", result.status))
    return {
        key: value
        for key, value in asdict(result).items()
        if key in _ALWAYS_SAID or value != defaults[key]
    }
