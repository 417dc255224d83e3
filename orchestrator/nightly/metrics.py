"""What Prometheus reads of a night, with the last success: whoever dies in silence is missed."""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from orchestrator.drift.look import Drift
from orchestrator.drift.memory import Look, looks
from orchestrator.errors import refusal
from orchestrator.store import Store

_NIGHTS = 400  # looks among which the last complete one is searched
_MODE = 0o644  # another account reads it
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
    label = f'environment="{environment}"'
    lines = _metric("run_timestamp_seconds", "When the last look ended", [(label, now.timestamp())])
    last = last_success(looks(store, limit=_NIGHTS, now=now), drift, now)
    if last is not None:
        lines += _metric(
            "last_success_timestamp_seconds",
            "When a look at all hosts last saw everything",
            [(label, last.timestamp())],
        )
    for name, (metric, help_text) in _OF_HOST.items():
        values = [
            (f'{label},host="{host.host}"', float(getattr(host, name))) for host in drift.hosts
        ]
        lines += _metric(metric, help_text, values)
    seconds = max((host.seconds for host in drift.hosts), default=0.0)
    lines += _metric("duration_seconds", "How long the look took", [(label, seconds)])
    return "\n".join(lines) + "\n"


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


def write_metrics(text: str, file: Path) -> None:
    """Put them in the place of the former ones, whole; raises PasInfraError where it refuses."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text, "utf-8")
        beside.chmod(_MODE)
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise refusal(error) from error


def _metric(name: str, help_text: str, values: Iterable[tuple[str, float]]) -> list[str]:
    full = f"pas_infra_drift_{name}"
    return [
        f"# HELP {full} {help_text}.",
        f"# TYPE {full} gauge",
        *(f"{full}{{{labels}}} {value:.15g}" for labels, value in values),
    ]
