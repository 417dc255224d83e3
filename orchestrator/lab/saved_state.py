"""Saved states: a fresh virtual machine resumes where its first boot had come to, in seconds.

What a machine is (addresses, name, host keys, who may log in) is in its memory, so a state belongs
to one machine of one lab, and its key covers all that must be the same. Only two things have to
change in a machine that resumes, and do so over SSH, checked with the saved host keys: its clock,
and its host keys, for a machine that is built anew gets new ones.
"""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from orchestrator.environment import Machine
from orchestrator.errors import PasInfraError
from orchestrator.lab.commands import run
from orchestrator.lab.guest import host_keys
from orchestrator.lab.layout import LabLayout
from orchestrator.lab.monitor import monitor
from orchestrator.lab.processes import machine_processes, stop_processes

_SAVE_SECONDS = 300
_RESUME_SECONDS = 120
_DISK_MB = 500  # of a machine that has booted once

# The process id of a machine that resumes lies here until its keys and its clock are right: one
# that was left halfway is thrown away by the next start.
RESUMING = "resuming.pid"


def state_key(parts: Iterable[str]) -> str:
    """The key over all that a saved state depends on."""
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()


def saved_state(layout: LabLayout, machine: str) -> Path:
    """Where the machine's saved state lies: outside of what a reset throws away."""
    return layout.directory / "saved" / machine


def is_kept(layout: LabLayout, machine: str, key: str) -> bool:
    """Whether there is a saved state of this machine with this key."""
    note = saved_state(layout, machine) / "key"
    return note.exists() and note.read_text() == key


def promise_to_keep(layout: LabLayout, machine: str, key: str) -> None:
    """Note that this process boots the machine for the first time, for `keep_state` to save it."""
    (layout.machine(machine) / "first-boot").write_text(f"{os.getpid()} {key}")


def break_promise(layout: LabLayout, machine: str) -> None:
    """Note that the machine's disk has a past, which no fresh machine may start with."""
    (layout.machine(machine) / "first-boot").unlink(missing_ok=True)


def keep_state(layout: LabLayout, machine: Machine) -> None:
    """Save the state of a machine that this process has just booted for the first time.

    To be called as soon as the machine answers; does nothing for any other machine, for one that
    an earlier command started may have been changed since, nor without the room on the disk.
    Raises PasInfraError when QEMU cannot save.
    """
    directory = layout.machine(machine.name)
    note = directory / "first-boot"
    if not note.exists():
        return
    booted_by, _, key = note.read_text().partition(" ")
    note.unlink()
    if booted_by != str(os.getpid()):
        return
    if shutil.disk_usage(directory).free // 2**20 < machine.memory_mb + _DISK_MB:
        return
    kept = saved_state(layout, machine.name)
    making = kept.with_name(f"{machine.name}.making")
    run(["rm", "-rf", making], privileged=True)
    making.mkdir(parents=True, mode=0o700)
    shutil.copytree(directory / "host_keys", making / "host_keys")
    _save(directory, making)
    (making / "key").write_text(key)
    run(["rm", "-rf", kept], privileged=True)
    making.rename(kept)


def incoming(layout: LabLayout, machine: str) -> list[str]:
    """QEMU's options that make it resume the machine's saved state."""
    return ["-incoming", f"exec:cat {shlex.quote(str(saved_state(layout, machine) / 'memory'))}"]


def copy_disk(layout: LabLayout, machine: str) -> None:
    """Give the machine the disk of its saved state; it appears whole."""
    disk = layout.machine(machine) / "disk.qcow2"
    making = disk.with_suffix(".making")
    run(
        ["cp", "--reflink=auto", saved_state(layout, machine) / "disk.qcow2", making],
        privileged=True,
    )
    run(["mv", making, disk], privileged=True)


def settle(layout: LabLayout, machine: str) -> None:
    """Give the machine that resumes the right time and its own host keys.

    Raises PasInfraError when it does not answer; its saved state is dropped then.
    """
    directory = layout.machine(machine)
    kept = saved_state(layout, machine)
    known_hosts = directory / "known_hosts.saved"
    known_hosts.write_text(
        "".join(
            f"{machine} {key}"
            for name, key in host_keys(kept / "host_keys").items()
            if name.endswith(".pub")
        )
    )
    keys = host_keys(directory / "host_keys")
    deadline = time.monotonic() + _RESUME_SECONDS
    while not _says(layout, machine, known_hosts, settling_script(time.time(), keys)):
        over = not machine_processes(layout, machine)
        if over or time.monotonic() > deadline:
            abandon(layout, machine)
            run(["rm", "-rf", kept], privileged=True)
            raise PasInfraError(
                f"{machine} did not resume from its saved state, which has been dropped: "
                + ("QEMU has ended" if over else f"no answer within {_RESUME_SECONDS} s"),
                where=directory / "console.log",
                next_step="the same command again boots the machine from the start",
            )
        time.sleep(0.2)
    known_hosts.unlink()
    (directory / RESUMING).rename(directory / "pid")


def settling_script(now: float, keys: dict[str, str]) -> str:
    """The shell script that sets a guest's clock, to seconds since 1970, and its host keys."""
    lines = ["set -eu", f"date --utc --set=@{now:.3f} > /dev/null"]
    for name, key in keys.items():
        mode = "0644" if name.endswith(".pub") else "0600"
        lines.append(f"install -m {mode} /dev/stdin /etc/ssh/{name} <<'KEY'\n{key.rstrip()}\nKEY")
    # An administrator who changes the host keys restarts sshd; sessions survive that.
    return "\n".join([*lines, "systemctl restart ssh", ""])


def abandon(layout: LabLayout, machine: str) -> None:
    """End what still runs for a machine that was left halfway, and drop a disk left in resuming."""
    directory = layout.machine(machine)
    stop_processes(machine_processes(layout, machine), patience=0)
    if (directory / RESUMING).exists():
        run(["rm", "-f", directory / "disk.qcow2", directory / RESUMING], privileged=True)


def _save(directory: Path, making: Path) -> None:
    """Write memory and disk of the running machine, of one and the same moment, into `making`."""
    with monitor(directory) as ask:
        try:
            ask("migrate-set-parameters", **{"max-bandwidth": 2**40})
            ask("migrate", uri=f"exec:cat > {shlex.quote(str(making / 'memory'))}")
            deadline = time.monotonic() + _SAVE_SECONDS
            while (state := ask("query-migrate").get("status")) != "completed":
                if state in ("failed", "cancelled") or time.monotonic() > deadline:
                    raise PasInfraError(
                        f"QEMU did not save its state: {state}",
                        where=directory / "console.log",
                        next_step="see whether the disk is full",
                    )
                time.sleep(0.1)
            # QEMU has written all of the disk and stands still until it is told to go on.
            run(
                ["cp", "--reflink=auto", directory / "disk.qcow2", making / "disk.qcow2"],
                privileged=True,
            )
        finally:
            if ask("query-status")["status"] != "running":
                ask("cont")


def _says(layout: LabLayout, machine: str, known_hosts: Path, script: str) -> bool:
    options = ["-F", str(layout.ssh_config), "-o", f"UserKnownHostsFile={known_hosts}"]
    done = subprocess.run(
        ["ssh", *options, "-o", "ConnectTimeout=5", machine, "sudo", "sh", "-s"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0
