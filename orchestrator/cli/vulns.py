"""`pas-infra vulns`: what is open on the hosts, and what was decided of it."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.options import environment_option, json_option
from orchestrator.cli.terminal import console, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.vulnerabilities.decisions import Decision
    from orchestrator.vulnerabilities.exposure import Exposure
    from orchestrator.vulnerabilities.watch import Watch

_STYLES = {"high": "bold red", "medium": "red", "low": "yellow", "unimportant": "dim"}
_HOSTS = click.option(
    "-l", "--limit", "--host", "limit", multiple=True, metavar="HOST",
    help="Only these hosts or groups, separated by commas.",
)  # fmt: skip


@click.group("vulns", invoke_without_command=True)
@environment_option
@_HOSTS
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    metavar="FILE",
    help="Read the tracker's data from this file, as old as its time of change, and fetch nothing.",
)
@click.option(
    "--min-severity",
    "least",
    type=click.Choice(["unimportant", "low", "medium", "high"]),
    default="low",
    show_default=True,
    help="Leave out what is less grave; a severity that nobody assigned yet is always shown. "
    "Above low, the run says nothing of the rest: `status` and `verify` keep to the one before.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    environment_name: str,
    limit: tuple[str, ...],
    data: Path | None,
    least: str,
    as_json: bool,  # noqa: FBT001 - click passes options by name
) -> int:
    """Show the vulnerabilities that are open on the hosts, by Debian's security tracker.

    The packages are those that the live hosts have installed. Exit 0 when nothing is open or all is
    decided on, 2 when something is not or a decision is overdue, 4 when a host is missing or the
    data is too old.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from orchestrator.environment import load_environment
    from orchestrator.selection import select
    from orchestrator.vulnerabilities.watch import watch_and_record

    environment = load_environment(environment_name)
    selection = select(environment, limit=limit)
    watch = watch_and_record(environment, selection, data=data, least=least, now=datetime.now(UTC))
    if as_json:
        print_json(_as_data(watch))
    else:
        _show(watch, console())
    return watch.exit_code


@command.command("decide")
@click.argument("cves", nargs=-1, required=True, metavar="CVE...")
@environment_option
@click.option(
    "-l", "--limit", "--host", "limit", multiple=True, required=True, metavar="HOST",
    help="The hosts or groups that it is decided for, separated by commas; `all` for every one.",
)  # fmt: skip
@click.option(
    "--decision",
    type=click.Choice(["accept", "mitigate", "patch", "close"]),
    required=True,
    help="`close` ends what was decided before: the vulnerability is gone.",
)
@click.option("--reason", required=True, help="Why, or by what: it stands in the register.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The last day on which the decision holds; needed for all but `close`.",
)
@click.option("--by", help="Who decided; without it, your account.")
@json_option
def decide(
    cves: tuple[str, ...],
    environment_name: str,
    limit: tuple[str, ...],
    decision: str,
    reason: str,
    until: datetime | None,
    by: str | None,
    as_json: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Decide on vulnerabilities, as a dated entry of registers/vulnerabilities.yml."""
    from orchestrator.environment import load_environment
    from orchestrator.operator import current_operator
    from orchestrator.selection import select
    from orchestrator.vulnerabilities.decisions import record_decision

    environment = load_environment(environment_name)
    hosts = select(environment, limit=limit).hosts
    file = record_decision(
        environment.directory,
        cves,
        hosts=hosts,
        decision=decision,
        reason=reason,
        until=until.date() if until else None,
        by=by or current_operator(),
        today=date.today(),
    )
    if as_json:
        print_json({"register": file, "cves": cves, "hosts": hosts, "decision": decision})
    else:
        click.echo(f"{decision}: {', '.join(cves)} on {', '.join(hosts)}, in {file}")


def _show(watch: "Watch", to: "Console") -> None:
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    from orchestrator.vulnerabilities.watch import in_words

    if watch.exposures:
        columns = ("severity", "vulnerability", "package", "hosts", "installed", "fixed in")
        table = Table(*columns, "seen for", "decision", box=None, header_style="bold")
        for hosts, one in _together(watch.exposures):
            table.add_row(
                Text(one.severity, style=_STYLES.get(one.severity, "")),
                Text(one.cve),
                Text(one.package),
                Text(", ".join(hosts)),
                Text(one.installed),
                Text(one.fixed or (f"none: {one.no_dsa}" if one.no_dsa else "none yet")),
                f"{(watch.today - one.first_seen).days} d",
                Text(_decision(one, watch.today)),
            )
        to.print(table)
    for late in watch.overdue:
        to.print(
            f"[bold red]overdue[/] {late.cve} on {late.host}: {late.decision} ended on "
            f"{late.until} ({escape(late.reason)}); renew it, or close it when it is gone"
        )
    for host, why in watch.missing.items():
        to.print(f"[bold red]? {host}[/]: nothing can be said: {escape(why)}")
    if watch.data.trouble:
        to.print(f"[yellow]? {escape(watch.data.trouble)}[/]")
    old = f"; [bold red]too old[/]: {in_words(watch.oldest)} are declared" if watch.too_old else ""
    to.print(
        f"[bold]Data:[/] {escape(watch.data.source)}, of {watch.data.made:%Y-%m-%d %H:%M} UTC, "
        f"{in_words(watch.age)} old{old}"
    )
    hidden = f"; {watch.hidden} less grave are not shown" if watch.hidden else ""
    to.print(f"[bold]Vulnerabilities:[/] {escape(watch.summary)}{hidden}")


def _together(exposures: "tuple[Exposure, ...]") -> "list[tuple[list[str], Exposure]]":
    """The same on several hosts is one line."""
    from dataclasses import replace

    lines: dict[Exposure, tuple[list[str], Exposure]] = {}
    for one in exposures:
        decision = replace(one.decision, host="") if one.decision else None
        same = replace(one, host="", decision=decision)
        lines.setdefault(same, ([], one))[0].append(one.host)
    return list(lines.values())


def _decision(one: "Exposure", today: date) -> str:
    if one.decision is None or one.decision.decision == "close":
        return "-"
    if not one.decided(today):
        return f"{one.decision.decision}, ended on {one.decision.until}"
    return f"{one.decision.decision} until {one.decision.until}"


def _as_data(watch: "Watch") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "data": {
            "source": watch.data.source,
            "made": watch.data.made.isoformat(),
            "age_hours": round(watch.age.total_seconds() / 3600, 1),
            "too_old": watch.too_old,
            "trouble": watch.data.trouble,
        },
        "hosts": dict(watch.packages),
        "missing": dict(watch.missing),
        "open": [
            {
                **asdict(one),
                "age_days": (watch.today - one.first_seen).days,
                "decision": _plain(one.decision),
                "decided": one.decided(watch.today),
            }
            for one in watch.exposures
        ],
        "hidden": watch.hidden,
        "overdue": [_plain(one) for one in watch.overdue],
        "summary": watch.summary,
    }


def _plain(decision: "Decision | None") -> dict[str, Any] | None:
    from dataclasses import asdict

    return asdict(decision) if decision else None
