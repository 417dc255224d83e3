"""What Prometheus reads of a night, with the last success: whoever dies in silence is missed."""

from collections.abc import Iterable
from datetime import datetime

from orchestrator.drift.look import Drift
from orchestrator.drift.memory import Look, looks
from orchestrator.metrics import as_text, gauge
from orchestrator.store import Store

_NIGHTS = 400  # looks among which the last complete one is searched
_PREFIX = "pas_infra_drift_"
_OF_HOST = {
    "findings": ("findings", "Findings that nobody has accepted"),
    "new": ("findings_new", "Some of them: not seen by the look before"),
    "pending": ("findings_pending", "Some of them: the code or the declaration has changed since"),
    "accepted": ("findings_accepted", "Findings that are accepted until a day"),
    "blind": ("blind", "What is asked for and could not be told"),
    "coverage": ("coverage_percent", "Of what is asked for, how much was looked at"),
    "complete": ("complete", "Whether everything could be seen, the canary among it"),
}


def metrics_of(environment: str, drift: Drift, store: Store, now: datetime) -> str:
    """The metrics, in the text format of Prometheus; times are in seconds since 1970."""
    here = {"environment": environment}
    lines = gauge(
        f"{_PREFIX}run_timestamp_seconds", "When the last look ended", [(here, now.timestamp())]
    )
    last = last_success(looks(store, limit=_NIGHTS, now=now), drift, now)
    if last is not None:
        lines += gauge(
            f"{_PREFIX}last_success_timestamp_seconds",
            "When a look at all hosts last saw everything",
            [(here, last.timestamp())],
        )
    for name, (metric, help_text) in _OF_HOST.items():
        values = [({**here, "host": host.host}, float(getattr(host, name))) for host in drift.hosts]
        lines += gauge(f"{_PREFIX}{metric}", help_text, values)
    seconds = max((host.seconds for host in drift.hosts), default=0.0)
    lines += gauge(f"{_PREFIX}duration_seconds", "How long the look took", [(here, seconds)])
    return as_text(lines)


def last_success(found: Iterable[Look], drift: Drift, now: datetime) -> datetime | None:
    """When everything was last seen of every host that this look was about; None: never."""
    if drift.hosts and all(host.complete for host in drift.hosts):
        return now
    wanted = {host.host for host in drift.hosts}
    for one in found:
        complete = {host.host for host in one.hosts if host.complete}
        if not one.roles and wanted and wanted <= complete:
            return datetime.fromisoformat(one.run.ended or one.run.started)
    return None
