"""The backend with a kernel of its own: full virtual machines in QEMU."""

from importlib import resources
from pathlib import Path

from orchestrator.environment import Machine, Network
from orchestrator.errors import PasInfraError
from orchestrator.lab import saved_state
from orchestrator.lab.accelerator import OPTIONS, OVERHEAD_MB, Accelerator, accelerator
from orchestrator.lab.boot_loader import boot_loader
from orchestrator.lab.commands import run, start
from orchestrator.lab.disk import base_disk, make_overlay
from orchestrator.lab.guest import by_address, mac_address, network_unit, write_credentials
from orchestrator.lab.layout import LabLayout
from orchestrator.lab.room import require_room

TOOLS = ("qemu-system-x86_64", "qemu-img", "mke2fs", "grub-mkimage", "ip", "socat")

_BASE_MB = 1500  # an image as a file system
_DISK_MB = 2000  # what a machine writes to its disk, with room for the roles' packages


def start_machine(layout: LabLayout, machine: Machine, network: Network, image: Path) -> None:
    """Boot the machine with the disk that it has; a fresh one resumes its saved state if it can.

    Raises PasInfraError when memory or disk is short, when the image that the machine's disk
    stands on is gone, or when it does not resume.
    """
    directory = layout.machine(machine.name)
    saved_state.abandon(layout, machine.name)
    disk = directory / "disk.qcow2"
    is_fresh = not disk.exists()
    stands_on = _image_of(machine, directory, image)
    chosen = accelerator(stands_on / "vmlinuz")
    require_room(
        machine.name,
        machine.memory_mb + OVERHEAD_MB[chosen],
        [(stands_on.parent, 0 if (stands_on.parent / "disk.raw").exists() else _BASE_MB),
         (directory, _DISK_MB if is_fresh else 0)],
    )  # fmt: skip
    boot_loader(stands_on)
    credentials = write_credentials(layout, machine, network)
    launch = [*command(machine, stands_on, chosen), *credentials]
    key = _state_key(layout, machine, network, launch)
    if is_fresh and saved_state.is_kept(layout, machine.name, key):
        (directory / saved_state.RESUMING).touch()
        saved_state.copy_disk(layout, machine.name)
        resume = [*launch, *saved_state.incoming(layout, machine.name)]
        launch_machine(layout, machine, network, resume, pid_file=saved_state.RESUMING)
        saved_state.settle(layout, machine.name)
        return
    if is_fresh:
        make_overlay(base_disk(image), disk)
        saved_state.promise_to_keep(layout, machine.name, key)
    else:
        saved_state.break_promise(layout, machine.name)
    launch_machine(layout, machine, network, launch)


def command(machine: Machine, image: Path, chosen: Accelerator) -> list[str]:
    """QEMU's command line for a machine that starts from an image's GRUB and its own disk.

    To be run in the machine's directory, as the others are.
    """
    return [
        *hardware(machine, chosen),
        *("-kernel", f"{image.parent}/grub.lnx"),
        *drive("disk.qcow2", "qcow2"),
    ]


def drive(file: str, form: str, serial: str = "") -> list[str]:
    """QEMU's options for a disk that lies in a file."""
    # Unsafe only if the control node itself crashes: what the guest has written is the control
    # node's from then on, even if QEMU is killed.
    option = f"if=none,id=drive-{file},file={file},format={form},cache=unsafe,discard=unmap"
    device = f"virtio-blk-pci,drive=drive-{file}" + (f",serial={serial}" if serial else "")
    return ["-drive", option, "-device", device]


def hardware(machine: Machine, chosen: Accelerator) -> list[str]:
    """QEMU's command line for the machine without what it starts from."""
    return [
        "qemu-system-x86_64",
        *("-name", machine.name),
        *("-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"),
        *OPTIONS[chosen],
        *("-smp", str(machine.cpus), "-m", str(machine.memory_mb)),
        *("-netdev", f"tap,id=wan,ifname={tap_device(machine.name)},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=wan,mac={mac_address(machine.name)},romfile="),
        *("-object", "rng-random,id=rng,filename=/dev/urandom"),
        *("-device", "virtio-rng-pci,rng=rng"),
        # Makes a guest that resumes a saved state draw new randomness.
        *("-device", "vmgenid,guid=auto"),
        *("-chardev", "file,id=console,path=console.log,append=on", "-serial", "chardev:console"),
        *("-qmp", "unix:qmp,server=on,wait=off"),
    ]


def tap_device(machine: str) -> str:
    """The machine's network device in the lab's namespace; Linux allows 15 characters."""
    return "tap" + mac_address(machine).replace(":", "")


def launch_machine(
    layout: LabLayout,
    machine: Machine,
    network: Network,
    command: list[str],
    *,
    pid_file: str = "pid",
) -> None:
    """Start QEMU with this command line in the machine's directory, on the lab's network."""
    directory = layout.machine(machine.name)
    start(
        ["ip", "netns", "exec", layout.namespace, "sh",
         str(resources.files("orchestrator.lab") / "qemu-launch.sh"),
         str(directory), pid_file, network.name, tap_device(machine.name), *command],
        log=directory / "console.log",
    )  # fmt: skip


def _state_key(layout: LabLayout, machine: Machine, network: Network, launch: list[str]) -> str:
    return saved_state.state_key(
        [
            run(["qemu-system-x86_64", "--version"]),
            *launch,
            network_unit(by_address(machine), machine, network),
            Path(f"{layout.identity}.pub").read_text(),
        ]
    )


def _image_of(machine: Machine, directory: Path, image: Path) -> Path:
    """The image that the machine's disk stands on: the current one for a machine without a disk."""
    note = directory / "image"
    if not (directory / "disk.qcow2").exists():
        note.write_text(f"{image}\n")
        return image
    stands_on = Path(note.read_text().strip())
    if not (stands_on.parent / "disk.raw").exists():
        raise PasInfraError(
            f"the image that {machine.name}'s disk stands on is gone from the cache",
            where=stands_on,
            next_step=f"pas-infra lab reset {machine.name}",
        )
    return stands_on
