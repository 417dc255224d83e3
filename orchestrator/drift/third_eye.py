"""The third eye of a look: hosts as they are, against the state of each that was accepted."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from orchestrator.drift.cause import Cause
from orchestrator.drift.collector import (
    SLOW,
    accept,
    baseline_of,
    compare,
    declared_on,
    look,
    readable_baseline,
)
from orchestrator.drift.collector.look import Seen
from orchestrator.drift.finding import Finding, Severity
from orchestrator.engine import Connection, connections
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.records import RunStatus
from orchestrator.runs import recorded, utc_now
from orchestrator.selection import Selection
from orchestrator.store import Store

_RUNS = 200  # applies that are looked through, newest first
_NEVER_ACCEPTED = "no state of it was accepted: pas-infra drift baseline --limit {host}"
_CHANGED = (
    "its accepted state is not the one that was recorded: somebody has changed it in the store; "
    "look at the host, then accept it anew: pas-infra drift baseline"
)
_BASELINE = "baseline"
# What comparing an answer raises that no collector of ours has made.
_GARBAGE = (ValueError, TypeError, LookupError, ArithmeticError)


@dataclass(frozen=True)
class Collected:
    """What differs from the accepted states, and by host why not everything could be compared."""

    findings: tuple[Finding, ...] = ()
    uncompared: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Accepted:
    """By host, what was accepted; and of those that were not, why. `declined`: by the operator."""

    run_id: int
    differences: Mapping[str, tuple[Finding, ...]]
    missing: Mapping[str, str]
    declined: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """The code that the command ends with."""
        if self.declined:
            return ExitCode.INTERRUPTED
        return ExitCode.INCOMPLETE if self.missing else ExitCode.OK


def collected(
    environment: Environment,
    store: Store,
    reached: Iterable[Connection],
    now: datetime,
    *,
    quick: bool = False,
) -> Collected:
    """Look at the hosts in one round trip each, and compare; `quick`: what is known at once."""
    seen, missing = look(reached, quick=quick)
    uncompared = {host: f"what is there is not known: {why}" for host, why in missing.items()}
    findings: list[Finding] = []
    for host, found in seen.items():
        try:
            baseline = baseline_of(store, host)
        except PasInfraError as error:
            uncompared[host] = f"{error.what}: {error.next_step}"
            continue
        if baseline is None:
            uncompared[host] = _NEVER_ACCEPTED.format(host=host)
        elif not as_recorded(store, host):
            uncompared[host] = _CHANGED
        elif found.blind:
            uncompared[host] = blindness(found)
        elif unsaid := sorted(
            baseline.objects.keys() - found.objects.keys() - (SLOW if quick else set())
        ):
            uncompared[host] = f"it says nothing any more of: {', '.join(unsaid)}"
        try:
            compared = compare(host, found, baseline, declared_on(environment, host), now)
        except _GARBAGE as error:
            # Whoever is root there may have written it: the others are looked at all the same.
            uncompared[host] = f"what it says is there cannot be read: {error}"
            continue
        findings += [one for one in compared if baseline or one.object_kind != _BASELINE]
    return Collected(tuple(findings), uncompared)


def with_third_eye(others: Sequence[Finding], by_collector: Sequence[Finding]) -> list[Finding]:
    """All findings; an object that another eye has seen too is told once, as severe as either."""
    severity: dict[tuple[str, str], Severity] = {}
    for one in by_collector:
        key = (one.host, one.object)
        severity[key] = max(one.severity, severity.get(key, one.severity))
    known = {(one.host, one.object) for one in others}
    told = [
        replace(one, severity=max(one.severity, severity.get((one.host, one.object), one.severity)))
        for one in others
    ]
    return told + [one for one in by_collector if (one.host, one.object) not in known]


def cause_since_accepted(store: Store, host: str) -> tuple[Cause, str]:
    """Why a host differs from its accepted state: it moved, unless an apply has come since.

    Whose work it is then, nobody can tell: never *pending*, which people pass over.
    """
    baseline = readable_baseline(store, host)
    if baseline is None:
        return Cause.UNKNOWN, "no state of the host was accepted"
    for run in store.runs(_RUNS, "apply"):
        hosts = run.options.get("hosts") or []
        if run.started < baseline.accepted:
            break
        if host in hosts:  # type: ignore[operator]
            return Cause.UNKNOWN, (
                f"run {run.id} was applied since its state was accepted: if this is its work, "
                f"pas-infra drift baseline --limit {host}"
            )
    return Cause.CORRECTIVE, "nothing was applied since its state was accepted"


def accept_states(
    environment: Environment,
    selection: Selection,
    *,
    approve: Callable[[Mapping[str, tuple[Finding, ...]]], bool],
) -> Accepted:
    """Accept the hosts as they are now, if that is approved; recorded.

    `approve` is given by host what differs from the state that was accepted before. Nothing is kept
    of a host that could not be looked at as a whole.
    """
    with recorded(environment, "drift baseline", {"hosts": selection.hosts}) as run:
        seen, missing = seen_whole(environment, selection.hosts)
        now = utc_now()
        whole, differences = {}, {}
        for host in seen:
            before, declared = readable_baseline(run.store, host), declared_on(environment, host)
            try:
                differences[host] = compare(host, seen[host], before, declared, now)
            except _GARBAGE as error:
                missing[host] = f"what it says is there cannot be read: {error}"
            else:
                whole[host] = seen[host]
        if not approve(differences):
            run.end_with(RunStatus.INTERRUPTED, "the operator declined the states")
            return Accepted(run.id, differences, missing, declined=True)
        # What was accepted stands in the record of the run, and so in the chain of all records.
        run.keep_inputs({name_of(h): digest(s.objects) for h, s in whole.items()})
        for host, found in whole.items():
            accept(run.store, run.id, host, found, now)
        if missing:
            told = "; ".join(f"{host}: {why}" for host, why in missing.items())
            run.end_with(RunStatus.INCOMPLETE, told)
        return Accepted(run.id, differences, missing)


def seen_whole(
    environment: Environment, hosts: Sequence[str]
) -> tuple[dict[str, Seen], dict[str, str]]:
    """What is there on the hosts that can say all of it; and of the others, why not."""
    if not hosts:
        return {}, {}
    seen, missing = look(connections(environment, hosts))
    missing |= {host: blindness(found) for host, found in seen.items() if found.blind}
    return {host: found for host, found in seen.items() if host not in missing}, missing


def as_recorded(store: Store, host: str) -> bool:
    """Whether a state of the host was accepted, and is the one that its run has recorded."""
    kept = store.baselines.of(host)
    if kept is None or kept.run_id is None:
        return False
    return store.drift.inputs(kept.run_id).get(name_of(host)) == digest(kept.objects)


def name_of(host: str) -> str:
    """What the record of a run calls the state of a host that it accepted."""
    return f"accepted state of {host}"


def digest(objects: Mapping[str, Any]) -> str:
    """The SHA-256 of a state, by which the record of the run that accepted it names it."""
    told = json.dumps(objects, sort_keys=True, separators=(",", ":"))
    return sha256(told.encode()).hexdigest()


def blindness(found: Seen) -> str:
    """Why not all that is there on a host is known."""
    parts = "; ".join(f"{part}: {why}" for part, why in found.blind.items())
    return f"not all that is there is known ({parts})"
