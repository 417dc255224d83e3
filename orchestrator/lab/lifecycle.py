"""Start, stop and look at a lab. Every step looks first, so that a second `up` changes nothing."""

import fcntl
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.environment import Lab, Machine
from orchestrator.errors import Locked, PasInfraError
from orchestrator.lab import access, image, metal, network, nspawn, qemu, saved_state
from orchestrator.lab.commands import require_privilege, require_tools, run, succeeds
from orchestrator.lab.layout import LabLayout, lab_layout
from orchestrator.lab.processes import (
    lab_processes,
    machine_process,
    machine_processes,
    stop_processes,
)

_TOOLS = ("ip", "nft", "slirp4netns", "socat", "ssh", "ssh-keygen", "mmdebstrap")
# What stands on a machine that starts from a rescue system or from its disks.
METAL = "metal"
_READY_SECONDS = {"nspawn": 60, "qemu": 600}
_STOP_SECONDS = {"nspawn": 15, "qemu": 60, METAL: 120}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class MachineStatus:
    """One machine as it is now; `reachable` means that SSH with a checked host key works."""

    name: str
    backend: str
    address: str
    pid: int | None
    reachable: bool
    managed: bool


def lab_tools(backends: Collection[str]) -> list[str]:
    """The tools that a lab with machines of these backends needs."""
    more = {"nspawn": nspawn.TOOLS, "qemu": qemu.TOOLS}
    found = [*_TOOLS, *(tool for backend in sorted(backends) for tool in more[backend])]
    return list(dict.fromkeys(found))


def select_machines(
    lab: Lab, names: Sequence[str] = (), *, backend: Literal["nspawn", "qemu"] | None = None
) -> list[Machine]:
    """The named machines of the lab (all without names), on `backend` if one is given.

    Raises PasInfraError for a name that the lab does not have.
    """
    chosen = [lab.machine(name) for name in names] or list(lab.machines)
    return [replace(machine, backend=backend) if backend else machine for machine in chosen]


def on_metal(machines: Sequence[Machine], boot: Literal["rescue", "disks"]) -> list[Machine]:
    """The machines as servers with disks of their own, started from there.

    Raises PasInfraError for one without disks.
    """
    for machine in machines:
        if not machine.disks:
            raise PasInfraError(
                f"the machine {machine.name} has no disks of its own",
                next_step="give it `disks` in lab.yml, or leave out --boot",
            )
    return [replace(machine, backend="qemu", boot=boot) for machine in machines]


def bring_up(
    lab: Lab,
    name: str,
    machines: Sequence[Machine],
    *,
    without_disks: Collection[str] = (),
    progress: Progress,
) -> LabLayout:
    """Start the machines and wait until each is reached over SSH; returns the lab's layout.

    One that starts from its disks is not waited for: what it asks for first is the installer's
    affair. It starts without the disks whose serial numbers are in `without_disks`.
    Raises PasInfraError for a missing tool, privilege, memory or disk, and for a machine that does
    not come up, with the end of its console.
    """
    layout = lab_layout(name)
    _require_what_it_takes(machines)
    with _alone(layout):
        _bring_up(layout, lab, machines, progress, without_disks)
    return layout


def take_down(name: str, *, erase: bool, progress: Progress) -> None:
    """Stop everything of the lab; nothing of it runs, is mounted or configured afterwards.

    The machines' disks stay for the next `up` unless `erase`, with what is in escrow of them and
    of their backups, the keys of the clients on them and who was erased from them.
    """
    layout = lab_layout(name)
    require_privilege()
    if not layout.directory.exists():
        return
    with _alone(layout):
        found = lab_processes(layout)
        if found:
            progress(f"stopping {len(found)} processes")
        machines = [
            pid
            for directory in layout.directory.glob("machines/*")
            if (pid := machine_process(layout, directory.name)) is not None
        ]
        # The machines first: they may still write over the network while they shut down.
        stop_processes(machines, patience=_patience(layout))
        stop_processes(lab_processes(layout), patience=2)
        network.take_down(layout)
        nspawn.remove_control_groups(layout)
        if erase:
            of_disks = ("machines", "saved", "escrow", "client-keys", "backup-keys", "offboarding")
            dropped = [layout.directory / name for name in of_disks]
            run(["rm", "-rf", *dropped], privileged=True)


def _patience(layout: LabLayout) -> float:
    """Seconds that the lab's machines may take to shut down in order."""
    notes = layout.directory.glob("machines/*/backend")
    return max((_STOP_SECONDS.get(note.read_text().strip(), 0) for note in notes), default=0)


def reset(lab: Lab, name: str, machines: Sequence[Machine], *, progress: Progress) -> LabLayout:
    """Give the machines fresh disks and new host keys, and start them."""
    layout = lab_layout(name)
    _require_what_it_takes(machines)
    with _alone(layout):
        for machine in machines:
            # Its disk is thrown away: there is nothing to shut down in order.
            stop_processes(machine_processes(layout, machine.name), patience=0)
            of_disks = (layout.machine, layout.escrow, layout.client_keys, layout.backup_keys)
            dropped = [place(machine.name) for place in of_disks]
            run(["rm", "-rf", *dropped, layout.offboarding], privileged=True)
        _bring_up(layout, lab, machines, progress)
    return layout


