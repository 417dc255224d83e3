"""The everyday backend: machines in systemd-nspawn, at native speed, seconds to start."""

import shlex
from importlib import resources
from pathlib import Path

from orchestrator.environment import Machine, Network
from orchestrator.errors import PasInfraError
from orchestrator.lab.access import OPERATOR
from orchestrator.lab.commands import run, start
from orchestrator.lab.guest import network_unit
from orchestrator.lab.layout import LabLayout
from orchestrator.lab.processes import control_unit, machine_processes, stop_processes
from orchestrator.lab.room import require_room

TOOLS = ("systemd-nspawn", "unshare", "ip")

_MEMORY_MB = 60  # what a machine takes before the roles bring their services
_DISK_MB = 500  # what a machine writes over its image, with room for the roles' packages

# As root, one shell for all of it: a machine's files belong to the machine's root.
_PREPARE = """\
set -eu
cd {machine}
rm -rf upper work prepared
install -d upper work root
install -d upper/etc/systemd/network upper/etc/ssh
install -d -m 0755 upper/home
cp -a --no-clobber {image}/home/{operator} upper/home/
printf %s {network} > upper/etc/systemd/network/10-lab.network
echo {name} > upper/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost\n' {name} > upper/etc/hosts
install -m 0600 host_keys/ssh_host_*_key upper/etc/ssh/
install -m 0644 host_keys/ssh_host_*_key.pub upper/etc/ssh/
install -m 0600 -o 1000 -g 1000 {public_key} upper/home/{operator}/.ssh/authorized_keys
touch prepared
"""


def start_machine(layout: LabLayout, machine: Machine, network: Network, image: Path) -> None:
    """Boot the machine; what an earlier start left on its disk is kept, with the image below it.

    Raises PasInfraError when memory or disk is short, or when the image that the machine's disk
    stands on is gone.
    """
    directory = layout.machine(machine.name)
    # A launcher that a killed `up` left on its way, or what a killed nspawn left of its container.
    stop_processes(machine_processes(layout, machine.name), patience=0)
    fresh = not (directory / "prepared").exists()
    require_room(machine.name, _MEMORY_MB, [(directory, _DISK_MB if fresh else 0)])
    image = _image_of(machine, directory, image)
    if fresh:
        _prepare(layout, machine, network, image)
    launch: list[str | Path] = [
        *_unit(layout, machine),
        "ip",
        "netns",
        "exec",
        layout.namespace,
        "unshare",
        "--mount",
        "--propagation=private",
        "sh",
        str(resources.files("orchestrator.lab") / "nspawn-launch.sh"),
        image,
        directory,
        machine.name,
        network.name,
        "-" if _systemd_is_here() else f"{layout.namespace}/{machine.name}",
    ]
    start(launch, log=directory / "console.log")


def remove_control_groups(layout: LabLayout) -> None:
    """Remove the empty control groups that stopped machines leave behind."""
    for mount in Path("/proc/self/mounts").read_text().splitlines():
        fields = mount.split()
        group = Path(fields[1]) / layout.namespace
        if fields[2] == "cgroup2" and group.is_dir() and not _systemd_is_here():
            run(["find", group, "-depth", "-type", "d", "-delete"], privileged=True)


def _image_of(machine: Machine, directory: Path, image: Path) -> Path:
    """The image that the machine's disk stands on: the current one for a machine without a disk."""
    note = directory / "image"
    if not (directory / "prepared").exists() or not note.exists():
        note.write_text(f"{image}\n")
        return image
    stands_on = Path(note.read_text().strip())
    if not stands_on.is_dir():
        raise PasInfraError(
            f"the image that {machine.name}'s disk stands on is gone from the cache",
            where=stands_on,
            next_step=f"pas-infra lab reset {machine.name}",
        )
    return stands_on


def _prepare(layout: LabLayout, machine: Machine, network: Network, image: Path) -> None:
    unit = network_unit("Name=host0", machine, network)
    script = _PREPARE.format(
        machine=shlex.quote(str(layout.machine(machine.name))),
        image=shlex.quote(str(image)),
        network=shlex.quote(unit),
        name=machine.name,
        operator=OPERATOR,
        public_key=shlex.quote(f"{layout.identity}.pub"),
    )
    run(["sh", "-c", script], privileged=True)


def _unit(layout: LabLayout, machine: Machine) -> list[str]:
    """On a host that systemd booted, a service of its own with a delegated control group."""
    if not _systemd_is_here():
        return []
    return [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={control_unit(layout, machine.name)}",
        "--property=Delegate=yes",
        "--property=KillMode=mixed",
        "--",
    ]


def _systemd_is_here() -> bool:
    return Path("/run/systemd/system").is_dir()
