"""Apply: show the plan, have it approved, do it, verify it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.boot_proof import unlock_proof
from orchestrator.clients import open_all
from orchestrator.drift.carry import Carried, accepted_hosts, carry_forward
from orchestrator.drift.collector import Seen
from orchestrator.drift.third_eye import seen_whole
from orchestrator.engine import (
    OnProgress,
    PlayOutcome,
    PlayRequest,
    PlayStatus,
    Strategy,
    connections,
    play,
)
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.paths import project_root
from orchestrator.plan import Plan, beyond, inputs_of, make_plan, site_request, stale_because
from orchestrator.reboot import Reboot, reboot, waiting
from orchestrator.records import RunStatus, TaskResult
from orchestrator.runs import STATUS_OF_PLAY, Recorder, recorded, utc_now
from orchestrator.selection import Selection
from orchestrator.unlock import declared_unlock
from orchestrator.verify import Verification, check_files, verify

SETTLE = "playbooks/settle.yml"


@dataclass(frozen=True)
class Interaction:
    """What an apply asks of and tells whoever called it."""

    approve: Callable[[Plan], bool]
    stage: Callable[[str], None]
    progress: OnProgress


@dataclass(frozen=True)
class Applied:
    """What became of an apply; what did not come to pass is None."""

    run_id: int
    plan: Plan | None
    outcome: PlayOutcome | None
    rolled_back: tuple[str, ...]
    verification: Verification | None
    declined: bool = False
    # The hosts on which something waits for a restart, and what became of it.
    reboots: tuple[Reboot, ...] = ()
    # How the accepted states of the hosts moved on with it.
    carried: Carried = field(default_factory=Carried)

    @property
    def exit_code(self) -> ExitCode:
        """The worst of the play and of the checks."""
        if self.declined:
            return ExitCode.INTERRUPTED
        if self.outcome is not None and self.outcome.status is not PlayStatus.OK:
            return STATUS_OF_PLAY[self.outcome.status].exit_code
        if any(each.fault for each in self.reboots):
            return ExitCode.ERROR
        return self.verification.exit_code if self.verification else ExitCode.OK


def apply(
    environment: Environment,
    selection: Selection,
    strategy: Strategy,
    interaction: Interaction,
    *,
    saved: Plan | None = None,
    confirm_timeout: int,
    restart: bool = False,
) -> Applied:
    """Bring the hosts to the declared state and verify them; the run is recorded.

    `confirm_timeout` is in seconds. With `restart`, the hosts on which something waits for it are
    restarted before they are verified. Raises Locked when another apply holds the environment, and
    PasInfraError when `saved`, a plan that was approved before, no longer holds.
    """
    options = {
        "hosts": selection.hosts,
        "roles": selection.roles,
        "measures": selection.measures,
        "strategy": strategy,
        "confirm_timeout": confirm_timeout,
        "reboot": restart,
    }
    if saved is not None:
        _refuse_stale(saved, environment)
    with recorded(environment, "apply", options) as run:
        interaction.stage("plan")
        plan, foreseen = make_plan(
            environment, selection, strategy, on_progress=interaction.progress, now=utc_now()
        )
        if foreseen.status is not PlayStatus.OK:
            run.keep_outcome(foreseen)
            return Applied(run.id, plan, foreseen, (), None)
        if saved is not None:
            _refuse_beyond(saved, plan)
        elif not interaction.approve(plan):
            run.end_with(RunStatus.INTERRUPTED, "the operator declined the plan")
            return Applied(run.id, plan, None, (), None, declined=True)
        known = accepted_hosts(run.store, selection.hosts)
        if known:
            interaction.stage("look")
        before, left = seen_whole(environment, known)
        applied = _carry_out(
            environment, selection, strategy, interaction, run, plan, confirm_timeout, restart
        )
    return _accepted(environment, applied, interaction, before, left)


def _accepted(
    environment: Environment,
    applied: Applied,
    interaction: Interaction,
    before: Mapping[str, Seen],
    left: Mapping[str, str],
) -> Applied:
    """What the apply has done is accepted with it, once it came to its end."""
    if applied.outcome is None or applied.outcome.status is not PlayStatus.OK:
        return applied
    if before:
        interaction.stage("accept")
    faults = {each.host: each.fault for each in applied.reboots if each.fault}
    carried = carry_forward(environment, before, applied.run_id, faults)
    return replace(applied, carried=replace(carried, left={**left, **carried.left}))


def _carry_out(
    environment: Environment,
    selection: Selection,
    strategy: Strategy,
    interaction: Interaction,
    run: Recorder,
    plan: Plan,
    confirm_timeout: int,
    restart: bool,  # noqa: FBT001
) -> Applied:
    interaction.stage("apply")
    run.keep_inputs(inputs_of(environment))
    request = site_request(
        environment,
        selection,
        strategy,
        check=False,
        extra_variables={"confirmed_commit_timeout": confirm_timeout},
    )
    outcome = play(request, on_progress=run.keep_and_tell(interaction.progress))
    run.keep_outcome(outcome)
    rolled_back = _rolled_back(outcome.failed)
    if outcome.status is PlayStatus.FAILED:
        interaction.stage("roll back")
        rolled_back += _settle(environment, outcome, strategy, confirm_timeout)
    if rolled_back:
        run.end_with(RunStatus.FAILED, "\n".join(rolled_back))
    if outcome.status in (PlayStatus.FAILED, PlayStatus.INTERRUPTED):
        return Applied(run.id, plan, outcome, rolled_back, None)
    reached = connections(environment, selection.hosts)
    may_restart = restart and outcome.status is PlayStatus.OK
    reboots = tuple(
        [
            _with_volumes(environment, each)
            for each in reboot(
                reached,
                lambda host: interaction.stage(f"reboot {host}"),
                prove=unlock_proof(environment),
                unlock=declared_unlock(environment),
            )
        ]
        if may_restart
        else waiting(reached)
    )
    verification = None
    if check_files(selection):
        interaction.stage("verify")
        verification = verify(environment, selection)
        run.keep_checks(verification.checks)
    faults = "; ".join(f"{each.host} {each.fault}" for each in reboots if each.fault)
    if outcome.status is PlayStatus.OK and faults:
        run.end_with(RunStatus.FAILED, faults)
    elif outcome.status is PlayStatus.OK and verification:
        run.end_with(verification.run_status, verification.summary)
    return Applied(run.id, plan, outcome, rolled_back, verification, reboots=reboots)


def _with_volumes(environment: Environment, each: Reboot) -> Reboot:
    """A host that is back, after its clients' volumes were opened."""
    if not each.is_back:
        return each
    try:
        troubles = "; ".join(
            f"{one.client}: {one.trouble}"
            for one in open_all(environment, each.host)
            if one.trouble
        )
    except PasInfraError as error:
        troubles = error.what
    return replace(each, fault=f"is back, but {troubles}") if troubles else each


