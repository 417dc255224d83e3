"""How drift is shown: a headline a host, what was found, what was not seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.cli.results import show_diff
from orchestrator.records import HostDrift, Sighting

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.drift.finding import Finding
    from orchestrator.drift.look import Drift
    from orchestrator.drift.memory import Known, Look


def show(drift: "Drift", to: "Console") -> None:
    """Everything that a look has found, by host, and what keeps it from being believed."""
    for host in drift.hosts:
        show_host(host, to)
        found = [one for one in drift.sightings if one.host == host.host]
        show_sightings(found, to, hosts=False)
    to.print(f"recorded as run {drift.run_id} (pas-infra drift history)")


def show_host(host: HostDrift, to: "Console") -> None:
    """The headline, and why it is incomplete."""
    from rich.markup import escape

    from orchestrator.drift.look import headline

    style = "bold red" if not host.complete else "bold yellow" if host.findings else "bold green"
    to.print(f"[{style}]{escape(headline(host))}[/]")
    for reason in host.why:
        first, *rest = reason.splitlines() or [""]
        to.print(f"  [red]?[/] {escape(_plain(first))}")
        for line in rest:
            to.print(f"    {escape(_plain(line))}")


def show_sightings(
    found: Iterable[Sighting], to: "Console", *, hosts: bool = True, diffs: bool = True
) -> None:
    """Findings, one each: what, of which object, of which measures, why, and the difference."""
    from rich.markup import escape

    from orchestrator.drift.finding import Severity
    from orchestrator.store.timestamps import local_time

    for one in found:
        mark = "[cyan]~[/]" if one.accepted_until else "[red]✗[/]"
        where = f"{one.host}: " if hosts else ""
        measures = f" ({', '.join(one.measures)})" if one.measures else ""
        to.print(
            f"  {mark} {escape(where)}{one.kind} [bold]{escape(_plain(one.object))}[/]"
            f"[dim]{measures} {Severity(one.severity).name.lower()} {one.identity}[/]"
        )
        accepted = f", accepted until {one.accepted_until}" if one.accepted_until else ""
        since = "new" if one.new else f"since {local_time(one.first_seen)}"
        to.print(f"      {since}, {one.cause}: {escape(one.because)}{accepted}")
        for check in one.checks:
            to.print(f"      fails: {escape(check)}")
        if diffs:
            show_diff("\n".join(map(_plain, one.seen.splitlines())), to, indent=6)


def show_differences(found: "Mapping[str, Sequence[Finding]]", to: "Console") -> None:
    """By host, how it differs from the state that was accepted before."""
    from rich.markup import escape

    for host, differences in found.items():
        to.print(f"[bold]{escape(host)}[/]" + ("" if differences else ": as it was accepted"))
        for one in differences:
            to.print(f"  {one.kind} [bold]{escape(_plain(one.object))}[/]")
            show_diff("\n".join(map(_plain, one.seen.splitlines())), to, indent=6)


def show_known(known: "Known", to: "Console") -> None:
    """One finding in full, and the runs that saw it."""
    show_sightings([known.sighting], to)
    state = "open" if known.open else "gone"
    to.print(f"      {state}; seen by the runs {', '.join(map(str, reversed(known.runs)))}")
    if known.open and known.sighting.role:
        to.print(f"      put it right: pas-infra drift fix {known.sighting.identity}")


def show_looks(found: Sequence["Look"], to: "Console") -> None:
    """A headline for each host of each run, newest first, then the trend, oldest first."""
    from rich.markup import escape

    from orchestrator.drift.memory import trend
    from orchestrator.store.timestamps import local_time

    for one in found:
        only = f", only {', '.join(one.roles)}" if one.roles else ""
        to.print(f"run {one.run.id}, {local_time(one.run.started)}, {one.run.status}{only}")
        for host in one.hosts:
            show_host(host, to)
        if not one.hosts:
            to.print(f"  {escape(one.run.message or 'it has not ended')}")
    counted = trend(found)
    if counted:
        to.print("[bold]Trend[/], findings of each look at all roles, oldest first (? incomplete)")
    for name, counts in counted.items():
        to.print(f"  {name}: {' '.join(counts)}")


def as_data(drift: "Drift") -> dict[str, Any]:
    """A look as data."""
    return {
        "run": drift.run_id,
        "status": drift.status,
        "hosts": [
            asdict(host) | {"tasks_and_checks": asdict(drift.coverage[host.host])}
            for host in drift.hosts
        ],
        "findings": [asdict(one) for one in drift.sightings],
    }


def looks_as_data(found: Sequence["Look"]) -> dict[str, Any]:
    """Looks as data, and the trend."""
    from orchestrator.drift.memory import trend

    return {
        "runs": [asdict(one.run) | {"hosts": [asdict(h) for h in one.hosts]} for one in found],
        "trend": trend(found),
    }


def _plain(line: str) -> str:
    """What a host says must not speak to the terminal of whoever reads it."""
    from orchestrator.engine import printable

    return printable(line.replace("\t", "    "))
