"""The morning as Prometheus reads it."""

from collections import Counter
from collections.abc import Mapping

from orchestrator.metrics import as_text, gauge
from orchestrator.records import MeasureState
from orchestrator.status.gather import Status
from orchestrator.status.subject import Level

_PREFIX = "pas_infra_status_"
_LEVELS = ", ".join(f"{level.rank} {level}" for level in Level)


def metrics_of(status: Status) -> str:
    """The same as the screen shows, in figures; times are in seconds since 1970.

    What is not known has no sample where it is a time, and is a level of its own everywhere else.
    """
    here = {"environment": status.environment}
    found = {one.name: Counter(point.level for point in one.points) for one in status.subjects}
    return as_text(
        [
            *_gauge("timestamp_seconds", "When this was made", [(here, status.now.timestamp())]),
            *_gauge("level", f"The worst of all: {_LEVELS}", [(here, status.level.rank)]),
            *_gauge(
                "subject_level",
                f"The worst of a subject: {_LEVELS}",
                [({**here, "subject": one.name}, one.level.rank) for one in status.subjects],
            ),
            *_gauge(
                "subject_points",
                "What there is to say of a subject, by how much it matters",
                [
                    ({**here, "subject": name, "level": level}, counts[level])
                    for name, counts in found.items()
                    for level in Level
                ],
            ),
            *_gauge(
                "subject_known_timestamp_seconds",
                "When the oldest part of what is known of a subject was seen",
                [
                    ({**here, "subject": one.name}, one.known.timestamp())
                    for one in status.subjects
                    if one.known
                ],
            ),
            *_gauge(
                "chapter_measures",
                "Measures of a chapter of the PAS, by where they stand",
                _counted(
                    [({**here, "chapter": one.number}, one.counts) for one in status.chapters]
                ),
            ),
            *_gauge(
                "host_measures",
                "Measures of which something is looked at on a host, by where they stand there",
                _counted([({**here, "host": one.name}, one.counts) for one in status.hosts]),
            ),
            *_gauge(
                "host_verified_timestamp_seconds",
                "When a run last looked at every check of a host",
                [
                    ({**here, "host": one.name}, one.whole.timestamp())
                    for one in status.hosts
                    if one.whole
                ],
            ),
        ]
    )


_Samples = list[tuple[Mapping[str, str], float]]


def _counted(groups: list[tuple[Mapping[str, str], Mapping[MeasureState, int]]]) -> _Samples:
    return [
        ({**labels, "state": state}, count)
        for labels, counts in groups
        for state, count in counts.items()
    ]


def _gauge(name: str, help_text: str, samples: _Samples) -> list[str]:
    return gauge(f"{_PREFIX}{name}", help_text, samples)
