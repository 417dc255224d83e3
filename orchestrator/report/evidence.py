"""Evidence: the stored result of a check in a canonical form, and the sum of several.

One record is one JSON object on a line: keys sorted, no blanks between them, UTF-8 with nothing
escaped that need not be. The sum of several is the SHA-256 of their lines, each once, sorted by
their bytes. docs/how-to/report.md has the same as a query, to check it without this program.
"""

import hashlib
import json
from collections.abc import Iterable

from orchestrator.records import CheckResult, Run


def canonical(run: Run, check: CheckResult) -> str:
    """The line of a record. How long a check took proves nothing, and is left out."""
    record = {
        "check": check.check,
        "host": check.host,
        "measures": list(check.measures),
        "message": check.message,
        "run": run.id,
        "started": run.started,
        "title": check.title,
        "verdict": check.verdict.value,
    }
    return json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(lines: Iterable[str]) -> str:
    """The SHA-256 over the lines of records, each once and ended by a line feed."""
    total = hashlib.sha256()
    for line in sorted({line.encode() for line in lines}):
        total.update(line + b"\n")
    return total.hexdigest()
