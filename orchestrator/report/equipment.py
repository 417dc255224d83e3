"""What the hosts are made of, as the last inventory has kept it: for our own edition alone."""

from collections.abc import Mapping
from typing import Any

from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.inventory.equipment import ANOTHER_VERSION, NO_ARCHIVE, UNKNOWN_ARCHIVE
from orchestrator.inventory.take import Last, last_inventory
from orchestrator.store import Store


def last_equipment(store: Store, environment: Environment) -> dict[str, Last | None]:
    """The last whole inventory of each host; None where there is none that can be believed."""
    found: dict[str, Last | None] = {}
    for host in environment.hosts:
        try:
            found[host.name] = last_inventory(store, host.name)
        except PasInfraError:  # `inventory` and `evidence verify` tell of it
            found[host.name] = None
    return found


def made_of(last: Last | None) -> Mapping[str, Any] | None:
    """Machine, disks and system in full, of the software how much there is and from where."""
    if last is None:
        return None
    there, machine, system = last.equipment, last.equipment.machine, last.equipment.system
    return {
        "run": last.run_id,
        "at": last.when,
        "sha256": last.digest,
        "container": machine.virtualization if machine and machine.container else "",
        "model": machine.model if machine and not machine.container else "",
        "serial": machine.serial if machine else "",
        "firmware": " ".join(filter(None, (machine.firmware, machine.firmware_date)))
        if machine
        else "",
        "system": " ".join(filter(None, (system.system, system.kernel))) if system else "",
        "disks": [
            {"model": disk.model, "serial": disk.serial, "gigabytes": round(disk.bytes / 10**9)}
            for disk in there.disks
        ],
        "interfaces": [{"name": one.name, "mac": one.mac} for one in there.interfaces],
        "packages": [_counted(origin, count) for origin, count in there.origins.items()],
        "programs": [one.path for one in there.programs],
    }


def _counted(origin: str, count: int) -> Mapping[str, Any]:
    """How many packages are of an archive, in that version or another, or of none."""
    alone = {NO_ARCHIVE: "none", UNKNOWN_ARCHIVE: "unknown"}
    other = origin.endswith(ANOTHER_VERSION)
    return {
        "kind": alone.get(origin, "other" if other else "same"),
        "archive": "" if origin in alone else origin.removesuffix(ANOTHER_VERSION),
        "count": count,
    }
