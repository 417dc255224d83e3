"""Keys of encrypted disks: seen, changed, kept in escrow."""

from orchestrator.keys.binding import bind, unbind
from orchestrator.keys.change import change_passphrase, change_volume_key
from orchestrator.keys.declared import declared_tang, key_slots
from orchestrator.keys.devices import Device, DeviceList, Slot, list_devices
from orchestrator.keys.escrow import Escrowed, keep_in_escrow
from orchestrator.keys.host.tokens import Binding
from orchestrator.keys.safe_copies import (
    CopyList,
    SafeCopy,
    list_copies,
    make_copy,
    note_destroyed,
)
from orchestrator.keys.work import Watching

__all__ = [
    "Binding",
    "CopyList",
    "Device",
    "DeviceList",
    "Escrowed",
    "SafeCopy",
    "Slot",
    "Watching",
    "bind",
    "change_passphrase",
    "change_volume_key",
    "declared_tang",
    "keep_in_escrow",
    "key_slots",
    "list_copies",
    "list_devices",
    "make_copy",
    "note_destroyed",
    "unbind",
]