def _settle(
    environment: Environment, outcome: PlayOutcome, strategy: Strategy, confirm_timeout: int
) -> tuple[str, ...]:
    """Roll back, on the hosts where a task failed, what was armed and will not be confirmed."""
    hosts = tuple(sorted({result.host for result in outcome.failed}))
    settled = play(
        PlayRequest(
            environment=environment,
            playbook=project_root() / SETTLE,
            hosts=hosts,
            check=False,
            strategy=strategy,
        ),
        on_progress=lambda _: None,
    )
    silent = sorted(set(hosts) - set(settled.recap)) + [
        host for host, counts in settled.recap.items() if counts.unreachable
    ]
    return _rolled_back(settled.results) + tuple(
        f"{host}: not reached; what is armed there restores itself within {confirm_timeout} s"
        for host in silent
    )


def _rolled_back(results: tuple[TaskResult, ...]) -> tuple[str, ...]:
    return tuple(
        f"{result.host}: {result.message}"
        for result in results
        if result.action == "confirmed_commit" and "rolled back" in result.message
    )


def _refuse_stale(saved: Plan, environment: Environment) -> None:
    reasons = stale_because(saved, environment)
    if reasons:
        shown = "\n  ".join(reasons[:20])
        raise PasInfraError(
            f"the plan of {saved.made} is stale, because since then:\n  {shown}",
            where=Path(environment.directory),
            next_step="make a new one and have it approved: pas-infra plan -o FILE",
        )


def _refuse_beyond(saved: Plan, fresh: Plan) -> None:
    more = beyond(saved, fresh)
    if more:
        shown = "\n  ".join(more[:20])
        raise PasInfraError(
            f"the hosts have moved since the plan of {saved.made}; it did not show:\n  {shown}",
            next_step="make a new one and have it approved: pas-infra plan -o FILE",
        )
