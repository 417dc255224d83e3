"""Is the process that began a run still there? A pid alone does not say: pids are used again."""

import os
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_DEAD_STATES = ("Z", "X")


def process_identity(pid: int) -> str:
    """Name a process once and for all: boot and start tick; "" where the kernel does not tell."""
    state_and_start = _state_and_start(pid)
    return f"{_boot()}:{state_and_start[1]}" if state_and_start else ""


def still_runs(pid: int, identity: str) -> bool:
    """Say whether the process `pid`, once named `identity`, lives; when in doubt, it does."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists, and is somebody else's
    found = _state_and_start(pid)
    if not found:
        return True
    state, start = found
    return state not in _DEAD_STATES and identity in ("", f"{_boot()}:{start}")


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _state_and_start(pid: int) -> tuple[str, str] | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # gone, or hidden by the mount option hidepid
        return None
    # The second field is the program's name, which may hold blanks and parentheses (see proc(5)).
    fields = line.rpartition(")")[2].split()
    return fields[0], fields[19]
