"""The third eye of drift: what is really there, against what is declared and what was accepted.

    seen, missing = look(connections(environment, hosts))
    for host, found in seen.items():
        findings = compare(host, found, baseline, declared_on(environment, host), now)

`missing` are the hosts without an answer, with the reason; `found.blind` the parts of which a host
could say nothing: either makes a run incomplete. `baseline_of(store, host)` is what was accepted,
`accept(store, run_id, host, found, now)` accepts what was seen, after an apply and its checks. With
`quick`, `look` takes only what is known at once; `compare` holds it against the same baseline.
"""

from orchestrator.drift.collector.baseline import (
    Baseline,
    accept,
    baseline_of,
    readable_baseline,
)
from orchestrator.drift.collector.compare import compare
from orchestrator.drift.collector.declared import Declared, declared_on
from orchestrator.drift.collector.look import COLLECTOR, SLOW, Seen, look, read_objects, read_seen

__all__ = [
    "COLLECTOR",
    "SLOW",
    "Baseline",
    "Declared",
    "Seen",
    "accept",
    "baseline_of",
    "compare",
    "declared_on",
    "look",
    "read_objects",
    "read_seen",
    "readable_baseline",
]
