"""Virtual machines with blank disks of their own: a server as a hoster delivers it.

It starts from the hoster's rescue system, or from its disks as whoever installed it left them. A
machine that starts from its disks gets nothing from the lab but its network: what it is called, who
may log in, and which host keys it shows is what was installed.
"""

from collections.abc import Collection
from pathlib import Path

from orchestrator.environment import Disk, Machine, Network
from orchestrator.errors import PasInfraError
from orchestrator.lab.accelerator import OVERHEAD_MB, accelerator
from orchestrator.lab.commands import run
from orchestrator.lab.disk import base_disk, make_overlay
from orchestrator.lab.guest import write_credentials
from orchestrator.lab.layout import LabLayout
from orchestrator.lab.qemu import drive, hardware, launch_machine
from orchestrator.lab.room import require_room

UEFI = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
UEFI_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
# Emulated devices can take longer to appear than systemd waits.
RESCUE_OPTIONS = "root=/dev/vda rw console=ttyS0 systemd.default_device_timeout_sec=600"
_DISK_MB = 4000  # what an installation writes, to two disks


def start_rescue(layout: LabLayout, machine: Machine, network: Network, image: Path) -> None:
    """Boot the rescue system `image`, fresh each time, with the machine's disks beside it."""
    directory = layout.machine(machine.name)
    chosen = accelerator(image / "vmlinuz")
    files = disk_files(directory, machine.disks)
    new = [disk for disk in machine.disks if not files[disk.serial].exists()]
    room = [(directory, _DISK_MB if new else 0)]
    require_room(machine.name, machine.memory_mb + OVERHEAD_MB[chosen], room)
    rescue = directory / "rescue.qcow2"
    run(["rm", "-f", rescue], privileged=True)
    make_overlay(base_disk(image), rescue)
    for disk in new:
        run(["truncate", f"--size={disk.size_gb}GB", files[disk.serial]], privileged=True)
    launch_machine(
        layout,
        machine,
        network,
        [
            *hardware(machine, chosen),
            *_firmware(directory, machine),
            # As over the hoster's network: no boot loader is asked.
            *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img")),
            *("-append", RESCUE_OPTIONS),
            *drive(rescue.name, "qcow2"),
            *_drives(files),
            *write_credentials(layout, machine, network),
        ],
    )


def start_from_disks(
    layout: LabLayout, machine: Machine, network: Network, kernel: Path, without: Collection[str]
) -> None:
    """Boot the machine from its own disks, except those that were pulled out of it.

    `kernel` is one to try KVM with. Raises PasInfraError for a machine without a disk.
    """
    directory = layout.machine(machine.name)
    files = disk_files(directory, machine.disks)
    chosen = accelerator(kernel)
    present = {
        serial: file for serial, file in files.items() if serial not in without and file.exists()
    }
    if not present:
        raise PasInfraError(
            f"{machine.name} has no disk to start from",
            where=directory,
            next_step=f"pas-infra lab up {machine.name} --boot rescue, then install it",
        )
    require_room(machine.name, machine.memory_mb + OVERHEAD_MB[chosen], [])
    launch_machine(
        layout,
        machine,
        network,
        [*hardware(machine, chosen), *_firmware(directory, machine), *_drives(present)],
    )


def disk_files(directory: Path, disks: Collection[Disk]) -> dict[str, Path]:
    """The files in the machine's directory that hold its disks, by serial number."""
    return {disk.serial: directory / f"disk-{disk.serial}.raw" for disk in disks}


def _firmware(directory: Path, machine: Machine) -> list[str]:
    """QEMU's options for the machine's firmware; UEFI keeps its variables beside the disks."""
    if machine.firmware == "bios":
        return []
    if not UEFI.exists():
        raise PasInfraError(
            f"{machine.name} starts with UEFI, which is not on this machine",
            where=UEFI,
            next_step="install the package ovmf, or set `firmware: bios` in lab.yml",
        )
    variables = directory / "uefi-variables.fd"
    if not variables.exists():
        run(["cp", UEFI_VARIABLES, variables], privileged=True)
    options = (f"readonly=on,file={UEFI}", f"file={variables.name}")
    return [part for one in options for part in ("-drive", f"if=pflash,format=raw,{one}")]


def _drives(files: dict[str, Path]) -> list[str]:
    return [part for serial, file in files.items() for part in drive(file.name, "raw", serial)]
