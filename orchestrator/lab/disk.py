"""The disks of virtual machines: one base disk an image, one overlay a machine."""

import fcntl
from pathlib import Path

from orchestrator.lab.commands import run

SIZE = "6G"  # sparse: it takes what is written to it

# What an image has of the control node that built it, and each machine is to have of its own.
_FORGET = "rm /etc/hostname\nrm /etc/hosts\n"


def base_disk(image: Path) -> Path:
    """The ext4 file system made of the image's root directory, beside it; made once.

    Raises PasInfraError when it cannot be made.
    """
    disk = image.parent / "disk.raw"
    with (image.parent / "disk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two labs that start at once make it once
        if not disk.exists():
            making = image.parent / "disk.making"
            run(["rm", "-f", making], privileged=True)
            run(
                ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-E", "assume_storage_prezeroed=1",
                 "-d", image, making, SIZE],
                privileged=True,
            )  # fmt: skip
            run(["debugfs", "-w", "-f", "-", making], privileged=True, stdin=_FORGET)
            run(["mv", making, disk], privileged=True)
    return disk


def make_overlay(base: Path, overlay: Path) -> None:
    """Make a disk that starts as `base` and keeps what is written to it; it appears whole."""
    making = overlay.with_suffix(".making")
    run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, making],
        privileged=True,
    )
    run(["mv", making, overlay], privileged=True)
