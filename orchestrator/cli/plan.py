"""`pas-infra plan`: what apply would change; nothing is changed."""

from pathlib import Path

import click

from orchestrator.cli.options import (
    OutputFile,
    environment_option,
    json_option,
    selection_options,
    strategy_option,
)
from orchestrator.cli.progress import progress_of
from orchestrator.cli.results import plan_as_json, show_plan, show_troubles
from orchestrator.cli.terminal import console, print_json
from orchestrator.exit_codes import ExitCode


@click.command("plan")
@environment_option
@selection_options
@strategy_option
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    help="Save the plan, for `pas-infra apply FILE` to do exactly that.",
)
@json_option
def command(
    environment_name: str,
    limit: tuple[str, ...],
    roles: tuple[str, ...],
    measures: tuple[str, ...],
    strategy: str | None,
    output: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes options by name
) -> int:
    """Show what apply would change, per host and role; exit 2 when there is something."""
    from orchestrator.engine import PlayStatus, Strategy, default_strategy
    from orchestrator.environment import load_environment
    from orchestrator.plan import plan_and_record, save_plan
    from orchestrator.runs import STATUS_OF_PLAY
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    selection = select(environment, limit=limit, roles=roles, measures=measures)
    chosen = Strategy(strategy) if strategy else default_strategy()
    with progress_of("plan") as progress:
        plan, outcome = plan_and_record(environment, selection, chosen, on_progress=progress)
    if as_json:
        print_json(plan_as_json(plan, outcome))
    else:
        show_plan(plan, console(), complete=outcome.status is PlayStatus.OK)
    if outcome.status is not PlayStatus.OK:
        show_troubles(outcome, console(stderr=True))
        return STATUS_OF_PLAY[outcome.status].exit_code
    if output is not None:
        save_plan(plan, output)
        click.echo(f"saved; to do exactly this: pas-infra apply {output}", err=True)
    return ExitCode.FINDINGS if plan.changes else ExitCode.OK
