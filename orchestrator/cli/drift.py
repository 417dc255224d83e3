"""`pas-infra drift`: what the hosts have become, and what is done about it."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.drift_nightly import nightly, report, schedule
from orchestrator.cli.options import (
    environment_option,
    json_option,
    limit_option,
    role_option,
    strategy_option,
)
from orchestrator.cli.progress import progress_of
from orchestrator.cli.terminal import console, print_json
from orchestrator.errors import Incomplete

if TYPE_CHECKING:
    from orchestrator.drift.finding import Finding
    from orchestrator.environment import Environment
    from orchestrator.store import Store

_NEVER = "{} was not looked at yet"
_LOOK = "pas-infra drift --env {}"


@click.group("drift", invoke_without_command=True)
@environment_option
@limit_option
@role_option
@strategy_option
@click.option("--quick", is_flag=True, help="Only what is known in one round trip a host.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    environment_name: str,
    limit: tuple[str, ...],
    roles: tuple[str, ...],
    strategy: str | None,
    *,
    quick: bool,
    as_json: bool,
) -> int:
    """Show what the hosts have become since they were brought to the declared state.

    The roles are asked in check mode, the checks of `verify` are run, and what is there is compared
    with what was accepted (`drift baseline`; not with --role). Nothing on the hosts is changed but
    a canary, which each eye must report. Exit 0 when nothing has moved, 2 when something has, 4
    when something could not be seen, or the canary was not.

    With --quick, for every few minutes, only the collector looks, and at no program: what has moved
    since the hosts were accepted is told; a finding stays open until a whole look.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return 0
    from orchestrator.cli.drift_view import as_data, show
    from orchestrator.drift.look import look
    from orchestrator.drift.quick import quick_look
    from orchestrator.engine import Strategy, default_strategy
    from orchestrator.environment import load_environment
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    selection = select(environment, limit=limit, roles=roles)
    chosen = Strategy(strategy) if strategy else default_strategy()
    if quick:
        if roles or strategy:
            raise click.UsageError("--quick runs no role: it takes neither --role nor --strategy")
        drift = quick_look(environment, selection, today=date.today())
    else:
        with progress_of("drift") as progress:
            drift = look(environment, selection, chosen, on_progress=progress)
    if as_json:
        print_json(as_data(drift))
    else:
        show(drift, console())
    return drift.exit_code


@command.command("baseline", short_help="Accept the hosts as they are.")
@environment_option
@limit_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def baseline(
    environment_name: str,
    limit: tuple[str, ...],
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """Accept the hosts as they are: accounts, packages, units, files, listeners and the rest.

    From then on drift tells what appears, changes or goes. What differs from the state that was
    accepted before is shown first; what is against people.yml or flows.yml is a finding all the
    same. Do it once, on hosts that you trust: each apply moves the accepted state on by what it
    changes.
    """
    from orchestrator.cli.drift_view import show_differences
    from orchestrator.drift.third_eye import accept_states
    from orchestrator.environment import load_environment
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    selection = select(environment, limit=limit)

    def approve(differences: "Mapping[str, tuple[Finding, ...]]") -> bool:
        show_differences(differences, console(stderr=True))
        return yes or click.confirm("Accept this state?", err=True)

    done = accept_states(environment, selection, approve=approve)
    told = console(stderr=True)
    if as_json:
        found = {host: [asdict(one) for one in each] for host, each in done.differences.items()}
        print_json({"run": done.run_id, "differences": found, "missing": dict(done.missing)})
    for host, why in done.missing.items():
        told.print(f"{host}: nothing was accepted: {why}", markup=False)
    told.print(f"recorded as run {done.run_id} (pas-infra history {done.run_id})")
    return done.exit_code


@command.command("history")
@environment_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=14,
    show_default=True,
    help="How many runs to list.",
)
@json_option
def history(environment_name: str, limit: int, *, as_json: bool) -> None:
    """List the runs of drift, newest first: one headline a host, then the trend."""
    from orchestrator.cli.drift_view import looks_as_data, show_looks
    from orchestrator.drift.memory import looks

    environment, store = _opened(environment_name)
    with store:
        found = looks(store, limit=limit, now=datetime.now(UTC))
    if as_json:
        print_json(looks_as_data(found))
    elif found:
        show_looks(found, console())
    else:
        click.echo(f"{_NEVER.format(environment.name)}: {_LOOK.format(environment_name)}", err=True)


