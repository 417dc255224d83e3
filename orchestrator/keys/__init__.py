"""Keys of encrypted disks: seen, changed, kept in escrow."""

from orchestrator.keys.change import Watching, change_passphrase, change_volume_key
from orchestrator.keys.declared import key_slots
from orchestrator.keys.devices import Device, DeviceList, Slot, list_devices
from orchestrator.keys.escrow import Escrowed, keep_in_escrow
from orchestrator.keys.safe_copies import (
    CopyList,
    SafeCopy,
    list_copies,
    make_copy,
    note_destroyed,
)

__all__ = [
    "CopyList",
    "Device",
    "DeviceList",
    "Escrowed",
    "SafeCopy",
    "Slot",
    "Watching",
    "change_passphrase",
    "change_volume_key",
    "keep_in_escrow",
    "key_slots",
    "list_copies",
    "list_devices",
    "make_copy",
    "note_destroyed",
]
