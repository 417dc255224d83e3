"""Why a host differs: we changed the code or the declaration since its last apply, or it moved."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from orchestrator.drift.finding import Finding
from orchestrator.records import Run, Verdict
from orchestrator.store import Store

_RUNS = 200  # applies that are looked through, newest first
_REGISTERS = "registers"  # what they hold declares nothing of a host


class Cause(StrEnum):
    """Why a host differs."""

    PENDING = "pending"
    CORRECTIVE = "corrective"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Applied:
    """The last apply of a host (and role): what shaped it, and which checks failed right after."""

    run: Run
    whole: bool
    inputs: Mapping[str, str]
    failing: frozenset[str]


def last_apply(store: Store, host: str, role: str) -> Applied | None:
    """The last apply that brought the host, and this role, to the declared state; None without."""
    for run in store.runs(_RUNS, "apply"):
        hosts, roles = run.options.get("hosts") or [], run.options.get("roles") or []
        covers = host in hosts and (not roles or role in roles)  # type: ignore[operator]
        inputs = store.drift.inputs(run.id)
        if not covers or run.options.get("measures") or not inputs:
            continue
        counts = store.recap(run.id).get(host)
        return Applied(
            run=run,
            whole=counts is not None and not (counts.failed or counts.unreachable),
            inputs=inputs,
            failing=frozenset(
                check.check
                for check in store.checks(run.id)
                if check.host == host and check.verdict is Verdict.FAILS
            ),
        )
    return None


def cause_of(
    finding: Finding, applied: Applied | None, now: Mapping[str, str]
) -> tuple[Cause, str]:
    """The cause of a finding, and why it is taken for that.

    `now` is what shapes a run at this moment (`plan.inputs_of`). That something was changed since
    does not prove that this is why the host differs, but that an apply has to come first.
    """
    if applied is None:
        return Cause.UNKNOWN, "no apply of this host is recorded"
    since = f"since run {applied.run.id}, its last apply"
    if not applied.whole:
        return Cause.UNKNOWN, f"run {applied.run.id}, its last apply, did not come to its end"
    changed = [
        name
        for name in sorted({*now, *applied.inputs})
        if now.get(name) != applied.inputs.get(name) and concerns(name, finding)
    ]
    if changed:
        return Cause.PENDING, f"changed {since}: {', '.join(changed)}"
    if finding.name in applied.failing:
        return Cause.UNKNOWN, f"it failed right after run {applied.run.id}, its last apply, too"
    return Cause.CORRECTIVE, f"nothing was changed on our side {since}"


def concerns(name: str, finding: Finding) -> bool:
    """Whether an input of a run shapes the object of a finding."""
    if name.startswith("role "):
        return not finding.role or name == f"role {finding.role}"
    parts = PurePath(name).parts
    if parts[0] == "host_vars" and len(parts) > 1:
        return PurePath(parts[1]).stem == finding.host or parts[1] == finding.host
    return name != "lab.yml" and parts[0] != _REGISTERS
