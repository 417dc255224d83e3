"""The boot loader of virtual machines: GRUB, which starts what the machine's own /boot tells it to.

QEMU starts it in a kernel's place, so that a machine's disk may stay one file system; from there on
kernel, initramfs and command line are the machine's, as `update-grub` in it leaves them.
"""

import fcntl
from pathlib import Path

from orchestrator.lab.commands import run

_FILES = Path("/usr/lib/grub/i386-pc")
# All that a grub.cfg of Debian may call: none of it is loaded from the machine's disk.
_MODULES = (
    "biosdisk", "part_msdos", "part_gpt", "ext2", "gzio", "xzio", "lzopio", "linux", "normal",
    "configfile", "search", "search_label", "search_fs_uuid", "search_fs_file", "test", "true",
    "echo", "sleep", "loadenv", "minicmd", "serial", "terminal", "all_video", "gfxterm", "reboot",
    "password_pbkdf2",
)  # fmt: skip
_FIRST = "set root=(hd0)\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"


def boot_loader(image: Path) -> Path:
    """GRUB in the form of a Linux kernel, beside the image; made once.

    Raises PasInfraError when it cannot be made.
    """
    loader = image.parent / "grub.lnx"
    with (image.parent / "grub.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two labs that start at once make it once
        if not loader.exists():
            first, core = image.parent / "grub.first", image.parent / "grub.core"
            first.write_text(_FIRST)
            run(["grub-mkimage", "--directory", _FILES, "--format=i386-pc", "--prefix=/boot/grub",
                 "--config", first, "--output", core, *_MODULES])  # fmt: skip
            making = image.parent / "grub.making"
            making.write_bytes((_FILES / "lnxboot.img").read_bytes() + core.read_bytes())
            making.rename(loader)
    return loader
