"""A look: what the hosts have become, by every eye, with the proof that each of them sees."""

import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, partial

from orchestrator.drift import canary, third_eye
from orchestrator.drift.acceptance import waiver_of
from orchestrator.drift.cause import Cause, cause_of, last_apply
from orchestrator.drift.coverage import Coverage, coverage_of
from orchestrator.drift.eyes import seen_by_checks, seen_by_roles, together
from orchestrator.drift.finding import Eye, Finding
from orchestrator.engine import OnProgress, PlayOutcome, PlayStatus, Strategy, connections, play
from orchestrator.environment import Environment, Waiver
from orchestrator.errors import Interrupted
from orchestrator.exit_codes import ExitCode
from orchestrator.paths import project_root
from orchestrator.plan import inputs_of, site_request
from orchestrator.records import HostDrift, RunStatus, Sighting
from orchestrator.runs import Recorder, recorded, utc_now
from orchestrator.selection import Selection, role_names
from orchestrator.store import Store
from orchestrator.verify import Verification, verify

TOKEN_BYTES = 8  # no two runs have the same


@dataclass(frozen=True)
class Drift:
    """What a look has found; `coverage` is by host, of those of which anything was seen."""

    run_id: int
    hosts: tuple[HostDrift, ...]
    sightings: tuple[Sighting, ...]
    coverage: Mapping[str, Coverage]

    @property
    def status(self) -> RunStatus:
        """How the run is recorded: what was not seen outweighs what was."""
        if not self.hosts or not all(host.complete for host in self.hosts):
            return RunStatus.INCOMPLETE
        found = any(host.findings for host in self.hosts)
        return RunStatus.FINDINGS if found else RunStatus.OK

    @property
    def exit_code(self) -> ExitCode:
        """The code that the command ends with."""
        return self.status.exit_code


@dataclass(frozen=True)
class Seen:
    """What the eyes reported of the hosts, the canary's findings among it."""

    outcome: PlayOutcome
    verification: Verification
    # Why the canary could not be placed or restored, by host.
    canary_trouble: Mapping[str, str]
    # None where the look was narrowed to some roles: of them the third eye knows nothing.
    collected: third_eye.Collected | None = None

    @property
    def by_roles(self) -> list[Finding]:
        """What the roles would put right."""
        return seen_by_roles(self.outcome)

    @property
    def by_checks(self) -> list[Finding]:
        """What does not hold."""
        return seen_by_checks(self.verification.checks, role_names())

    @property
    def by_collector(self) -> tuple[Finding, ...]:
        """What differs from the state that was accepted."""
        return self.collected.findings if self.collected else ()

    @property
    def eyes(self) -> tuple[Eye, ...]:
        """Those that looked."""
        return (Eye.ROLES, Eye.CHECKS, *([Eye.COLLECTOR] if self.collected else []))


def look(
    environment: Environment,
    selection: Selection,
    strategy: Strategy,
    *,
    on_progress: OnProgress,
    today: date | None = None,
) -> Drift:
    """Look at the hosts through every eye, and record what they see.

    Nothing on them is changed but the canary. Raises Locked when another run holds the environment,
    Interrupted when the operator stops it: the canary is restored all the same.
    """
    options = {"hosts": selection.hosts, "roles": selection.roles, "strategy": strategy}
    token = secrets.token_hex(TOKEN_BYTES)
    with recorded(environment, "drift", options) as run:
        started = utc_now()
        seen = _look(environment, selection, strategy, on_progress, token, run.store)
        seconds = (utc_now() - started).total_seconds()
        drift = _remember(
            environment, selection, run, seen, token, seconds=seconds, today=today or date.today()
        )
        run.end_with(drift.status, "; ".join(headline(host) for host in drift.hosts))
    return drift


def _look(
    environment: Environment,
    selection: Selection,
    strategy: Strategy,
    on_progress: OnProgress,
    token: str,
    store: Store,
) -> Seen:
    reached = connections(environment, selection.hosts)
    try:
        unplaced = canary.tamper(reached, token)
        # Before the others, whose own work there it would see.
        there = (
            None if selection.roles else third_eye.collected(environment, store, reached, utc_now())
        )
        request = site_request(
            environment, selection, strategy, check=True, extra_variables=canary.VARIABLES
        )
        request = replace(request, playbook=project_root() / canary.PLAYBOOK)
        # Both mostly wait for the hosts, and neither changes what the other looks at.
        with ThreadPoolExecutor(max_workers=1) as pool:
            more = [project_root() / canary.CHECK]
            checking = pool.submit(verify, environment, selection, more=more)
            outcome = play(request, on_progress=on_progress)
            if outcome.status is PlayStatus.INTERRUPTED:
                raise Interrupted(
                    "stopped before everything was looked at",
                    next_step="run it again: what was not seen is not known",
                )
            verification = checking.result()
    finally:
        unrestored = canary.restore(reached)
    trouble = {host: f"the canary could not be placed: {why}" for host, why in unplaced.items()}
    trouble |= {
        host: f"the canary could not be restored: {why}"
        for host, why in unrestored.items()
        if host not in unplaced
    }
    return Seen(outcome, verification, trouble, there)