def status(lab: Lab, name: str) -> list[MachineStatus]:
    """Every machine of the lab as it is now."""
    layout = lab_layout(name)
    found = []
    for machine in lab.machines:
        pid = machine_process(layout, machine.name) if layout.directory.exists() else None
        backend = layout.machine(machine.name) / "backend"
        found.append(
            MachineStatus(
                name=machine.name,
                backend=backend.read_text().strip() if backend.exists() else machine.backend,
                address=str(machine.ipv4),
                pid=pid,
                reachable=pid is not None and _answers(layout, machine),
                managed=machine.managed,
            )
        )
    return found


def _require_what_it_takes(machines: Sequence[Machine]) -> None:
    require_privilege()
    require_tools(lab_tools({machine.backend for machine in machines}))


def _bring_up(
    layout: LabLayout,
    lab: Lab,
    machines: Sequence[Machine],
    progress: Progress,
    without_disks: Collection[str] = (),
) -> None:
    # The whole lab's names and keys, whichever machines start: ssh_config is for all of them.
    access.make_access(layout, lab.machines)
    network.bring_up(layout, lab.networks)
    for machine in machines:
        _start(layout, lab, machine, progress, without_disks)
    machines = [machine for machine in machines if machine.boot != "disks"]
    with ThreadPoolExecutor() as pool:
        # All at once: most of it is waiting. The first that does not come up is the one named.
        for machine, _ in zip(
            machines, pool.map(lambda one: _wait_until_ready(layout, one), machines), strict=True
        ):
            progress(f"{machine.name} is up")
    for machine in machines:
        if machine.backend == "qemu" and machine.boot == "image":
            saved_state.keep_state(layout, machine)


def _start(
    layout: LabLayout,
    lab: Lab,
    machine: Machine,
    progress: Progress,
    without_disks: Collection[str],
) -> None:
    directory = layout.machine(machine.name)
    note = directory / "backend"
    disk = note.read_text().strip() if note.exists() else ""
    asked = machine.backend if machine.boot == "image" else METAL
    if disk not in ("", asked):
        how = f"--backend {asked}" if asked != METAL else f"--boot {machine.boot}"
        raise PasInfraError(
            f"{machine.name} has a disk of the backend {disk}, and {asked} is asked for",
            where=directory,
            next_step=f"pas-infra lab reset {machine.name} {how}",
        )
    if machine_process(layout, machine.name) is not None:
        return
    kernel = machine.backend == "qemu"
    name = machine.image if machine.boot == "image" else "rescue"
    root = image.ensure_image(image.recipe(name, kernel=kernel), progress=progress)
    progress(f"starting {machine.name} ({asked})")
    note.write_text(f"{asked}\n")
    wan = lab.network("wan")
    if machine.boot == "rescue":
        metal.start_rescue(layout, machine, wan, root)
    elif machine.boot == "disks":
        metal.start_from_disks(layout, machine, wan, root / "vmlinuz", without_disks)
    else:
        starter = qemu.start_machine if kernel else nspawn.start_machine
        starter(layout, machine, wan, root)


def _wait_until_ready(layout: LabLayout, machine: Machine) -> None:
    patience = _READY_SECONDS[machine.backend]
    deadline = time.monotonic() + patience
    while not _answers(layout, machine):
        console = layout.machine(machine.name) / "console.log"
        over = not machine_processes(layout, machine.name)
        if over or time.monotonic() > deadline:
            tail = console.read_text(errors="replace")[-800:] if console.exists() else ""
            what = "has ended" if over else f"was not reached over SSH within {patience} s"
            raise PasInfraError(
                f"{machine.name} {what}; its console ends:\n{tail}",
                where=console,
                next_step=f"read the console, then pas-infra lab reset {machine.name}",
            )
        time.sleep(0.1)


def _answers(layout: LabLayout, machine: Machine) -> bool:
    # The port first: asking ssh of a machine that is still booting costs ten times as much.
    port = ["ip", "netns", "exec", layout.namespace, "socat", "-T1", "/dev/null"]
    target = f"TCP:{machine.ipv4}:22,connect-timeout=2"
    if not succeeds([*port, target], privileged=True):
        return False
    return (
        subprocess.run(
            ["ssh", "-F", layout.ssh_config, "-o", "ConnectTimeout=30", machine.name, "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )


@contextmanager
def _alone(layout: LabLayout) -> Iterator[None]:
    """One command at a time changes a lab; a second one is told so at once."""
    layout.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (layout.directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked(
                f"another command is changing the lab {layout.name}",
                where=layout.directory / "lock",
                next_step="wait for it, or use another --name",
            ) from error
        yield
