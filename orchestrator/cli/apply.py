"""`pas-infra apply`: bring the hosts to the declared state, then verify them."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import (
    environment_option,
    json_option,
    selection_options,
    strategy_option,
)
from orchestrator.cli.progress import Stages
from orchestrator.cli.results import (
    applied_as_json,
    show_plan,
    show_recap,
    show_troubles,
    show_verification,
)
from orchestrator.cli.terminal import console, print_json
from orchestrator.errors import Interrupted, PasInfraError

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.apply import Applied
    from orchestrator.drift.carry import Carried
    from orchestrator.environment import Environment
    from orchestrator.plan import Plan


@click.command("apply")
@click.argument(
    "plan_file",
    metavar="[PLANFILE]",
    required=False,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@environment_option
@selection_options
@strategy_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--confirm-timeout",
    type=click.IntRange(min=10),
    default=90,
    show_default=True,
    metavar="SECONDS",
    help="A change that can lock out rolls back unless it is confirmed within this time.",
)
@click.option(
    "--reboot",
    "restart",
    is_flag=True,
    help="Restart the hosts that wait for it, one by one and the bastion last, before verifying.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    plan_file: Path | None,
    environment_name: str,
    limit: tuple[str, ...],
    roles: tuple[str, ...],
    measures: tuple[str, ...],
    strategy: str | None,
    yes: bool,  # noqa: FBT001 - click passes options by name
    confirm_timeout: int,
    restart: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> int:
    """Show the plan, ask, do it, verify it. With PLANFILE, do what that plan showed or nothing."""
    from orchestrator.apply import Interaction, apply
    from orchestrator.engine import Strategy, default_strategy
    from orchestrator.environment import load_environment
    from orchestrator.plan import read_plan
    from orchestrator.selection import select

    saved = read_plan(plan_file) if plan_file else None
    if saved and (limit or roles or measures):
        raise PasInfraError(
            "a saved plan has its own hosts, roles and measures",
            next_step="leave out --limit, --role and --measure, or make another plan",
        )
    _environment_of_plan(context, saved, environment_name)
    environment = load_environment(Path(saved.directory) if saved else environment_name)
    selection = (
        saved.selection
        if saved
        else select(environment, limit=limit, roles=roles, measures=measures)
    )
    chosen = saved.strategy if saved else Strategy(strategy) if strategy else default_strategy()
    with Stages() as stages:

        def approve(plan: "Plan") -> bool:
            stages.end()
            show_plan(plan, console(stderr=True))
            return yes or _ask(plan)

        applied = apply(
            environment,
            selection,
            chosen,
            Interaction(approve=approve, stage=stages.begin, progress=stages.progress),
            saved=saved,
            confirm_timeout=confirm_timeout,
            restart=restart,
        )
    _show(applied, environment, as_json=as_json)
    return applied.exit_code


def _environment_of_plan(context: click.Context, saved: "Plan | None", name: str) -> None:
    """A plan for one environment is never applied to another that was named beside it."""
    from orchestrator.environment import find_environment

    given = context.get_parameter_source("environment_name")
    named = given is not None and given is not click.core.ParameterSource.DEFAULT
    if saved and named and find_environment(name) != Path(saved.directory):
        raise PasInfraError(
            f"the plan is for the environment {saved.environment}, not for {name}",
            where=saved.directory,
            next_step="leave out --env: the plan names its environment",
        )


def _ask(plan: "Plan") -> bool:
    question = (
        f"Apply these {len(plan.changes)} changes?"
        if plan.changes
        else "Nothing would change. Run all the same, and verify?"
    )
    try:
        return click.confirm(question, err=True)
    except click.Abort as stop:
        raise Interrupted(
            "nobody approved the plan: nothing was changed",
            next_step="answer y, or give --yes where nobody is there to answer",
        ) from stop


def _show_carried(carried: "Carried", environment: "Environment", told: "Console") -> None:
    """How the accepted states moved on; what may let somebody in by its name."""
    from orchestrator.drift.carry import grave

    of = f"--env {shlex.quote(str(environment.directory))}"
    for host, names in carried.objects.items():
        told.print(
            f"{host}: {len(names)} objects of its accepted state moved on with it "
            f"(pas-infra history {of} {carried.run_id})",
            markup=False,
        )
        for name in grave(names):
            told.print(f"  {name}", markup=False)
    for host, names in carried.open.items():
        told.print(f"{host}: changed too, and left for you to judge:", markup=False)
        for name in names:
            told.print(f"  {name}", markup=False)
        told.print(f"  next:  pas-infra drift {of} --limit {host}", markup=False)
    for host, why in carried.left.items():
        told.print(
            f"{host}: what was changed is not accepted: {why}\n"
            f"  next:  pas-infra drift baseline {of} --limit {host}",
            markup=False,
        )


def _show(applied: "Applied", environment: "Environment", *, as_json: bool) -> None:
    told = console(stderr=True)
    if as_json:
        print_json(applied_as_json(applied))
    elif applied.outcome:
        show_recap(applied.outcome.results, console())
    if applied.outcome:
        show_troubles(applied.outcome, told)
    for line in applied.rolled_back:
        told.print(f"[bold red]rolled back[/] {line}", markup=True)
    for one in applied.reboots:
        if one.is_back:
            told.print(f"{one.host} was restarted and is back after {one.seconds:.0f} s")
        else:
            told.print(f"[bold]{one.host}[/] waits for a restart:", markup=True)
            for reason in one.reasons:
                told.print(f"  {reason}")
            told.print(f"  {one.fault or 'next:  pas-infra apply --reboot'}")
    if applied.verification and not as_json:
        show_verification(applied.verification, console())
    if applied.declined:
        told.print("nothing was changed")
    elif applied.outcome:
        outcome = applied.outcome
        told.print(f"{len(outcome.changed)} changed in {outcome.duration:.0f} s ({outcome.status})")
    _show_carried(applied.carried, environment, told)
    told.print(
        f"recorded as run {applied.run_id} in {environment.store_directory} "
        f"(pas-infra history {applied.run_id})"
    )
