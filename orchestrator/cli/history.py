"""`pas-infra history`: the runs of an environment, or one of them in full."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.options import environment_option, json_option
from orchestrator.cli.terminal import console, print_json
from orchestrator.records import CheckResult, HostRecap, RunStatus, TaskResult, TaskStatus, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from orchestrator.history import RunDetail, RunSummary

_STATUS_STYLES = {
    RunStatus.RUNNING: "cyan",
    RunStatus.OK: "green",
    RunStatus.FINDINGS: "yellow",
    RunStatus.INTERRUPTED: "yellow",
    RunStatus.FAILED: "red",
    RunStatus.INCOMPLETE: "red",
    RunStatus.BROKEN: "bold red",
}
_TASK_STYLES = {
    TaskStatus.CHANGED: "yellow",
    TaskStatus.FAILED: "red",
    TaskStatus.UNREACHABLE: "red",
    TaskStatus.IGNORED: "magenta",
    TaskStatus.RESCUED: "magenta",
}
_VERDICT_STYLES = {Verdict.FAILS: "red", Verdict.UNMEASURED: "yellow", Verdict.WAIVED: "cyan"}
_RIGHT = {"run", "duration", "tasks", *HostRecap.__dataclass_fields__}
_COMMIT_LENGTH = 8


@click.command("history")
@click.argument("run", required=False, metavar="[RUN]")
@environment_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many runs to list.",
)
@click.option("--command", "of_command", metavar="NAME", help="Only runs of this command.")
@json_option
def command(
    run: str | None, environment_name: str, limit: int, of_command: str | None, *, as_json: bool
) -> None:
    """Show the recorded runs of an environment, newest first.

    RUN is the number of a run, or `last`: it is shown in full.
    """
    from orchestrator.environment import load_environment
    from orchestrator.history import list_runs, show_run
    from orchestrator.store import Store

    environment = load_environment(environment_name)
    now = datetime.now(UTC)
    with Store.open(environment.store_directory, environment.name) as store:
        if run is not None:
            detail = show_run(store, run, command=of_command, now=now)
            if as_json:
                print_json(_json_of_detail(detail))
            else:
                for part in _detail(detail):
                    console().print(part)
            return
        summaries = list_runs(store, limit=limit, command=of_command, now=now)
    if as_json:
        print_json([_json_of_summary(summary) for summary in summaries])
    elif summaries:
        console().print(_table_of_runs(summaries))
    else:
        which = f"run of `{of_command}`" if of_command else "run"
        click.echo(f"{environment.name} has no {which} yet", err=True)


def _json_of_summary(summary: "RunSummary") -> dict[str, Any]:
    return {
        **asdict(summary.run),
        **asdict(summary.counts),
        "duration": summary.duration,
    }


def _json_of_detail(detail: "RunDetail") -> dict[str, Any]:
    return {
        **_json_of_summary(detail.summary),
        "recap": {host: asdict(counts) for host, counts in detail.recap.items()},
        "results": [asdict(result) for result in detail.notable],
        "checks": detail.checks,
        "findings": [asdict(finding) for finding in detail.findings],
        "changes": detail.changes,
    }


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in _RIGHT else "left",
            # 80 columns hold all but a long commit, and nothing is cut.
            no_wrap=column in _RIGHT or column in ("started", "command", "who", "status"),
            overflow="fold",
        )
    return table


def _table_of_runs(summaries: tuple["RunSummary", ...]) -> "Table":
    from rich.text import Text

    from orchestrator.store.timestamps import local_time

    table = _table(
        "run", "started", "command", "who", "commit", "status", "changed", "failed", "duration"
    )
    for summary in summaries:
        run, counts = summary.run, summary.counts
        table.add_row(
            str(run.id),
            local_time(run.started)[: len("2026-03-01 23:15")],
            Text(run.command),
            Text(run.who),
            _short(run.commit),
            Text(run.status, style=_STATUS_STYLES[run.status]),
            str(counts.changed_tasks),
            str(counts.failed_tasks + counts.failed_checks),
            _readable(summary.duration),
        )
    return table


def _detail(detail: "RunDetail") -> Iterator["RenderableType"]:
    from rich.text import Text

    from orchestrator.store.timestamps import local_time

    summary = detail.summary
    run = summary.run
    ended = f", ended {local_time(run.ended)}: {_readable(summary.duration)}" if run.ended else ""
    yield Text.assemble(
        (f"run {run.id}: {run.command} on {run.environment}", "bold"),
        ", ",
        (run.status, _STATUS_STYLES[run.status]),
    )
    if run.message:
        yield Text(f"  {run.message}")
    yield Text(f"  started   {local_time(run.started)}{ended}")
    yield Text(f"  by        {run.who} on {run.control_node} (pid {run.pid})")
    yield Text(f"  commit    {run.commit or '-'}")
    options = ", ".join(f"{name}={value}" for name, value in run.options.items())
    yield Text(f"  options   {options or '-'}")
    if detail.recap:
        names = tuple(HostRecap.__dataclass_fields__)
        table = _table("host", *names)
        for host, counts in detail.recap.items():
            table.add_row(Text(host), *(str(getattr(counts, name)) for name in names))
        yield from _section("Hosts", table)
    if detail.changes:
        table = _table("role", "tasks", "changed on")
        for role, hosts in detail.changes.items():
            where = ", ".join(f"{host} ({count})" for host, count in hosts.items())
            table.add_row(Text(role or "-"), str(sum(hosts.values())), Text(where))
        yield from _section("Changes by role", table)
    if detail.notable:
        yield from _section("Tasks", *map(_task, detail.notable))
    if detail.findings:
        yield from _section(
            f"Checks that do not hold ({len(detail.findings)} of {detail.checks})",
            *map(_finding, detail.findings),
        )


def _section(title: str, *parts: "RenderableType") -> Iterator["RenderableType"]:
    from rich.text import Text

    yield Text(f"\n{title}", style="bold")
    yield from parts


def _task(result: TaskResult) -> "RenderableType":
    from rich.text import Text

    name = f"{result.role} : {result.task}" if result.role else result.task
    text = Text.assemble(
        f"  {result.host}  ", (result.status, _TASK_STYLES[result.status]), f"  {name}"
    )
    text.append(_measures(result.measures), style="dim")
    if result.message:
        text.append(_below(result.message))
    if result.censored:
        text.append("\n      (its output is secret and was not kept)", style="dim")
    for line in result.diff.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        text.append("\n      ").append(_printable(line), style=style)
    return text


def _finding(finding: CheckResult) -> "RenderableType":
    from rich.text import Text

    text = Text.assemble(
        f"  {finding.host}  ",
        (finding.verdict, _VERDICT_STYLES[finding.verdict]),
        f"  {finding.title or finding.check}",
    )
    text.append(_measures(finding.measures), style="dim")
    if finding.message:
        text.append(_below(finding.message))
    return text


def _below(message: str) -> str:
    return "".join(f"\n      {_printable(line)}" for line in message.splitlines())


def _printable(line: str) -> str:
    """Escape control characters: what a host prints must not steer the reader's terminal."""
    return "".join(
        letter if letter.isprintable() or letter == "\t" else ascii(letter)[1:-1] for letter in line
    )


def _measures(measures: tuple[str, ...]) -> str:
    return f"  [{', '.join(measures)}]" if measures else ""


def _short(commit: str) -> str:
    revision, plus, dirty = commit.partition("+")
    return f"{revision[:_COMMIT_LENGTH]}{plus}{dirty}" or "-"


def _readable(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
