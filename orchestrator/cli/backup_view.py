"""How backups are shown."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.cli.results import show_faults

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from orchestrator.backup import BackupState, BackupStatus


def show_status(found: "BackupStatus", now: "datetime", to: "Console") -> None:
    """A line for each data set, then what somebody has to look at."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("data set", "title", "last archive", "age", "files", "size", "kept", "checked"):
        table.add_column(title, overflow="fold")
    for one in found.states:
        last = one.entries[-1] if one.entries else None
        table.add_row(
            str(one.repository),
            escape(one.repository.title),
            last.archive[:16] if last else "none",
            f"{(now - last.moment).total_seconds() / 3600:.1f} h" if last else "",
            str(last.files) if last else "",
            size(last.size) if last else "",
            str(len(one.held.kept)) if one.held else "",
            str(one.checked["at"])[:10] if one.checked else "never",
        )
    to.print(table)
    faults = [
        (one.repository.host, one.repository.name, fault)
        for one in found.states
        for fault in found.faults[str(one.repository)]
    ]
    show_faults(faults, found.missing, to)


def state_as_data(one: "BackupState") -> dict[str, Any]:
    """The same as data."""
    last = one.entries[-1] if one.entries else None
    return {
        "set": str(one.repository),
        "title": one.repository.title,
        "archives": len(one.entries),
        "last": asdict(last) | {"unsteady": len(last.unsteady)} if last else None,
        "target": asdict(one.held) | {"written": one.held.written.isoformat()}
        if one.held
        else None,
        "in_escrow": one.has_key,
        "checked": one.checked,
    }


def size(octets: int) -> str:
    """A size as a person reads it."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if octets >= factor:
            return f"{octets / factor:.1f} {unit}"
    return f"{octets / 1e3:.1f} kB"
