"""How access is shown: who can do what on which host, and what is not as declared."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.access.compare import Line, State
from orchestrator.environment import MachineAccount

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from orchestrator.access.listing import AccessList
    from orchestrator.access.live import LiveAccount

_STYLES = {
    State.DECLARED: "green",
    State.DIFFERING: "yellow",
    State.UNDECLARED: "bold red",
    State.MISSING: "magenta",
}
_COLUMNS = ("account", "state", "may do", "gets in by", "until", "last login")


def show_access(found: "AccessList", to: "Console") -> None:
    """A table a host, each deviation in words below it, and a last line that counts."""
    from rich.markup import escape

    for host in (*found.live.accounts, *found.live.missing):
        if host in found.live.missing:
            why = escape(found.live.missing[host])
            to.print(f"[bold red]? {host}[/]: nothing can be said: {why}")
            continue
        lines = [line for line in found.lines if line.host == host]
        to.print(f"[bold]{host}[/]{'' if lines else ': nobody'}")
        if lines:
            to.print(_table(lines))
            if any(line.deviations for line in lines):
                to.print(_deviations(lines))
        to.print()
    to.print(f"[bold]Access:[/] {escape(found.summary)}")
    to.print(f"[bold]List:[/]   sha256:{found.digest}")


def access_as_json(found: "AccessList") -> dict[str, Any]:
    """The list as data; `live_list` is the SHA-256 of `live`."""
    return {
        "live_list": f"sha256:{found.digest}",
        "live": found.live_as_json(),
        "accounts": [
            {
                "host": line.host,
                "account": line.account,
                "who": line.who,
                "state": line.state,
                "deviations": line.deviations,
                "last_login": line.live.last_login if line.live else None,
            }
            for line in found.lines
        ],
        "missing": dict(found.live.missing),
        "summary": found.summary,
    }


def _table(lines: list[Line]) -> "RenderableType":
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in _COLUMNS:
        whole = column in ("state", "until", "last login")
        table.add_column(column, no_wrap=whole, overflow="fold")
    table.columns[0].min_width = max(len(line.account) for line in lines)
    for line in lines:
        live = line.live
        account = Text(line.account, "bold")
        if line.who and line.who != line.account:
            account.append(f"\n{line.who}", "not bold dim")
        table.add_row(
            account,
            Text(line.state, _STYLES[line.state]),
            Text(may_do(live) if live else "nothing"),
            Text(gets_in_by(line)),
            str(live.valid_until or "no end") if live else "",
            (live.last_login or "none seen")[:10] if live else "",
        )
    return Padding(table, (0, 0, 0, 2))


def _deviations(lines: list[Line]) -> "RenderableType":
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        for what in line.deviations:
            grid.add_row(Text(f"✗ {line.account}", _STYLES[line.state]), Text(what))
    return Padding(grid, (0, 0, 0, 2))


def may_do(live: "LiveAccount") -> str:
    """The rights of an account in a few words."""
    if live.uid == 0:
        return "everything: it is root"
    groups = [
        f"group {name}"
        for name in live.groups
        if name != live.account and not name.startswith("pas-")
    ]
    return "\n".join([*map(str, live.sudo), *groups]) or ("log in" if live.shell else "no shell")


def gets_in_by(line: Line) -> str:
    """The keys, and what is asked for besides."""
    live = line.live
    if live is None:
        return ""
    count = len(live.keys)
    ways = [f"{count} key{'s' if count > 1 else ''}"] if count else []
    if isinstance(line.declared, MachineAccount):
        ways += ["bound to its origin" if _all_bound(live) else "from anywhere"] if count else []
    elif count:
        ways += [f"{live.second_factor}" if live.second_factor != "none" else "no second factor"]
    ways += [f"password ({live.password})"] if live.has_password else []
    ways += live.other_ways
    if not live.ssh:
        ways.append("not over SSH")
    return ", ".join(ways) or "nothing"


def _all_bound(live: "LiveAccount") -> bool:
    return all("from=" in key.options for key in live.keys)


def say_apply(environment_name: str) -> None:
    """How a changed declaration reaches the hosts."""
    click.echo(
        f"next:  pas-infra apply --env {environment_name} --role accounts --role ssh", err=True
    )


def say_what_follows(
    decisions: Sequence[Mapping[str, str]], found: "AccessList", environment_name: str
) -> None:
    """What the decisions ask for: a review changes nothing by itself."""
    declared = {line.account for line in found.lines if line.declared}
    for one in decisions:
        account, decision, remark = one["account"], one["decision"], one["remark"]
        if decision == "change":
            click.echo(f"next:  change {account} in people.yml: {remark}", err=True)
        elif decision == "revoke" and account in declared:
            click.echo(
                f"next:  pas-infra access revoke --env {environment_name} {account}", err=True
            )
        elif decision == "revoke":
            click.echo(f"next:  {account} is declared nowhere: an apply closes it", err=True)
    if any(one["decision"] != "keep" for one in decisions):
        say_apply(environment_name)
