"""Whether this machine has the memory and the disk that a virtual machine needs."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from orchestrator.errors import PasInfraError

PAGE = 4096
_MB = 2**20


def require_room(name: str, memory_mb: int, disks: Iterable[tuple[Path, int]]) -> None:
    """Raise PasInfraError, saying how much is missing, unless the machine `name` fits.

    `memory_mb` is the guest's memory with QEMU's own; `disks` are directories, and the MB that
    will be written below each.
    """
    available = _available_mb()
    promised = promised_mb(Path("/proc"))
    if memory_mb > available - promised:
        raise PasInfraError(
            f"{name} needs {memory_mb} MB of memory, and {max(available - promised, 0)} MB are "
            f"left ({available} MB free, {promised} MB of it promised to running machines)",
            next_step="stop other machines (pas-infra lab down --name NAME), or lower the "
            "machine's memory_mb in lab.yml",
        )
    for directory, needed in disks:
        free = shutil.disk_usage(directory).free // _MB
        if free < needed:
            raise PasInfraError(
                f"{name} needs {needed} MB of disk, {free} MB are free: {needed - free} MB missing",
                where=directory,
                next_step="free some, drop old disks (pas-infra lab down --erase), or set "
                "XDG_STATE_HOME and XDG_CACHE_HOME to directories on a larger disk",
            )


def promised_mb(processes: Path) -> int:
    """The MB of memory that running virtual machines were given and have not used yet."""
    return sum(_unused_mb(entry) for entry in processes.iterdir() if entry.name.isdigit())


def _unused_mb(process: Path) -> int:
    try:
        arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        resident = int((process / "statm").read_text().split()[1]) * PAGE // _MB
    except (OSError, IndexError):
        return 0  # it has ended meanwhile
    if not Path(arguments[0]).name.startswith("qemu-system-") or "-m" not in arguments:
        return 0
    given = arguments[arguments.index("-m") + 1]
    return max(int(given) - resident, 0) if given.isdigit() else 0


def _available_mb() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    raise PasInfraError("the kernel does not say how much memory is free", where="/proc/meminfo")
