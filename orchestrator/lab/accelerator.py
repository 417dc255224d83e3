"""How QEMU runs a guest's instructions: KVM where it works, else emulation.

Decided by trying: many machines have a /dev/kvm that starts no kernel.
"""

from pathlib import Path
from typing import Literal

from orchestrator.errors import PasInfraError
from orchestrator.lab.commands import run
from orchestrator.paths import cache_directory

Accelerator = Literal["kvm", "tcg"]

OPTIONS: dict[Accelerator, tuple[str, ...]] = {
    "kvm": ("-accel", "kvm", "-cpu", "host"),
    "tcg": ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"),
}
# Beside the guest's memory: QEMU itself, and for emulation the cache of translated code.
OVERHEAD_MB: dict[Accelerator, int] = {"kvm": 100, "tcg": 700}

_TRIAL_SECONDS = 15
# A kernel without a disk comes that far; with panic=-1 and -no-reboot it then ends QEMU.
_STARTED = "Unable to mount root fs"


def accelerator(kernel: Path) -> Accelerator:
    """What this machine can do, tried with the kernel and remembered until it boots again."""
    if not Path("/dev/kvm").exists():
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    remembered = cache_directory() / "accelerator"
    known = remembered.read_text().split() if remembered.exists() else []
    if known == [boot, "kvm"]:
        return "kvm"
    if known == [boot, "tcg"]:
        return "tcg"
    found: Accelerator = "kvm" if _starts(kernel) else "tcg"
    remembered.parent.mkdir(parents=True, exist_ok=True)
    remembered.write_text(f"{boot} {found}\n")
    return found


def _starts(kernel: Path) -> bool:
    trial = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256"]
    try:
        console = run(
            [
                # A guest that KVM gives up leaves QEMU standing; it ends even if this process dies.
                "timeout",
                f"--kill-after={_TRIAL_SECONDS}",
                str(_TRIAL_SECONDS),
                "qemu-system-x86_64",
                *trial,
                *OPTIONS["kvm"],
                "-serial",
                "stdio",
                "-kernel",
                kernel,
                "-append",
                "console=ttyS0 panic=-1",
            ],
            privileged=True,
        )
    except PasInfraError:
        return False
    return _STARTED in console
