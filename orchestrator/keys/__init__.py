"""Keys of encrypted disks: seen, changed, kept in escrow."""

from orchestrator.keys.change import Watching, change_passphrase, change_volume_key
from orchestrator.keys.devices import Device, DeviceList, Slot, list_devices
from orchestrator.keys.escrow import Escrowed, keep_in_escrow

__all__ = [
    "Device",
    "DeviceList",
    "Escrowed",
    "Slot",
    "Watching",
    "change_passphrase",
    "change_volume_key",
    "keep_in_escrow",
    "list_devices",
]
