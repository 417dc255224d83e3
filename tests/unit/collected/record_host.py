"""Record what the collector says of a host of the lab, cut to some objects of each kind (kept.txt).

Usage: record_host.py HOST > rbx7.json
"""

import json
import sys
from pathlib import Path

from orchestrator.drift.collector import COLLECTOR
from orchestrator.engine import ask, connections
from orchestrator.environment import load_environment
from orchestrator.paths import project_root

_OBJECTS = 400  # characters of the names and properties that are kept of each kind
_KEPT = frozenset((Path(__file__).parent / "kept.txt").read_text().splitlines())


def main(host: str) -> None:
    environment = load_environment(project_root() / "inventories/lab")
    given, missing = ask(connections(environment, [host]), COLLECTOR.question({"quick": False}))
    if missing:
        sys.exit(missing[host])
    for kind, named in given[host]["objects"].items():
        few = len(json.dumps(named)) < _OBJECTS
        small = {name: about for name, about in named.items() if few or name in _KEPT}
        given[host]["objects"][kind] = small or dict(list(named.items())[:2])
    for about in given[host]["objects"]["nftables"].values():
        about["rules"] = about["rules"][-12:]
    print(json.dumps(given[host], indent=1, sort_keys=True))  # noqa: T201


main(sys.argv[1])