@command.command("show")
@click.argument("identity", required=False, metavar="[FINDING]")
@environment_option
@json_option
def show_finding(identity: str | None, environment_name: str, *, as_json: bool) -> None:
    """List the findings that are open, as they were seen last; with FINDING, that one in full."""
    from orchestrator.cli.drift_view import show_known, show_sightings
    from orchestrator.drift.memory import find, was_looked_at

    environment, store = _opened(environment_name)
    with store:
        if identity is not None:
            known = find(store, identity)
            if as_json:
                print_json(asdict(known))
            else:
                show_known(known, console())
            return
        found, looked = store.drift.open(), was_looked_at(store)
    if not (found or looked):
        raise Incomplete(_NEVER.format(environment.name), next_step=_LOOK.format(environment_name))
    if as_json:
        print_json([asdict(one) for one in found])
    elif found:
        show_sightings(found, console(), diffs=False)
    else:
        click.echo(f"{environment.name} has no open finding", err=True)


@command.command("accept")
@click.argument("identity", metavar="FINDING")
@environment_option
@click.option("--reason", required=True, help="Why it may stay as it is.")
@click.option(
    "--compensating-measure",
    default="l'écart est revu à chaque passage de pas-infra drift",
    show_default=True,
    metavar="TEXT",
    help="What reduces the risk meanwhile.",
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    metavar="YYYY-MM-DD",
    help="The last day on which it may; from the next one on it is a finding again.",
)
@click.option("--by", help="Who accepts it; without it, your account.")
@json_option
def accept(
    identity: str,
    environment_name: str,
    reason: str,
    compensating_measure: str,
    until: datetime,
    by: str | None,
    *,
    as_json: bool,
) -> None:
    """Accept a finding until a day, as a waiver of waivers.yml."""
    from orchestrator.cli.results import show_diff
    from orchestrator.drift.acceptance import accept as write_waiver
    from orchestrator.drift.acceptance import rules_of
    from orchestrator.drift.memory import find
    from orchestrator.operator import current_operator

    environment, store = _opened(environment_name)
    with store:
        finding = find(store, identity).sighting
    written = write_waiver(
        environment,
        finding,
        reason=reason,
        compensating_measure=compensating_measure,
        until=until.date(),
        approver=by or current_operator(),
        today=date.today(),
    )
    if as_json:
        data: dict[str, Any] = {"file": written.file, "rules": rules_of(finding)}
        print_json({**data, "host": finding.host, "until": until.date()})
        return
    show_diff(written.diff, console())
    click.echo(f"accepted until {until:%Y-%m-%d}, in {written.file}", err=True)


@command.command("fix")
@click.argument("identity", metavar="FINDING")
@environment_option
@strategy_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def fix(
    ctx: click.Context,
    identity: str,
    environment_name: str,
    strategy: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """Put a finding right: apply the role that declares it, on its host, and verify that."""
    from orchestrator.cli.apply import command as apply
    from orchestrator.drift.memory import find
    from orchestrator.drift.repair import what_repairs

    _, store = _opened(environment_name)
    with store:
        host, role = what_repairs(find(store, identity))
    code: int = ctx.invoke(
        apply,
        environment_name=environment_name,
        limit=(host,),
        roles=(role,),
        strategy=strategy,
        yes=yes,
        as_json=as_json,
    )
    return code


command.add_command(nightly)
command.add_command(report)
command.add_command(schedule)


def _refuse_options(ctx: click.Context) -> None:
    """What stands before a subcommand would not reach it: another environment would be shown."""
    given = click.core.ParameterSource.COMMANDLINE
    if any(ctx.get_parameter_source(name) is given for name in ctx.params):
        raise click.UsageError(
            f"options of `{ctx.invoked_subcommand}` stand behind it: "
            f"pas-infra drift {ctx.invoked_subcommand} --env NAME"
        )


def _opened(environment_name: str) -> "tuple[Environment, Store]":
    from orchestrator.environment import load_environment
    from orchestrator.store import Store

    environment = load_environment(environment_name)
    return environment, Store.open(environment.store_directory, environment.name)
