"""How an inventory is shown: a line a host, what has changed since the last, what is unknown."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.inventory.differences import Difference
    from orchestrator.inventory.equipment import Equipment
    from orchestrator.inventory.take import Inventory

_STYLES = {"new": "green", "gone": "red", "upgraded": "cyan", "downgraded": "bold red"}
_PROGRAMS_SHOWN = 10  # of a host; all of them are in --json


def show(inventory: "Inventory", to: "Console") -> None:
    """The hosts, what they have that no archive knows, differences, findings, what is not known."""
    from rich.markup import escape

    if inventory.hosts:
        _show_hosts(inventory.hosts, to)
    for host in inventory.hosts:
        for one in host.programs[:_PROGRAMS_SHOWN]:
            digest = escape(one.sha256)
            to.print(f"{host.host} of no package: {escape(one.path)} [dim]{digest}[/]")
        if (left := len(host.programs) - _PROGRAMS_SHOWN) > 0:
            to.print(f"{host.host} of no package: {left} more (--json names them)")
    _show_differences(inventory, to)
    for found in inventory.found:
        finding = found.finding
        mark = "[cyan]~[/]" if found.accepted_until else "[bold red]✗[/]"
        until = f", accepted until {found.accepted_until}" if found.accepted_until else ""
        until = f", was accepted until {found.expired}" if found.expired else until
        measures = ", ".join(finding.measures)
        to.print(
            f"{mark} {finding.host}: {finding.kind} [bold]{escape(finding.object)}[/] "
            f"[dim]({measures}) {finding.severity.name.lower()}[/]: {escape(finding.seen)}{until}"
        )
    for name, why in inventory.uncompared.items():
        to.print(f"[bold red]? {name}[/]: it is compared with nothing: {escape(why)}")
    for name, why in inventory.missing.items():
        to.print(f"[bold red]? {name}[/]: {escape(why)}")
    to.print(f"[bold]Inventory:[/] {escape(inventory.summary)}")
    to.print(f"recorded as run {inventory.run_id} (pas-infra history {inventory.run_id})")


def as_data(inventory: "Inventory") -> dict[str, Any]:
    """The inventory as data."""
    return {
        "run": inventory.run_id,
        "environment": inventory.environment,
        "taken": inventory.taken.isoformat(timespec="seconds"),
        "status": inventory.status,
        "hosts": [asdict(host) | {"origins": host.origins} for host in inventory.hosts],
        "differences": [asdict(one) for one in inventory.differences],
        "since": dict(inventory.since),
        "findings": [
            asdict(one.finding)
            | {
                "severity": one.finding.severity.name.lower(),
                "identity": one.finding.identity,
                "accepted_until": one.accepted_until or None,
            }
            for one in inventory.found
        ],
        "uncompared": dict(inventory.uncompared),
        "missing": dict(inventory.missing),
    }


def _show_hosts(hosts: "Iterable[Equipment]", to: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    columns = (
        "host",
        "function",
        "place",
        "model",
        "interfaces",
        "disks",
        "packages",
        "no package",
    )
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for host in hosts:
        addresses = [f"{one.name} {' '.join(one.addresses)}".strip() for one in host.interfaces]
        disks = [f"{one.name} {one.bytes / 10**9:.0f} GB {one.serial}" for one in host.disks]
        table.add_row(
            host.host,
            Text(host.function),
            Text(f"{host.city}, {host.country}"),
            Text(_model(host)),
            Text("\n".join(addresses) or "?"),
            Text("\n".join(disks) or "none"),
            Text("\n".join(f"{count} {origin}" for origin, count in host.origins.items()) or "?"),
            str(len(host.programs)),
        )
    to.print(table)


def _model(host: "Equipment") -> str:
    machine = host.machine
    if machine is None:
        return "?"
    if machine.container:
        return machine.model
    firmware = " ".join(filter(None, (machine.firmware, machine.firmware_date)))
    told = [machine.model, f"serial {machine.serial}" if machine.serial else "", firmware]
    told.append(f"{machine.processors} processors, {machine.memory_gib} GiB")
    return "\n".join(filter(None, told))


def _show_differences(inventory: "Inventory", to: "Console") -> None:
    from rich.markup import escape

    from orchestrator.store.timestamps import local_time

    for host in sorted({one.host for one in inventory.differences}):
        since = inventory.since.get(host)
        to.print(f"[bold]{escape(host)}[/]" + (f" since {local_time(since)}" if since else ""))
        for one in inventory.differences:
            if one.host == host:
                style = _STYLES.get(one.change, "yellow")
                to.print(f"  [{style}]{one.change:<10}[/] {one.kind} {escape(_told(one))}")


def _told(one: "Difference") -> str:
    if one.before and one.now:
        return f"{one.name}: {one.before} → {one.now}"
    about = one.before or one.now
    return f"{one.name} ({about})" if about else one.name
