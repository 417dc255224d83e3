"""What was seen, as observations: each check on each host, or their sum where a client reads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.oscal.document import Data, identifier, props
from orchestrator.oscal.source import Source
from orchestrator.records import Verdict
from orchestrator.report.standing import Look


@dataclass(frozen=True)
class Observation:
    """One observation and the measures that it speaks of; `subject` is None for the registers."""

    subject: str | None
    measures: tuple[str, ...]
    data: Data

    @property
    def uuid(self) -> str:
        """Its identifier."""
        return str(self.data["uuid"])


def observations(source: Source) -> Sequence[Observation]:
    """What was seen; what nobody has looked at is no observation."""
    return list(_summed(source) if not source.material.internal else _each(source))


def subject_id(source: Source, label: str | None) -> str:
    """The identifier of a host by what this edition calls it, or of the registers.

    Of a name that an edition does not show, it must not be computed: guessing would confirm it.
    """
    return identifier("subject", source.material.environment.name, label or "registers/")


def run_id(source: Source, run: int) -> str:
    """The identifier of a run, as a resource."""
    return identifier("run", source.material.environment.name, run)


def _each(source: Source) -> Iterator[Observation]:
    """Each check on each host; one that ran with several parameters said several."""
    environment = source.material.environment.name
    measures: dict[int, list[str]] = {}
    looks: dict[int, Look] = {}
    for one in source.material.shown:
        for look in one.looks:
            if look.run is not None and look.recorded is not None:
                measures.setdefault(id(look.recorded), []).append(one.number)
                looks.setdefault(id(look.recorded), look)
    times: dict[tuple[str, str], int] = {}
    for key, look in looks.items():
        check, run, recorded = look.check, look.run, look.recorded
        if run is None or recorded is None:
            continue
        name = (check.host, check.check)
        times[name] = times.get(name, 0) + 1
        subject = None if check.host == environment else check.host
        counts = {"verdict": check.verdict, "check": check.check, "run": run.id}
        if recorded.verdict is not check.verdict:
            counts["recorded"] = recorded.verdict
        yield Observation(
            subject,
            tuple(measures[key]),
            {
                "uuid": identifier("observation", environment, run.id, *name, times[name]),
                "title": check.title,
                "description": _said(source, check.verdict, check.message),
                **props(counts.items()),
                **_of(source, subject),
                **_evidence(source, [run.id]),
                "collected": run.started,
                **_until(source, run.started, fails=check.verdict is Verdict.FAILS),
            },
        )


def _summed(source: Source) -> Iterator[Observation]:
    """What a client is told: of each measure and host, how many checks said what."""
    environment = source.material.environment.name
    for one in source.measures:
        runs = [run["run"] for run in one["evidence"]["runs"]]
        for host in one["hosts"]:
            if host["at"] is None:
                continue
            counts = {str(verdict): host[verdict] for verdict in Verdict}
            seen = sum(counts.values())
            words = source.text("measures.of_checks", n=counts["holds"], counted=seen)
            yield Observation(
                host["name"],
                (one["number"],),
                {
                    "uuid": identifier(
                        "observations", environment, one["number"], host["name"], host["at"]
                    ),
                    "title": f"{one['number']} {one['title']}",
                    "description": words,
                    **props(counts.items()),
                    **_of(source, host["name"]),
                    **_evidence(source, runs),
                    "collected": host["at"],
                    **_until(source, host["at"], fails=host["fails"] > 0),
                },
            )


def _said(source: Source, verdict: Verdict, message: str) -> str:
    said = str(source.words.texts["verdicts"][verdict])
    return f"{said}. {message}".strip() if message else f"{said}."


def _of(source: Source, subject: str | None) -> Data:
    """How it was looked at, and what: a host is tested, what people write down is examined."""
    return {
        "methods": ["TEST" if subject else "EXAMINE"],
        "subjects": [
            {
                "subject-uuid": subject_id(source, subject),
                "type": "inventory-item" if subject else "component",
                "title": subject or source.text("oscal.registers.title"),
            }
        ],
    }


def _evidence(source: Source, runs: Sequence[int]) -> Mapping[str, Sequence[Data]]:
    return {
        "relevant-evidence": [
            {
                "href": f"#{run_id(source, run)}",
                "description": source.text("oscal.run", run=run),
            }
            for run in runs
        ]
    }


def _until(source: Source, seen: str, *, fails: bool) -> Data:
    """Until when it counts. A failure has no end: it stands until a run sees that it is gone."""
    if fails:
        return {}
    end = datetime.fromisoformat(seen) + timedelta(days=source.material.max_age.days)
    return {"expires": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
