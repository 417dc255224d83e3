"""How plans, plays and verifications are shown; data to stdout, and as JSON when asked for."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.records import MeasureState, TaskResult, TaskStatus, Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.apply import Applied
    from orchestrator.clients import Opened
    from orchestrator.engine import PlayOutcome
    from orchestrator.plan import Plan
    from orchestrator.verify import Verification

_DIFF_STYLES = {"+++": "bold", "---": "bold", "@@": "cyan", "+": "green", "-": "red"}
_STATE_STYLES = {
    MeasureState.KEPT: "green",
    MeasureState.PARTLY: "yellow",
    MeasureState.NOT_KEPT: "bold red",
    MeasureState.UNMEASURED: "dim",
    MeasureState.WAIVED: "cyan",
}
_SYMBOLS = {Verdict.HOLDS: "✓", Verdict.FAILS: "✗", Verdict.WAIVED: "~", Verdict.UNMEASURED: "?"}


def show_plan(plan: "Plan", to: "Console", *, complete: bool = True) -> None:
    """What would change, per host and role, as coloured diffs, and a last line that counts.

    Of a host that an incomplete plan shows no change for, nothing is said.
    """
    from rich.markup import escape

    for host in plan.selection.hosts:
        changes = [change for change in plan.changes if change.host == host]
        if not changes:
            if complete:
                to.print(f"[bold]{host}[/]: nothing to change")
            continue
        to.print(f"[bold]{host}[/]: {len(changes)} to change")
        for role in dict.fromkeys(change.role for change in changes):
            to.print(f"  [bold]{role or 'prepare'}[/]")
            for change in (c for c in changes if c.role == role):
                measures = f" [dim]({', '.join(change.measures)})[/]" if change.measures else ""
                to.print(f"    [yellow]~[/] {escape(change.task)}{measures}")
                show_diff(change.diff, to, indent=6)
    hosts = len({change.host for change in plan.changes})
    doubt = "" if complete else ", and more that could not be seen"
    to.print(f"[bold]Plan:[/] {len(plan.changes)} to change on {hosts} hosts{doubt}")


def show_diff(diff: str, to: "Console", *, indent: int = 0) -> None:
    """A unified diff in colours."""
    from rich.markup import escape

    for line in diff.splitlines():
        to.print(f"{' ' * indent}{_styled(escape(line))}")


def show_faults(
    faults: Iterable[tuple[str, str, str]], missing: Mapping[str, str], to: "Console"
) -> None:
    """What is to be done, of each the host, about what, and why; and why hosts were not asked."""
    from rich.markup import escape

    for host, what, fault in faults:
        to.print(f"[red]✗[/] {host}: {escape(what)}: {escape(fault)}")
    for host, why in missing.items():
        to.print(f"[red]?[/] {host}: {escape(why)}")


def show_opened(one: "Opened", to: "Console") -> None:
    """What became of a client's volume at a start, and of their services."""
    from rich.markup import escape

    if one.leaving:
        to.print(
            f"[yellow]?[/] the erasure of {one.client} was confirmed on {one.leaving[:10]} and "
            f"has not ended: their volume stays closed; pas-infra client offboard {one.client} "
            "ends it"
        )
    elif one.mounted:
        to.print(f"the volume of {one.client} is mounted")
    elif not one.fault:
        to.print(f"the volume of {one.client} is open, and has no place yet: pas-infra apply")
    if one.trouble:
        to.print(f"[red]✗[/] {one.client}: {escape(one.trouble)}")


def show_troubles(outcome: "PlayOutcome", to: "Console") -> None:
    """What failed, where and in which line, and what could not be seen."""
    from rich.markup import escape

    for result in outcome.failed:
        task = f"{result.role} : {result.task}".removeprefix(" : ")
        to.print(f"[bold red]✗ {result.host}[/] {escape(task)} ({result.status})")
        if result.path:
            to.print(f"  where: {result.path}")
        message = "censored: the task handles secrets" if result.censored else result.message
        for line in message.splitlines():
            to.print(f"  {escape(line)}")
    for gap in outcome.gaps:
        to.print(f"[yellow]? {escape(gap)}[/]")
    if outcome.message:
        to.print(escape(outcome.message))