def incomplete_because(hosts: Sequence[str], seen: Seen, token: str) -> dict[str, tuple[str, ...]]:
    """By host, everything that keeps it from being believed; hosts that can be are left out."""
    outcome, verification = seen.outcome, seen.verification
    reported = [*seen.by_roles, *seen.by_checks, *seen.by_collector]
    unseen = canary.unseen(reported, hosts, token, seen.eyes)
    uncompared = seen.collected.uncompared if seen.collected else {}
    why: dict[str, list[str]] = {host: [] for host in hosts}
    for gap in (*outcome.gaps, *([outcome.message] if outcome.message else [])):
        of_one = [host for host in hosts if gap.startswith(f"{host}: ")]
        for host in of_one or hosts:
            why[host].append(gap.removeprefix(f"{host}: "))
    for result in outcome.failed:
        task = f"{result.role} : {result.task}".removeprefix(" : ")
        said = "its output is secret" if result.censored else result.message
        why[result.host].append(f"{task}: {result.status}: {said or 'it says nothing'}")
    for check in verification.in_doubt:
        if check.host in why:
            why[check.host].append(f"{check.check} was not measured: {check.message}")
    for told in (verification.missing, seen.canary_trouble, uncompared, unseen):
        for host, reason in told.items():
            if host in why:
                why[host].append(reason)
    return {host: tuple(dict.fromkeys(reasons)) for host, reasons in why.items() if reasons}


def sighting_of(
    finding: Finding, cause: tuple[Cause, str], waivers: Sequence[Waiver], today: date
) -> Sighting:
    """A finding as the store keeps it; an acceptance that has ended is told, and holds no more."""
    waiver = waiver_of(finding, waivers)
    holds = waiver is not None and waiver.until >= today
    expired = f"its acceptance ended on {waiver.until}\n" if waiver and not holds else ""
    return Sighting(
        identity=finding.identity,
        host=finding.host,
        kind=finding.kind,
        object_kind=finding.object_kind,
        name=finding.name,
        eye=finding.eye,
        severity=finding.severity,
        measures=finding.measures,
        seen=expired + finding.seen,
        role=finding.role,
        checks=finding.checks,
        cause=cause[0],
        because=cause[1],
        accepted_until=waiver.until.isoformat() if waiver and holds else "",
    )


def summed_up(
    host: str,
    sightings: Sequence[Sighting],
    coverage: Coverage,
    why: tuple[str, ...],
    seconds: float,
) -> HostDrift:
    """What a run says of one host."""
    own = [one for one in sightings if one.host == host]
    counted = [one for one in own if not one.accepted_until]
    return HostDrift(
        host=host,
        complete=not why,
        findings=len(counted),
        new=sum(one.new for one in counted),
        pending=sum(one.cause == Cause.PENDING for one in counted),
        accepted=len(own) - len(counted),
        blind=coverage.blind,
        coverage=coverage.percent,
        seconds=seconds,
        why=why,
    )


def headline(host: HostDrift) -> str:
    """The one line of the morning: `rbx7: DRIFT 2 (1 new) · pending 0 · blind 3 · …`."""
    found = f"DRIFT {host.findings} ({host.new} new)" if host.findings else ""
    state = " ".join(filter(None, ("" if host.complete else "INCOMPLETE", found))) or "OK"
    parts = [
        state,
        f"pending {host.pending}",
        *([f"accepted {host.accepted}"] if host.accepted else []),
        f"blind {host.blind}",
        # Rounded down: 100 % says that nothing was left out.
        f"coverage {int(host.coverage)} %",
        f"{host.seconds:.0f} s",
    ]
    return f"{host.host}: {' · '.join(parts)}"


def _remember(
    environment: Environment,
    selection: Selection,
    run: Recorder,
    seen: Seen,
    token: str,
    *,
    seconds: float,
    today: date,
) -> Drift:
    """Save everything that was seen of the hosts, the canary apart, and sum it up."""
    why = incomplete_because(selection.hosts, seen, token)
    tasks = [task for task in seen.outcome.results if not canary.is_canary(task)]
    # Those of the environment's registers stand under its own name: they are no host.
    checks = [
        check
        for check in seen.verification.checks
        if check.host in selection.hosts and not canary.is_canary(check)
    ]
    run.keep_outcome(replace(seen.outcome, results=tuple(tasks)))
    run.keep_checks(checks)
    findings = together(
        [one for one in seen.by_roles if not canary.is_canary(one)],
        [
            one
            for one in seen.by_checks
            if one.host in selection.hosts and not canary.is_canary(one)
        ],
    )
    findings = third_eye.with_third_eye(
        findings, [one for one in seen.by_collector if not canary.is_canary(one)]
    )
    now = inputs_of(environment)
    applied = cache(partial(last_apply, run.store))

    def cause(one: Finding) -> tuple[Cause, str]:
        if one.eye is Eye.COLLECTOR:
            return third_eye.cause_since_accepted(run.store, one.host)
        return cause_of(one, applied(one.host, one.role), now)

    sightings = run.store.drift.keep_sightings(
        run.id,
        [sighting_of(one, cause(one), environment.waivers, today) for one in findings],
        looked_at=[host for host in selection.hosts if host not in why],
        roles=selection.roles,
        now=utc_now(),
    )
    coverage = {host: coverage_of(host, tasks, checks) for host in selection.hosts}
    hosts = [
        summed_up(host, sightings, coverage[host], why.get(host, ()), seconds)
        for host in selection.hosts
    ]
    run.store.drift.set_hosts(run.id, hosts)
    return Drift(run.id, tuple(hosts), tuple(sightings), coverage)
