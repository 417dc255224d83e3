"""How the keys of encrypted disks are shown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.results import show_faults

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.keys import Binding, CopyList, DeviceList


def show_copies(host_name: str, found: "CopyList", to: "Console") -> None:
    """Show the copies of the key store of a host's clients."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("copy", "made", "by", "kept in", "state"):
        table.add_column(title, overflow="fold")
    for one in found.copies:
        state = found.state(one)
        fate = f"destroyed {one.destroyed[:10]} by {one.destroyed_by}" if one.destroyed else state
        table.add_row(str(one.number), one.made[:10], one.by, escape(one.place), escape(fate))
    to.print(table)
    show_faults([(host_name, "key store", fault) for fault in found.faults], {}, to)


def show_devices(found: "DeviceList", to: "Console") -> None:
    """Show encrypted devices, and what is to be done about their keys."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("host", "device", "UUID", "cipher", "open as", "keys", "escrow"):
        # What somebody copies into a command stands on one line.
        table.add_column(title, overflow="fold", no_wrap=title in ("device", "UUID"))
    for one in found.devices:
        table.add_row(
            one.host,
            escape(one.path),
            one.uuid,
            f"{one.cipher} {one.key_bits}",
            escape("\n".join(one.opened)) or "not open",
            "\n".join(
                f"{slot.number}: {slot.derivation} {slot.memory_mib} MiB, {slot.passes} passes"
                f"{_from(one.tang, slot.number)}"
                for slot in one.slots
            ),
            {True: "kept", False: "another", None: "none"}[one.in_escrow],
        )
    to.print(table)
    faults = [
        (one.host, one.path, fault) for one in found.devices for fault in found.faults_of(one)
    ]
    show_faults(faults, found.missing, to)


def _from(bindings: "Sequence[Binding]", slot: int) -> str:
    urls = [one.url or "an unknown place" for one in bindings if slot in one.slots]
    return f", Tang at {' and '.join(urls)}" if urls else ""