def show_recap(results: tuple[TaskResult, ...], to: "Console") -> None:
    """One line a host: how many tasks changed something, and how many did not."""
    from rich.table import Table

    statuses = (TaskStatus.CHANGED, TaskStatus.OK, TaskStatus.SKIPPED, TaskStatus.FAILED,
                TaskStatus.UNREACHABLE)  # fmt: skip
    table = Table("host", *statuses, box=None, header_style="bold")
    for host in dict.fromkeys(result.host for result in results):
        counts = [sum(r.host == host and r.status is s for r in results) for s in statuses]
        table.add_row(host, *map(str, counts))
    to.print(table)


def show_verification(verification: "Verification", to: "Console") -> None:
    """Per measure what held and what did not, then who could not be asked."""
    from rich.markup import escape

    from orchestrator.catalogue import load_catalogue

    catalogue = load_catalogue()
    for number, state in verification.measures.items():
        checks = [check for check in verification.checks if number in check.measures]
        held = sum(check.verdict is Verdict.HOLDS for check in checks)
        to.print(
            f"[bold]{number:<7}[/] [{_STATE_STYLES[state]}]{state:<10}[/] "
            f"{held} of {len(checks)} checks hold"
        )
        if number in catalogue and catalogue[number].unproven:
            to.print(f"  [yellow]?[/] not looked at yet: {escape(catalogue[number].unproven)}")
        # The same on several hosts is one line: what differs is what is worth reading.
        others: dict[tuple[Verdict, str, str, str], list[str]] = {}
        for check in checks:
            if check.verdict is not Verdict.HOLDS or check.message:
                same = (check.verdict, check.title, check.check, check.message)
                others.setdefault(same, []).append(check.host)
        for (verdict, title, name, message), hosts in others.items():
            to.print(f"  {_SYMBOLS[verdict]} {', '.join(hosts)}: {escape(title)} [dim]{name}[/]")
            if message:
                to.print(f"      {escape(message)}")
    for host, why in verification.missing.items():
        to.print(f"[bold red]? {host}[/]: nothing can be said: {why}")
    to.print(f"[bold]Verify:[/] {verification.summary}")


def plan_as_json(plan: "Plan", outcome: "PlayOutcome") -> dict[str, Any]:
    """The plan as data."""
    return {
        "environment": plan.environment,
        "made": plan.made,
        "commit": plan.commit,
        "status": outcome.status,
        "gaps": outcome.gaps,
        "changes": [change.__dict__ for change in plan.changes],
        "failed": [result.__dict__ for result in outcome.failed],
        "duration_s": round(outcome.duration, 1),
    }


def verification_as_json(verification: "Verification") -> dict[str, Any]:
    """The verification as data."""
    return {
        "measures": verification.measures,
        "checks": [check.__dict__ for check in verification.checks],
        "missing": dict(verification.missing),
        "summary": verification.summary,
    }


def applied_as_json(applied: "Applied") -> dict[str, Any]:
    """The apply as data."""
    outcome, plan = applied.outcome, applied.plan
    return {
        "run": applied.run_id,
        "declined": applied.declined,
        "status": outcome.status if outcome else None,
        "planned": [change.__dict__ for change in plan.changes] if plan else [],
        "changed": [result.__dict__ for result in outcome.changed] if outcome else [],
        "failed": [result.__dict__ for result in outcome.failed] if outcome else [],
        "gaps": outcome.gaps if outcome else [],
        "rolled_back": applied.rolled_back,
        "reboots": [each.__dict__ for each in applied.reboots],
        "accepted": applied.carried.objects,
        "open": applied.carried.open,
        "not_accepted": applied.carried.left,
        "verification": (
            verification_as_json(applied.verification) if applied.verification else None
        ),
    }


def _styled(line: str) -> str:
    for start, style in _DIFF_STYLES.items():
        if line.startswith(start):
            return f"[{style}]{line}[/]"
    return line
