"""The lab's processes: found by what they are, not only by what was written down.

A crash in the middle of `lab up` leaves no note of what had been started; but every process of a
lab lives in its network namespace, names that namespace among its arguments, or, as everything
inside a container does, belongs to a control group that is named after the lab.
"""

import os
import signal
import time
from pathlib import Path

from orchestrator.errors import PasInfraError
from orchestrator.lab.commands import run, succeeds
from orchestrator.lab.layout import NAMESPACES, LabLayout


def control_unit(layout: LabLayout, machine: str) -> str:
    """The systemd service that runs the machine; no lab's name is the beginning of another's."""
    return f"{layout.namespace}@{machine}.service"


def lab_processes(layout: LabLayout) -> list[int]:
    """The pids of the processes that belong to the lab, this one and its ancestors excepted."""
    inside: set[int] = set()
    # Path.is_mount() knows directories only, and a namespace is mounted on a file.
    if os.path.ismount(NAMESPACES / layout.namespace):
        listed = run(["ip", "netns", "pids", layout.namespace], privileged=True)
        inside = {int(pid) for pid in listed.split()}
    named = {
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (_names(entry, layout) or _in_group(entry, layout))
    }
    return sorted(pid for pid in (inside | named) - _own_line() if _alive(pid))


def machine_processes(layout: LabLayout, machine: str) -> list[int]:
    """The pids of all that runs for one machine, a launcher that has only begun included."""
    directory = layout.machine(machine)
    noted = _noted(directory)
    return [
        pid
        for pid in lab_processes(layout)
        if pid == noted
        or str(directory) in _arguments(Path(f"/proc/{pid}"))
        or _in_group(Path(f"/proc/{pid}"), layout, machine)
    ]


def machine_process(layout: LabLayout, machine: str) -> int | None:
    """The pid of the process that runs the machine, or None when it is not running."""
    noted = _noted(layout.machine(machine))
    # Pids are reused: it counts only while it is one of the lab's own.
    return noted if noted in lab_processes(layout) else None


def stop_processes(pids: list[int], *, patience: float) -> None:
    """Ask the processes to end, wait `patience` seconds, then end them.

    Raises PasInfraError for a process that survives even SIGKILL.
    """
    for number, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        alive = [pid for pid in pids if _alive(pid)]
        for pid in alive:
            succeeds(["kill", f"-{int(number)}", str(pid)], privileged=True)
        deadline = time.monotonic() + wait
        while any(_alive(pid) for pid in alive):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return
    raise PasInfraError(
        f"processes {', '.join(str(pid) for pid in pids if _alive(pid))} do not end",
        next_step="look at them with `ps -fp PID`; they may wait for a disk",
    )


def _names(entry: Path, layout: LabLayout) -> bool:
    """Whether the process was started for the lab: the uplink, or a launcher on its way in."""
    arguments = _arguments(entry)
    if str(NAMESPACES / layout.namespace) in arguments:
        return True
    entering = ["netns", "exec", layout.namespace]
    return any(arguments[at : at + 3] == entering for at in range(len(arguments) - 2))


def _in_group(entry: Path, layout: LabLayout, machine: str | None = None) -> bool:
    try:
        groups = (entry / "cgroup").read_text().splitlines()
    except OSError:
        return False
    for group in groups:
        parts = group.partition("::")[2].split("/")
        if layout.namespace in parts:
            at = parts.index(layout.namespace)
            return machine is None or parts[at + 1 : at + 2] == [machine]
        if any(part.startswith(f"{layout.namespace}@") for part in parts):
            return machine is None or control_unit(layout, machine) in parts
    return False


def _noted(directory: Path) -> int | None:
    try:
        return int((directory / "pid").read_text())
    except (OSError, ValueError):
        return None


def _arguments(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _own_line() -> set[int]:
    line = {os.getpid()}
    pid = os.getpid()
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        line.add(pid)
    return line
