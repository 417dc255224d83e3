"""Look at a host with the collector, and print how it differs from a kept look.

Usage: look.py ENVIRONMENT HOST FILE [quick]. The first look is kept in the file.
"""

import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.drift.collector import Baseline, compare, declared_on, look, read_objects
from orchestrator.engine import connections
from orchestrator.environment import load_environment


def main(directory: str, host: str, kept: Path, *, quick: bool) -> None:
    environment = load_environment(Path(directory))
    connection = connections(environment, [host])
    began = time.monotonic()
    seen, missing = look(connection, quick=quick)
    took = time.monotonic() - began
    if missing:
        sys.exit(f"{host}: {missing[host]}")
    if not kept.exists():
        kept.write_text(json.dumps(seen[host].objects))
    baseline = Baseline(host, "", read_objects(json.loads(kept.read_text())))
    declared = declared_on(environment, host)
    found = compare(host, seen[host], baseline, declared, datetime.now(UTC))
    told = {
        "findings": [{**asdict(one), "object": one.object} for one in found],
        "blind": seen[host].blind,
        "seconds": took,
        "parts": seen[host].seconds,
    }
    print(json.dumps(told, indent=2))  # noqa: T201


main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), quick="quick" in sys.argv[4:])
